// @ts-check
/// <reference path="./types.d.ts" />

// The global scope of a Worker: what is on `globalThis`, and where it comes from.
// https://developers.cloudflare.com/workers/runtime-apis/
//
// Not here: WebSocket and its family (websocket.js), caches, EventSource, HTMLRewriter, and the
// Workers' own members of Request and Response (http.js). They are defined with `defineClasses`.

import { core, primordials } from "ext:core/mod.js";
import { AbortController, AbortSignal } from "ext:stead/abort.js";
import { bringBack } from "ext:stead/older.js";
import { CloseEvent, CustomEvent, ErrorEvent, MessageEvent } from "ext:stead/event_classes.js";
import { reportError } from "ext:stead/errors.js";
import { dataCloneError, refuseCloning, streamError } from "ext:stead/cloning.js";
import { console } from "ext:stead/console.js";
import { noteTagged, ServiceWorkerGlobalScope, WorkerGlobalScope } from "ext:stead/scope.js";
import { clearInterval, clearTimeout, setInterval, setTimeout } from "ext:stead/timers.js";
import { scheduler } from "ext:stead/scheduler.js";
import { queueMicrotask, structuredClone } from "ext:stead/tasks.js";
import { cloudflare, Navigator, navigator } from "ext:stead/navigator.js";
import { FixedLengthStream, IdentityTransformStream } from "ext:stead/streams.js";
import { webCrypto } from "ext:stead/crypto.js";
import { Body, Crypto, CryptoKey, PromiseRejectionEvent, SubtleCrypto } from "ext:stead/shape.js";
import { PerformanceResourceTiming } from "ext:stead/timing.js";
import * as platformEvents from "ext:stead/events.js";

const { ObjectDefineProperty, ObjectKeys } = primordials;

const load = core.loadExtScript;
const url = load("ext:deno_web/00_url.js");
const { URLPattern } = load("ext:deno_web/01_urlpattern.js");
const { DOMException } = load("ext:deno_web/01_dom_exception.js");
const event = load("ext:deno_web/02_event.js");
const base64 = load("ext:deno_web/05_base64.js");
const streams = load("ext:deno_web/06_streams.js");
const encoding = load("ext:deno_web/08_text_encoding.js");
const file = load("ext:deno_web/09_file.js");
const message = load("ext:deno_web/13_message_port.js");
const compression = load("ext:deno_web/14_compression.js");
const timing = load("ext:deno_web/15_performance.js");
const { Headers } = load("ext:deno_fetch/20_headers.js");
const { FormData } = load("ext:deno_fetch/21_formdata.js");
const { Request } = load("ext:deno_fetch/23_request.js");
const { Response } = load("ext:deno_fetch/23_response.js");
const { fetch } = load("ext:deno_fetch/26_fetch.js");

/**
 * Puts interfaces on the global scope, replacing those of the same name.
 * @param {Record<string, unknown>} classes
 */
export function defineClasses(classes) {
  define(classes, false);
  const names = ObjectKeys(classes);
  for (let i = 0; i < names.length; i++) {
    const { prototype } = /** @type {any} */ (classes[names[i]]);
    if (prototype === undefined) continue;
    refuseCloning({ prototype });
    noteTagged({ prototype });
  }
}

/**
 * Puts functions and objects on the global scope.
 * @param {Record<string, unknown>} values
 */
export function defineValues(values) {
  define(values, true);
}

/**
 * @param {Record<string, unknown>} values
 * @param {boolean} enumerable
 */
function define(values, enumerable) {
  const names = ObjectKeys(values);
  for (let i = 0; i < names.length; i++) {
    ObjectDefineProperty(globalThis, names[i], {
      __proto__: null,
      value: values[names[i]],
      writable: true,
      enumerable,
      configurable: true,
    });
  }
}

/** @param {Request | Response} message */
function messageError(message) {
  return message.body === null
    ? dataCloneError(`${message.constructor.name} cannot be serialized in Stead yet.`)
    : streamError("ReadableStream");
}
refuseCloning(Request, messageError);
refuseCloning(Response, messageError);
for (const stream of [streams.ReadableStream, streams.WritableStream]) {
  refuseCloning(stream, () => streamError(stream.name));
}
refuseCloning(AbortSignal, () => dataCloneError("AbortSignal serialization is not enabled."));

