// @ts-check
/// <reference path="./types.d.ts" />

// What code may not do while its modules are evaluated: there is no event yet on whose behalf it
// could wait, and every isolate has to come out the same.
// https://developers.cloudflare.com/workers/runtime-apis/handlers/

import { primordials } from "ext:core/mod.js";

const { Error, ObjectDefineProperty, ReflectApply } = primordials;

const DISALLOWED =
  "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/";

let evaluating = false;

/** The worker's modules are evaluated from here on. */
export function beginEvaluation() {
  evaluating = true;
}

/** They have been. */
export function endEvaluation() {
  evaluating = false;
}

/** Throws while modules are evaluated. */
export function requireHandler() {
  if (evaluating) throw new Error(DISALLOWED);
}

/**
 * Has a method throw while modules are evaluated.
 * @param {any} target
 * @param {string} name
 */
export function restrict(target, name) {
  const standard = target[name];
  ObjectDefineProperty(target, name, {
    __proto__: null,
    value: {
      /** @param {any[]} args */
      [name](...args) {
        requireHandler();
        return ReflectApply(standard, this, args);
      },
    }[name],
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/**
 * The same for a method whose errors are rejections.
 * @param {any} target
 * @param {string} name
 */
export function restrictAsync(target, name) {
  const standard = target[name];
  ObjectDefineProperty(target, name, {
    __proto__: null,
    value: {
      /** @param {any[]} args */
      async [name](...args) {
        requireHandler();
        return await ReflectApply(standard, this, args);
      },
    }[name],
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
