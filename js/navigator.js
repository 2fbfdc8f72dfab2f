// @ts-check
/// <reference path="./types.d.ts" />

// `navigator` and `Cloudflare`: what a Worker may know about where it runs.

import { primordials } from "ext:core/mod.js";
import { tagClass } from "ext:stead/scope.js";

const { ObjectDefineProperty, ObjectFreeze, TypeError } = primordials;

/**
 * @param {object} target
 * @param {string} name
 * @param {unknown} value
 */
function defineConstant(target, name, value) {
  ObjectDefineProperty(target, name, {
    __proto__: null,
    value,
    enumerable: true,
    configurable: true,
  });
}

let constructed = 0;

export class Navigator {
  constructor() {
    // The global is the only instance.
    if (constructed++ > 0) throw new TypeError("Illegal constructor");
    defineConstant(this, "languages", ObjectFreeze(["en"]));
    defineConstant(this, "language", "en");
    defineConstant(this, "platform", "");
    defineConstant(this, "hardwareConcurrency", 1);
    defineConstant(this, "userAgent", "Cloudflare-Workers");
  }
}
tagClass(Navigator);

export const navigator = new Navigator();

class Cloudflare {}
tagClass(Cloudflare);

export const cloudflare = new Cloudflare();

/** @param {Record<string, boolean>} flags */
export function setCompatibilityFlags(flags) {
  defineConstant(cloudflare, "compatibilityFlags", ObjectFreeze(flags));
}
