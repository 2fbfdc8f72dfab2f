// @ts-check
/// <reference path="./types.d.ts" />

// The attributes of the members of the platform's classes: what a class of JavaScript hides from
// `for (name in object)` is shown, and names of classes may be replaced. Evaluated after all classes.

import { core, primordials } from "ext:core/mod.js";
import { taggedClasses } from "ext:stead/scope.js";
import { WebSocket } from "ext:stead/websocket.js";

const {
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyNames,
  ObjectSetPrototypeOf,
  SymbolToStringTag,
} = primordials;

const { CompressionStream, DecompressionStream } = core.loadExtScript("ext:deno_web/14_compression.js");
const { TextDecoderStream, TextEncoderStream } = core.loadExtScript("ext:deno_web/08_text_encoding.js");
const { TransformStream } = core.loadExtScript("ext:deno_web/06_streams.js");

/**
 * @param {object} holder
 * @param {string | symbol} name
 * @param {PropertyDescriptor} change
 */
function change(holder, name, change) {
  const descriptor = ObjectGetOwnPropertyDescriptor(holder, name);
  if (descriptor === undefined || !descriptor.configurable) return;
  ObjectDefineProperty(holder, name, { ...descriptor, ...change, __proto__: null });
}

const tagged = taggedClasses();
for (let i = 0; i < tagged.length; i++) {
  const { prototype } = tagged[i];
  change(prototype, SymbolToStringTag, { writable: true });
  const names = ObjectGetOwnPropertyNames(prototype);
  for (let n = 0; n < names.length; n++) {
    if (names[n] !== "constructor") change(prototype, names[n], { enumerable: true });
  }
}

for (const name of ObjectGetOwnPropertyNames(WebSocket)) {
  if (typeof (/** @type {any} */ (WebSocket)[name]) === "number") change(WebSocket, name, { writable: false });
}

// These are transform streams of their kind.
for (const { prototype } of [CompressionStream, DecompressionStream, TextDecoderStream, TextEncoderStream]) {
  ObjectSetPrototypeOf(prototype, TransformStream.prototype);
}
