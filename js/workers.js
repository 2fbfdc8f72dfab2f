// @ts-check
/// <reference path="./types.d.ts" />

// The module `cloudflare:workers`.
// https://developers.cloudflare.com/workers/runtime-apis/bindings/

import { internals } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { currentContext } from "ext:stead/context.js";
import { abortIsolate } from "ext:stead/event_abort.js";
import {
  envView,
  exportsView,
  withEnv,
  withEnvAndExports,
  withExports,
} from "ext:stead/environment.js";
import { addEntrypointClass, RpcTarget } from "ext:stead/message.js";
import { DurableObjectState } from "ext:stead/object_state.js";
import { RpcPromise, RpcProperty } from "ext:stead/rpc_promise.js";
import { StubClass } from "ext:stead/rpc_stub.js";
import { tagClass } from "ext:stead/scope.js";
import { ServiceStub } from "ext:stead/service_stub.js";
import { tracing } from "ext:stead/tracing.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

/**
 * @param {string} name of the class
 * @param {number} position counted from 1
 * @param {string} type
 * @returns {never}
 */
function refuseConstruction(name, position, type) {
  throw new TypeError(
    `Failed to construct '${name}': constructor parameter ${position} is not of type '${type}'.`,
  );
}

/** @param {unknown} value */
function isObject(value) {
  return typeof value === "object" ? value !== null : typeof value === "function";
}

/** What both kinds of classes are given when an instance is made. */
export class DurableObject {
  /**
   * @param {any} ctx
   * @param {any} env
   */
  constructor(ctx, env) {
    if (!(ctx instanceof DurableObjectState)) {
      refuseConstruction("DurableObjectBase", 1, "DurableObjectState");
    }
    if (!isObject(env)) refuseConstruction("DurableObjectBase", 2, "Object");
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
    if (!isObject(ctx)) refuseConstruction("WorkerEntrypoint", 1, "Object");
    if (!isObject(env)) refuseConstruction("WorkerEntrypoint", 2, "Object");
    this.ctx = ctx;
    this.env = env;
  }
}
tagClass(WorkerEntrypoint);

addEntrypointClass(DurableObject);
addEntrypointClass(WorkerEntrypoint);

/** A workflow's class. Nothing runs workflows: bindings to them are refused by name. */
export class WorkflowEntrypoint {
  /**
   * @param {any} ctx
   * @param {any} env
   */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}
tagClass(WorkflowEntrypoint);

/**
 * Has the running event live until a promise is settled.
 * @param {any} promise
 */
function waitUntil(promise) {
  if (arguments.length === 0) refuseArgument("EntrypointsModule", "waitUntil", 1, "Promise");
  const context = currentContext();
  if (context instanceof WorkerEvent) context.waitUntil(promise);
  else Promise.resolve(promise);
}

/** The symbol under which a target says how it is made anew. */
const restore = Symbol("cloudflare:workers:restore");

internals.cloudflareWorkers = {
  DurableObject,
  WorkerEntrypoint,
  RpcTarget,
  RpcPromise,
  RpcProperty,
  RpcStub: StubClass,
  ServiceStub,
  WorkflowEntrypoint,
  env: envView,
  exports: exportsView,
  cache: {},
  restore,
  tracing,
  waitUntil,
  withEnv,
  withExports,
  withEnvAndExports,
  abortIsolate,
};
