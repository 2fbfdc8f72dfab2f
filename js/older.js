// @ts-check
/// <reference path="./types.d.ts" />

// What older compatibility dates bring back, where it is a matter of a class's members or of deno's
// own scripts. The rest asks `isOn` where it happens.
// https://developers.cloudflare.com/workers/configuration/compatibility-flags/

import { core, primordials } from "ext:core/mod.js";
import { isChosen, isOn } from "ext:stead/compatibility.js";
import { giveNothingAtTheEnd } from "ext:stead/older_streams.js";
import { defineMember, tag, taggedClasses, WorkerGlobalScope } from "ext:stead/scope.js";

const {
  Error,
  ObjectGetOwnPropertyDescriptor,
  ObjectKeys,
  ReflectApply,
  SafeWeakMap,
  SymbolToStringTag,
  TypedArrayPrototypeGetBuffer,
} = primordials;
const { former } = core.loadExtScript("ext:stead/former.js");
const { Headers } = core.loadExtScript("ext:deno_fetch/20_headers.js");
const { URLSearchParams } = core.loadExtScript("ext:deno_web/00_url.js");

/** @type {any} */
const scope = globalThis;

/** What is done for a flag that is off. @type {Record<string, () => void>} */
const BACK = {
  "fixup-transform-stream-backpressure": () => (former.transformsNeverFill = true),
  crypto_preserve_public_exponent: showExponentsAsBuffers,
  enable_global_performance_classes: () => removeNames(PERFORMANCE),
  enable_navigator_language: removeLanguages,
  enable_weak_ref: () => removeNames(["WeakRef", "FinalizationRegistry"]),
  encoder_stream_spec_compliant_backpressure: () => (former.textStreamRoom = 1),
  expose_global_message_channel: () => removeNames(["MessageChannel", "MessagePort"]),
  global_navigator: () => removeNames(["navigator", "Navigator"]),
  http_headers_getsetcookie: joinCookies,
  internal_stream_byob_return_view: giveNothingAtTheEnd,
  no_global_importscripts: () => defineMember(WorkerGlobalScope.prototype, importScripts),
  pipe_to_backward_propagation: () => (former.pipesEndWithDestination = true),
  set_event_target_this: () => (former.listenersHaveNoTarget = true),
  set_tostring_tag: removeTags,
  spec_compliant_dispatch_exceptions: () => (former.dispatchThrows = true),
  strict_compression_checks: () => (former.laxDecompression = true),
  strip_authorization_on_cross_origin_redirect: () => (former.redirectsKeepAuthorization = true),
  urlsearchparams_delete_has_value_arg: ignoreValues,
  writable_stream_spec_compliant_writer: () => (former.releasedWritersStayReady = true),
};

const PERFORMANCE = [
  "Performance",
  "PerformanceEntry",
  "PerformanceMark",
  "PerformanceMeasure",
  "PerformanceObserver",
  "PerformanceObserverEntryList",
  "PerformanceResourceTiming",
];

/** Called once per runtime, before user code. */
export function bringBack() {
  const flags = ObjectKeys(BACK);
  for (let i = 0; i < flags.length; i++) if (!isOn(flags[i])) BACK[flags[i]]();
  if (!isChosen("temporal")) removeNames(["Temporal"]);
}

/** @param {string[]} names of the global scope */
function removeNames(names) {
  for (let i = 0; i < names.length; i++) delete scope[names[i]];
}

function removeLanguages() {
  delete scope.navigator?.language;
  delete scope.navigator?.languages;
}

function importScripts() {
  throw new Error("Failed to execute 'importScripts' on 'WorkerGlobalScope': the method is not implemented.");
}

/** `Object.prototype.toString` knows the platform's objects by no name. */
function removeTags() {
  const tagged = taggedClasses();
  for (let i = 0; i < tagged.length; i++) delete tagged[i].prototype[SymbolToStringTag];
  // JavaScript itself takes one for an error.
  tag(scope.DOMException, "Object");
}

/** Only the name counts to `delete()` and `has()`. */
function ignoreValues() {
  const { delete: standardDelete, has: standardHas } = URLSearchParams.prototype;
  const members = {
    /** @this {any} @param {any[]} args */
    delete(...args) {
      args.length = args.length > 0 ? 1 : 0;
      return ReflectApply(standardDelete, this, args);
    },
    /** @this {any} @param {any[]} args */
    has(...args) {
      args.length = args.length > 0 ? 1 : 0;
      return ReflectApply(standardHas, this, args);
    },
  };
  defineMember(URLSearchParams.prototype, members.delete);
  defineMember(URLSearchParams.prototype, members.has);
}

/** All cookies that are set are one header. */
function joinCookies() {
  const { prototype } = Headers;
  delete prototype.getSetCookie;
  const { entries } = prototype;
  /** @param {any} headers */
  const joined = (headers) => {
    /** @type {[string, string][]} */
    const list = [];
    for (const [name, value] of ReflectApply(entries, headers, [])) {
      const last = list[list.length - 1];
      if (name === "set-cookie" && last?.[0] === name) last[1] += `, ${value}`;
      else list.push([name, value]);
    }
    return list;
  };
  const members = {
    /** @this {any} */
    entries() {
      return joined(this).values();
    },
    /** @this {any} */
    keys() {
      return joined(this).map(([name]) => name).values();
    },
    /** @this {any} */
    values() {
      return joined(this).map(([, value]) => value).values();
    },
    /** @this {any} @param {any} callback @param {any} [receiver] */
    forEach(callback, receiver) {
      for (const [name, value] of joined(this)) ReflectApply(callback, receiver, [value, name, this]);
    },
  };
  for (const member of [members.entries, members.keys, members.values, members.forEach]) {
    defineMember(prototype, member);
  }
  Object.defineProperty(prototype, Symbol.iterator, { value: members.entries, writable: true, configurable: true });
}

/** The public exponent of an RSA key is shown as an ArrayBuffer. */
function showExponentsAsBuffers() {
  const { CryptoKey } = scope;
  const { get } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(CryptoKey.prototype, "algorithm"));
  const shown = new SafeWeakMap();
  Object.defineProperty(CryptoKey.prototype, "algorithm", {
    get() {
      const algorithm = ReflectApply(get, this, []);
      if (algorithm.publicExponent === undefined) return algorithm;
      if (!shown.has(this)) {
        const publicExponent = TypedArrayPrototypeGetBuffer(algorithm.publicExponent);
        shown.set(this, { ...algorithm, publicExponent });
      }
      return shown.get(this);
    },
    enumerable: true,
    configurable: true,
  });
}
