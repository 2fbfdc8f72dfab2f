// @ts-check
/// <reference path="./types.d.ts" />

// The classes of the global scope itself.

import { core, primordials } from "ext:core/mod.js";
import { refuseCloning } from "ext:stead/cloning.js";

const { ObjectDefineProperty, ObjectSetPrototypeOf, SymbolToStringTag, TypeError } = primordials;
const event = core.loadExtScript("ext:deno_web/02_event.js");
const { EventTarget } = event;

/**
 * Marks a class of the platform: its instances show its name and cannot be cloned.
 * @param {{ prototype: object, name: string }} constructor
 */
export function tagClass(constructor) {
  ObjectDefineProperty(constructor.prototype, SymbolToStringTag, {
    __proto__: null,
    value: constructor.name,
    configurable: true,
  });
  refuseCloning(constructor);
}

export class WorkerGlobalScope extends EventTarget {
  constructor() {
    super();
    throw new TypeError("Illegal constructor");
  }
}
tagClass(WorkerGlobalScope);

export class ServiceWorkerGlobalScope extends WorkerGlobalScope {}
tagClass(ServiceWorkerGlobalScope);

event.setEventTargetData(globalThis);
event.saveGlobalThisReference(globalThis);

/** Makes `globalThis instanceof EventTarget`. A snapshot does not keep the global's prototype. */
export function adoptGlobal() {
  ObjectSetPrototypeOf(globalThis, ServiceWorkerGlobalScope.prototype);
}
