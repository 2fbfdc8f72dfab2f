// @ts-check
/// <reference path="./types.d.ts" />

// Which objects of the platform cannot be cloned. They are classes of JavaScript here, which
// structured clone would turn into empty plain objects without a word.

import { core, primordials } from "ext:core/mod.js";

const { ObjectDefineProperty, ObjectHasOwn, Symbol } = primordials;
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");

/** V8 calls this member of an object that it is to clone. */
const CLONE = core.hostObjectBrand;
const REASON = Symbol("reason against cloning");

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
export function refuseCloning({ prototype }, reason = unsupported) {
  const attributes = { __proto__: null, writable: true, configurable: true };
  if (!ObjectHasOwn(prototype, REASON)) {
    ObjectDefineProperty(prototype, REASON, { ...attributes, value: reason });
  }
  // structuredClone clones blobs and keys, which have a member of their own; storage does not.
  if (ObjectHasOwn(prototype, CLONE)) return;
  ObjectDefineProperty(prototype, CLONE, {
    ...attributes,
    /** @this {any} */
    value() {
      throw reasonAgainst(this);
    },
  });
}

/**
 * Why an object cannot be cloned.
 * @param {any} object
 * @returns {Error}
 */
export function reasonAgainst(object) {
  return (object[REASON] ?? unsupported)(object);
}

/** @param {any} object */
function unsupported(object) {
  const name = object.constructor?.name ?? "Object";
  return dataCloneError(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
  );
}
