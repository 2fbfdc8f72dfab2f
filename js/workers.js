// @ts-check
/// <reference path="./types.d.ts" />

// The module `cloudflare:workers`.
// https://developers.cloudflare.com/workers/runtime-apis/bindings/

import { internals } from "ext:core/mod.js";
import { addTargetClass, RpcTarget } from "ext:stead/message.js";
import { RpcPromise, RpcProperty } from "ext:stead/rpc.js";
import { tagClass } from "ext:stead/scope.js";

/** The bindings, filled in before and after the worker's modules are evaluated. */
/** @type {Record<string, any>} */
export const env = {};

/** What both kinds of classes are given when an instance is made. */
export class DurableObject {
  /**
   * @param {any} ctx
   * @param {any} env
   */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}
tagClass(DurableObject);

export class WorkerEntrypoint {
  /**
   * @param {any} ctx
   * @param {any} env
   */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}
tagClass(WorkerEntrypoint);

addTargetClass(DurableObject);
addTargetClass(WorkerEntrypoint);

/** @param {string} name */
function missingClass(name) {
  return class {
    constructor() {
      throw new Error(`${name} is not implemented in Stead yet.`);
    }
  };
}

/**
 * @param {string} name
 * @returns {(...args: any[]) => never}
 */
function missing(name) {
  return () => {
    throw new Error(`${name}() is not implemented in Stead yet.`);
  };
}

/** @param {any} promise */
function waitUntil(promise) {
  Promise.resolve(promise);
}

internals.cloudflareWorkers = {
  DurableObject,
  WorkerEntrypoint,
  RpcTarget,
  RpcPromise,
  RpcProperty,
  RpcStub: missingClass("RpcStub"),
  ServiceStub: missingClass("ServiceStub"),
  WorkflowEntrypoint: missingClass("WorkflowEntrypoint"),
  env,
  waitUntil,
  withEnv: missing("withEnv"),
  withExports: missing("withExports"),
  withEnvAndExports: missing("withEnvAndExports"),
  abortIsolate: missing("abortIsolate"),
};
