// @ts-check
/// <reference path="./types.d.ts" />

// What code may not do while its modules are evaluated: there is no event yet on whose behalf it
// could wait, and every isolate has to come out the same.
// https://developers.cloudflare.com/workers/runtime-apis/handlers/

import { primordials } from "ext:core/mod.js";

const {
  Error,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  Proxy,
  ReflectApply,
  ReflectConstruct,
  ReflectGet,
} = primordials;

const DISALLOWED =
  "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/";

let evaluating = false;
/** Whether the clock stands at 0 meanwhile. */
let timeless = false;
/** Puts the clock back. */
let showTime = () => {};

/** The worker's modules are evaluated from here on. */
export function beginEvaluation() {
  evaluating = true;
  hideTime();
}

/** They have been. */
export function endEvaluation() {
  evaluating = false;
  endTimelessness();
}

/** The clock goes on: modules of tests are evaluated as if in a handler. */
export function endTimelessness() {
  timeless = false;
  showTime();
}

/**
 * Lets the clock stand at 0, as it does on the platform while modules are evaluated. What they
 * keep of it, such as `Date` in a variable, tells the time afterwards.
 */
function hideTime() {
  timeless = true;
  const { Date, performance } = globalThis;
  const now = () => timeless ? 0 : Date.now();
  /** @type {any} */
  const Timeless = new Proxy(Date, {
    construct(/** @type {any} */ target, /** @type {any[]} */ args, /** @type {any} */ newTarget) {
      const given = timeless && args.length === 0 ? [0] : args;
      return ReflectConstruct(target, given, newTarget === Timeless ? target : newTarget);
    },
    apply(/** @type {any} */ target, /** @type {any} */ self, /** @type {any[]} */ args) {
      return timeless ? new Date(0).toString() : ReflectApply(target, self, args);
    },
    get: (/** @type {any} */ target, /** @type {any} */ name) => name === "now" ? now : ReflectGet(target, name),
  });
  const ownTime = ObjectGetOwnPropertyDescriptor(performance, "now");
  const elapsed = performance.now;
  setGlobal("Date", Timeless);
  ObjectDefineProperty(performance, "now", {
    __proto__: null,
    value: { now: () => timeless ? 0 : ReflectApply(elapsed, performance, []) }.now,
    writable: true,
    enumerable: true,
    configurable: true,
  });
  showTime = () => {
    if (/** @type {any} */ (globalThis).Date === Timeless) setGlobal("Date", Date);
    if (ownTime === undefined) delete (/** @type {any} */ (performance)).now;
    else ObjectDefineProperty(performance, "now", { ...ownTime, __proto__: null });
    showTime = () => {};
  };
}

/**
 * @param {string} name
 * @param {any} value
 */
function setGlobal(name, value) {
  ObjectDefineProperty(globalThis, name, {
    __proto__: null,
    value,
    writable: true,
    enumerable: false,
    configurable: true,
  });
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