defineClasses({
  AbortController,
  AbortSignal,
  Blob: file.Blob,
  Body,
  ByteLengthQueuingStrategy: streams.ByteLengthQueuingStrategy,
  CloseEvent,
  CompressionStream: compression.CompressionStream,
  CountQueuingStrategy: streams.CountQueuingStrategy,
  Crypto,
  CryptoKey,
  CustomEvent,
  DecompressionStream: compression.DecompressionStream,
  DOMException,
  ErrorEvent,
  Event: event.Event,
  EventTarget: event.EventTarget,
  ExtendableEvent: platformEvents.ExtendableEvent,
  FetchEvent: platformEvents.FetchEvent,
  File: file.File,
  FixedLengthStream,
  FormData,
  Headers,
  IdentityTransformStream,
  MessageChannel: message.MessageChannel,
  MessageEvent,
  MessagePort: message.MessagePort,
  Navigator,
  Performance: timing.Performance,
  PerformanceEntry: timing.PerformanceEntry,
  PerformanceMark: timing.PerformanceMark,
  PerformanceMeasure: timing.PerformanceMeasure,
  PerformanceObserver: timing.PerformanceObserver,
  PerformanceObserverEntryList: timing.PerformanceObserverEntryList,
  PerformanceResourceTiming,
  PromiseRejectionEvent,
  ReadableByteStreamController: streams.ReadableByteStreamController,
  ReadableStream: streams.ReadableStream,
  ReadableStreamBYOBReader: streams.ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest: streams.ReadableStreamBYOBRequest,
  ReadableStreamDefaultController: streams.ReadableStreamDefaultController,
  ReadableStreamDefaultReader: streams.ReadableStreamDefaultReader,
  Request,
  Response,
  ScheduledEvent: platformEvents.ScheduledEvent,
  SubtleCrypto,
  TailEvent: platformEvents.TailEvent,
  TextDecoder: encoding.TextDecoder,
  TextDecoderStream: encoding.TextDecoderStream,
  TextEncoder: encoding.TextEncoder,
  TextEncoderStream: encoding.TextEncoderStream,
  TraceEvent: platformEvents.TraceEvent,
  TransformStream: streams.TransformStream,
  TransformStreamDefaultController: streams.TransformStreamDefaultController,
  URL: url.URL,
  URLPattern,
  URLSearchParams: url.URLSearchParams,
  WritableStream: streams.WritableStream,
  WritableStreamDefaultController: streams.WritableStreamDefaultController,
  WritableStreamDefaultWriter: streams.WritableStreamDefaultWriter,
  console,
});

// V8 itself refuses to clone a global object.
define({ ServiceWorkerGlobalScope, WorkerGlobalScope }, false);

defineValues({
  atob: base64.atob,
  btoa: base64.btoa,
  clearInterval,
  clearTimeout,
  Cloudflare: cloudflare,
  fetch,
  navigator,
  performance: timing.performance,
  queueMicrotask,
  reportError,
  scheduler,
  self: globalThis,
  setInterval,
  setTimeout,
  structuredClone,
});

// What deno_web's scripts look for before they accept the scope as an EventTarget.
const { brand } = load("ext:deno_webidl/00_webidl.js");
ObjectDefineProperty(globalThis, brand, { __proto__: null, value: brand });

ObjectDefineProperty(globalThis, "origin", {
  __proto__: null,
  value: "null",
  enumerable: true,
  configurable: true,
});

/**
 * The parts of the bootstrap that need a live isolate: objects backed by Rust, the clock, and
 * what V8 puts on the global scope when it restores a snapshot.
 */
export function startGlobals() {
  timing.setTimeOrigin();
  defineValues({ crypto: webCrypto.crypto });
  // The platform has them not: a worker's modules are imported.
  delete (/** @type {any} */ (WebAssembly).compileStreaming);
  delete (/** @type {any} */ (WebAssembly).instantiateStreaming);
  bringBack();
}
