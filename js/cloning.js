// @ts-check
/// <reference path="./types.d.ts" />

// Which objects of the platform cannot be cloned. They are classes of JavaScript here, which
// structured clone would turn into empty plain objects without a word.

import { core, primordials } from "ext:core/mod.js";

const { ObjectDefineProperty, ObjectGetPrototypeOf, ObjectHasOwn, SafeWeakMap } = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** V8 calls this member of an object that it is to clone. */
const CLONE = core.hostObjectBrand;
/** Why the objects of a prototype cannot be cloned. */
const reasons = new SafeWeakMap();

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
 * @param {(object: any) => Error} [reason] why an object cannot be cloned
 */
export function refuseCloning({ prototype }, reason = unsupportedClass) {
  if (!reasons.has(prototype)) reasons.set(prototype, reason);
  // structuredClone clones blobs and keys, which have a member of their own; storage does not.
  if (ObjectHasOwn(prototype, CLONE)) return;
  ObjectDefineProperty(prototype, CLONE, {
    __proto__: null,
    /** @this {any} */
    value() {
      throw reasonAgainst(this);
    },
    // Ports and streams have a member of their own.
    writable: true,
    configurable: true,
  });
}

/**
 * Why an object cannot be cloned.
 * @param {any} object
 * @returns {Error}
 */
export function reasonAgainst(object) {
  let prototype = ObjectGetPrototypeOf(object);
  while (prototype !== null && !reasons.has(prototype)) prototype = ObjectGetPrototypeOf(prototype);
  return (reasons.get(prototype) ?? unsupportedClass)(object);
}

/** @param {any} object */
function unsupportedClass(object) {
  return unsupported(object.constructor?.name ?? "Object");
}

/** @param {string} name of a class whose objects cannot be cloned */
export function unsupported(name) {
  return dataCloneError(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
  );
}
