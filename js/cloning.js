// @ts-check
/// <reference path="./types.d.ts" />

// Which objects of the platform cannot be cloned. They are classes of JavaScript here, which
// structured clone would turn into empty plain objects without a word.

import { core, primordials } from "ext:core/mod.js";

const { ObjectDefineProperty, ObjectHasOwn } = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** V8 calls this member of an object that it is to clone. */
const CLONE = core.hostObjectBrand;

/** @param {string} message */
export function dataCloneError(message) {
  return new DOMException(message, "DataCloneError");
}

/** @param {string} name the stream's class */
export function streamError(name) {
  return dataCloneError(`${name} can only be serialized for RPC.`);
}

/**
 * @param {{ prototype: object }} constructor
 * @param {(object: any) => Error} [explain] why an object cannot be cloned
 */
export function refuseCloning(constructor, explain = unsupported) {
  // Blobs, keys and exceptions say themselves how they are cloned.
  if (ObjectHasOwn(constructor.prototype, CLONE)) return;
  ObjectDefineProperty(constructor.prototype, CLONE, {
    __proto__: null,
    /** @this {any} */
    value() {
      throw explain(this);
    },
    // Ports and streams have a member of their own.
    writable: true,
    configurable: true,
  });
}

/** @param {any} object */
function unsupported(object) {
  const name = object.constructor?.name ?? "Object";
  return dataCloneError(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
  );
}
