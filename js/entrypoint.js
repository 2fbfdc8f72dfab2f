// @ts-check
/// <reference path="./types.d.ts" />

// Events of the worker's own code: requests, calls over RPC, cron triggers, queues.
// https://developers.cloudflare.com/workers/runtime-apis/handlers/

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { enterContext } from "ext:stead/context.js";
import { env } from "ext:stead/environment.js";
import { describeError } from "ext:stead/errors.js";
import { ExecutionContext } from "ext:stead/execution_context.js";
import { exportedValue } from "ext:stead/exported.js";
import { failedBatch, handleQueue, handleScheduled } from "ext:stead/handlers.js";
import { respond, Response } from "ext:stead/http.js";
import { requestFromNative } from "ext:stead/request.js";
import { fromMessage, serializeThrown, toMessage } from "ext:stead/message.js";
import { expectPromise } from "ext:stead/thenables.js";
import { isOn } from "ext:stead/compatibility.js";
import { answerCall, ENTRYPOINT, HANDLERS, VALUE } from "ext:stead/rpc.js";
import { HANDLER_PATH, propsFrom } from "ext:stead/service_stub.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

let {
  op_call_arguments,
  op_call_attachments,
  op_call_path,
  op_call_refuse,
  op_call_return,
  op_call_target,
  op_call_throw,
  op_report_error,
  op_respond_error,
} = core.ops;
bindOps((ops) =>
  ({
    op_call_arguments,
    op_call_attachments,
    op_call_path,
    op_call_refuse,
    op_call_return,
    op_call_target,
    op_call_throw,
    op_report_error,
    op_respond_error,
  } = ops)
);

/** What the worker exports, by name. @type {Record<string, any>} */
let entrypoints = {};

/** @param {Record<string, any>} exported */
export function setEntrypoints(exported) {
  entrypoints = exported;
}

/** What the worker exports under a name. @param {string} name */
export function exportedClass(name) {
  return entrypoints[name];
}

/**
 * The handlers of an entrypoint: an instance of its class, or the object itself.
 * @param {string} name
 * @param {ExecutionContext} ctx
 */
export function handlersOf(name, ctx) {
  const value = entrypoints[name];
  if (value === undefined || value === null) {
    throw new TypeError(`The worker exports no entrypoint "${name}".`);
  }
  return typeof value === "function" ? new value(ctx, env) : value;
}

/**
 * @param {any} native
 * @param {string} name
 * @param {Uint8Array | null} props
 */
export function entrypointFetch(native, name, props) {
  const event = new WorkerEvent(null, true, native);
  enterContext(event, answerRequest, native, name, props, event);
}

/**
 * @param {any} native
 * @param {string} name
 * @param {Uint8Array | null} props
 * @param {WorkerEvent} event
 */
async function answerRequest(native, name, props, event) {
  try {
    const ctx = new ExecutionContext(event, propsFrom(props));
    const handlers = handlersOf(name, ctx);
    if (typeof handlers.fetch !== "function") {
      throw new Error("Handler does not export a fetch() function.");
    }
    const request = requestFromNative(native);
    const response = handlers.fetch(request, env, ctx);
    respond(native, response instanceof Response ? response : await expectPromise(response), request);
  } catch (error) {
    op_respond_error(native, serializeThrown(error));
  } finally {
    event.release();
  }
}

/**
 * A call of an entrypoint or, if there is no name, of a value that the worker's code exported.
 * @param {any} native
 * @param {string | undefined} name
 * @param {Uint8Array | null} props
 */
export function workerCall(native, name, props) {
  if (name !== undefined) {
    const event = new WorkerEvent(null, true, native);
    enterContext(event, answerEntrypoint, native, name, props, event);
    return;
  }
  const found = exportedValue(op_call_target(native));
  if (found === undefined) return op_call_refuse(native);
  const { sharer: event, value } = found;
  if (!(event instanceof WorkerEvent)) return op_call_refuse(native);
  event.hold();
  event.addCall(native);
  enterContext(event, async () => {
    await answerCall(native, { root: value, kind: VALUE, objectId: null });
    event.removeCall(native);
    event.release();
  });
}

/**
 * @param {any} native
 * @param {string} name
 * @param {Uint8Array | null} props
 * @param {WorkerEvent} event
 */
async function answerEntrypoint(native, name, props, event) {
  try {
    const ctx = new ExecutionContext(event, propsFrom(props));
    const root = handlersOf(name, ctx);
    if (isOn("service_binding_extra_handlers")) {
      const [first, handler] = op_call_path(native);
      if (first === HANDLER_PATH) return await answerHandler(native, handler, root, ctx);
    }
    const kind = typeof entrypoints[name] === "function" ? ENTRYPOINT : HANDLERS;
    await answerCall(native, { root, kind, objectId: null, env, ctx });
  } catch (error) {
    op_call_throw(native, serializeThrown(error));
  } finally {
    event.release();
  }
}

/**
 * Runs `scheduled()` or `queue()` for somebody who holds a service stub.
 * @param {any} native
 * @param {string} handler
 * @param {any} root
 * @param {ExecutionContext} ctx
 */
async function answerHandler(native, handler, root, ctx) {
  const args = fromMessage(op_call_arguments(native) ?? NO_BYTES, op_call_attachments(native));
  let result;
  try {
    result = handler === "queue"
      ? await handleQueue(root, env, ctx, args[0], args[1] ?? [])
      : await handleScheduled(root, env, ctx, args[0] ?? {});
  } catch (error) {
    // The caller hears only that it threw.
    op_report_error(null, describeError(error));
    const isMissing = typeof root[handler] !== "function";
    result = handler === "queue" ? failedBatch() : { outcome: "exception", noRetry: isMissing };
  }
  const { bytes, attachments } = toMessage(result);
  op_call_return(native, bytes, attachments, null);
}
const NO_BYTES = new Uint8Array();

/**
 * Runs `scheduled()` or `queue()` for the process.
 * @param {any} description see `HandlerEvent` in shared.rs
 */
export function runDescribed(description) {
  const event = new WorkerEvent(null, false);
  return enterContext(event, async () => {
    try {
      const ctx = new ExecutionContext(event, {});
      const root = handlersOf(description.entrypoint, ctx);
      return description.type === "queue"
        ? await handleQueue(root, env, ctx, description.queue, description.messages)
        : await handleScheduled(root, env, ctx, description);
    } finally {
      event.release();
    }
  });
}
