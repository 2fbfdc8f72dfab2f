// @ts-check
/// <reference path="./types.d.ts" />

// Methods that were taken from their object, as in `const { waitUntil } = ctx`.
// https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors

import { primordials } from "ext:core/mod.js";

const {
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetOwnPropertyNames,
  ReflectApply,
  TypeError,
} = primordials;

export const ILLEGAL_INVOCATION =
  "Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

/** @returns {never} */
export function refuseReceiver() {
  throw new TypeError(ILLEGAL_INVOCATION);
}

/**
 * Has the methods of a class refuse to be called without their object. Not for classes whose
 * methods are so short that one more call would show.
 * @param {{ prototype: object }} constructor
 */
export function guardReceiver({ prototype }) {
  const names = ObjectGetOwnPropertyNames(prototype);
  for (let i = 0; i < names.length; i++) {
    const name = names[i];
    const descriptor = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(prototype, name));
    const method = descriptor.value;
    if (name === "constructor" || typeof method !== "function") continue;
    ObjectDefineProperty(prototype, name, {
      ...descriptor,
      __proto__: null,
      value: {
        /** @this {any} @param {any[]} args */
        [name](...args) {
          if (this === undefined) refuseReceiver();
          return ReflectApply(method, this, args);
        },
      }[name],
    });
  }
}
