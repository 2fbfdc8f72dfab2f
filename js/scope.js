// @ts-check
/// <reference path="./types.d.ts" />

// The classes of the global scope itself.

import { core, primordials } from "ext:core/mod.js";
import { refuseCloning } from "ext:stead/cloning.js";

const { ObjectDefineProperty, ObjectSetPrototypeOf, SymbolToStringTag, TypeError } = primordials;
const event = core.loadExtScript("ext:deno_web/02_event.js");
const { EventTarget } = event;

/** Classes whose objects show a name of their own. @type {{ prototype: any }[]} */
const tagged = [];

/** The classes of the platform. */
export function taggedClasses() {
  return tagged;
}

/** @param {{ prototype: any }} constructor one whose objects show a name already */
export function noteTagged(constructor) {
  tagged.push(constructor);
}

/**
 * Gives a prototype a method.
 * @param {object} prototype
 * @param {(...args: any[]) => any} method
 */
export function defineMember(prototype, method) {
  ObjectDefineProperty(prototype, method.name, {
    __proto__: null,
    value: method,
    writable: true,
    enumerable: true,
    configurable: true,
  });
}

/**
 * Marks a class of the platform: its instances show its name and cannot be cloned.
 * @param {{ prototype: object, name: string }} constructor
 * @param {string} [shown] the name that is shown, where it is another one
 */
export function tagClass(constructor, shown = constructor.name) {
  tag(constructor, shown);
  refuseCloning(constructor);
}

/**
 * @param {{ prototype: object, name: string }} constructor
 * @param {string} [shown]
 */
export function tag(constructor, shown = constructor.name) {
  tagged.push(constructor);
  ObjectDefineProperty(constructor.prototype, SymbolToStringTag, {
    __proto__: null,
    value: shown,
    configurable: true,
  });
}

export class WorkerGlobalScope extends EventTarget {
  constructor() {
    super();
    throw new TypeError("Illegal constructor");
  }
}
tag(WorkerGlobalScope);

export class ServiceWorkerGlobalScope extends WorkerGlobalScope {}
tag(ServiceWorkerGlobalScope);

event.setEventTargetData(globalThis);
event.saveGlobalThisReference(globalThis);

/** Makes `globalThis instanceof EventTarget`. A snapshot does not keep the global's prototype. */
export function adoptGlobal() {
  ObjectSetPrototypeOf(globalThis, ServiceWorkerGlobalScope.prototype);
}
