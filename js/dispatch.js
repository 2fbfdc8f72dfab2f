// @ts-check
/// <reference path="./types.d.ts" />

// What Rust calls: looking at the worker's module, making instances, delivering events.

import { core } from "ext:core/mod.js";
import { defineBindings } from "ext:stead/bindings.js";
import { isOn } from "ext:stead/compatibility.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { serializeThrown } from "ext:stead/message.js";
import { defineClasses, defineValues } from "ext:stead/globals.js";
import { fetch, respond, Response } from "ext:stead/http.js";
import { Request, requestFromNative } from "ext:stead/request.js";
import { makeId, makeNamespace } from "ext:stead/namespace.js";
import { DurableObjectState, socketOf } from "ext:stead/object_state.js";
import { tellPlaces } from "ext:stead/console.js";
import { currentContext, enterContext, runInMapping } from "ext:stead/context.js";
import { settleRest } from "ext:stead/event_loop.js";
import { beginEvaluation, endEvaluation, endTimelessness } from "ext:stead/global_scope.js";
import { currentHandle, enterObject, ObjectRecord } from "ext:stead/record.js";
import { clearTimer, fireTimer, restartTimers, startTimer } from "ext:stead/timers.js";
import { answerCall, ENTRYPOINT, VALUE } from "ext:stead/rpc.js";
import {
  receiveClose,
  replyToClose,
  WebSocket,
  WebSocketPair,
  WebSocketRequestResponsePair,
} from "ext:stead/websocket.js";
import { entrypointFetch, exportedClass, handlersOf, runDescribed, setEntrypoints, workerCall } from "ext:stead/entrypoint.js";
import { env, exports } from "ext:stead/environment.js";
import { readStart } from "ext:stead/facets.js";
import { ExecutionContext } from "ext:stead/execution_context.js";
import { exportedValue, release } from "ext:stead/exported.js";
import { makeExports } from "ext:stead/loopback.js";
import { propsFrom } from "ext:stead/service_stub.js";
import {
  beginListening,
  defineGlobalBindings,
  endListening,
  listeningHandlers,
} from "ext:stead/service_worker.js";
import { expectPromise } from "ext:stead/thenables.js";
import { WorkerEvent } from "ext:stead/worker_event.js";
import { DurableObject, WorkerEntrypoint } from "ext:stead/workers.js";
import "ext:stead/reading.js";
import "ext:stead/socket_passing.js";
import "ext:stead/writable.js";
import { frontDoor } from "ext:stead/front_door.js";
import { describeError, reportUncaught } from "ext:stead/errors.js";
import { prepareTests, runTests, setTestedWorker, testsStalled } from "ext:stead/test_run.js";
import { runInside } from "ext:stead/test_worker.js";
import { runDueTimer } from "ext:stead/virtual_time.js";
import "ext:stead/stored_http.js";

let {
  op_alarm_end,
  op_call_refuse,
  op_call_target,
  op_note_error,
  op_object_active,
  op_object_inactive,
  op_object_reset,
  op_object_socket_remove,
  op_object_socket_timeout_get,
  op_object_socket_told,
  op_report_error,
  op_respond_error,
  op_outcome,
} = core.ops;
bindOps((ops) =>
  ({
    op_alarm_end,
    op_call_refuse,
    op_call_target,
    op_note_error,
    op_object_active,
    op_object_inactive,
    op_object_reset,
    op_object_socket_remove,
    op_object_socket_timeout_get,
    op_object_socket_told,
    op_report_error,
    op_respond_error,
    op_outcome,
  } = ops)
);

defineClasses({ Request, Response, WebSocket, WebSocketPair, WebSocketRequestResponsePair });
defineValues({ fetch });

/** The names under which an object's class may define a handler. */
const HANDLERS = ["fetch", "connect", "alarm", "webSocketMessage", "webSocketClose", "webSocketError"];

/** What resets an object whose socket event takes longer than the object allows. */
const SOCKET_EVENT_TIMEOUT = "Actor exceeded event execution time and was disconnected.";

/** What callers of an object hear whose class extends nothing. */
const NO_RPC =
  "The receiving Durable Object does not support RPC, because its class was not declared with `extends DurableObject`. In order to enable RPC, make sure your class extends the special class `DurableObject`, which can be imported from the module \"cloudflare:workers\".";

/** The handlers of a script that listens for events instead of exporting any. @type {any} */
let listening;

/** The object classes, by namespace index. @type {any[]} */
let classes = [];

/** The namespace index of each class that the code exports. @type {Map<string, number>} */
const ownClasses = new Map();

/**
 * Puts variables into `env`, before the worker's modules are evaluated.
 * @param {string} vars a JSON object
 * @param {boolean} isWatched whether a person wants to see which line prints
 */
function setVars(vars, isWatched) {
  if (isWatched) tellPlaces();
  Object.assign(env, JSON.parse(vars));
  beginEvaluation();
  beginListening();
}

/**
 * What a module exports, so that Rust can decide what it is.
 * @param {Record<string, any>} module
 */
function describe(module) {
  endListening();
  const described = Object.keys(module).map((name) => {
    const value = module[name];
    return { name, kind: kindOf(name, value), handlers: handlerNamesOf(value) };
  });
  listening = "default" in module ? undefined : listeningHandlers();
  if (listening !== undefined) {
    described.push({ name: "default", kind: "worker", handlers: handlerNamesOf(listening) });
  }
  return described;
}

/**
 * @param {string} name
 * @param {any} value
 */
function kindOf(name, value) {
  if (typeof value === "function") {
    if (value.prototype instanceof DurableObject) return "object";
    if (value.prototype instanceof WorkerEntrypoint) return name === "default" ? "worker" : "entrypoint";
    if (/^class\b/.test(Function.prototype.toString.call(value))) return name === "default" ? "worker" : "class";
    return "function";
  }
  if (typeof value !== "object" || value === null) return "value";
  if (typeof value.test === "function") return "test";
  return name === "default" ? "worker" : "value";
}

/** @param {any} value */
function handlerNamesOf(value) {
  const holder = typeof value === "function" ? value.prototype : value;
  if (typeof holder !== "object" || holder === null) return [];
  return HANDLERS.filter((handler) => typeof holder[handler] === "function");
}

/**
 * Takes the worker's module and makes its bindings. Classes that only an earlier version of the
 * code exported, and those of other workers, have their places in the list, too.
 * @param {any} module
 * @param {{ class: string, exported: boolean, bindings: string[] }[]} namespaces
 * @param {import("ext:stead/bindings.js").OtherBindings} others
 * @param {number} worker the number of this worker
 */
function configure(module, namespaces, others, worker) {
  endEvaluation();
  if (!isOn("enable_ctx_exports")) {
    for (const { prototype } of [ExecutionContext, DurableObjectState]) {
      delete (/** @type {any} */ (prototype)).exports;
    }
  }
  classes = namespaces.map(({ class: name, exported }) => exported ? module[name] : undefined);
  namespaces.forEach((namespace, index) => {
    if (namespace.exported) ownClasses.set(namespace.class, index);
    for (const binding of namespace.bindings) env[binding] = makeNamespace(index);
  });
  const exported = namespaces.filter((namespace) => namespace.exported && namespace.bindings.length > 0);
  defineBindings(env, others);
  Object.assign(exports, makeExports(module, namespaces, worker));
  if (listening !== undefined) defineGlobalBindings(env);
  setEntrypoints({ default: listening ?? frontDoor(env, exported), ...module });
  setTestedWorker(module, namespaces);
}

/**
 * Prepares what the modules of tests import; the clock goes on for them.
 * @param {any} module
 * @param {any} options
 */
function beginTests(module, options) {
  endTimelessness();
  return prepareTests(module, options);
}

/** @param {any} native */
function workerFetch(native) {
  const event = new WorkerEvent(native, false);
  event.onAbort = (reason) => noteFailure(native, reason);
  enterContext(event, answerRequest, native, event);
}

/**
 * @param {any} native
 * @param {WorkerEvent} event
 */
async function answerRequest(native, event) {
  try {
    const ctx = new ExecutionContext(event, {});
    const handler = handlersOf("default", ctx);
    if (typeof handler.fetch !== "function") {
      throw new Error("Handler does not export a fetch() function.");
    }
    const request = requestFromNative(native);
    const response = handler.fetch(request, env, ctx);
    respond(native, response instanceof Response ? response : await expectPromise(response), request);
  } catch (error) {
    noteFailure(native, error);
    op_respond_error(native, serializeThrown(error));
  } finally {
    event.release();
  }
}

/**
 * Tells people why a request has no response.
 * @param {any} native
 * @param {any} error
 */
function noteFailure(native, error) {
  const text = describeError(error);
  op_report_error(null, text);
  op_note_error(native, text);
}

/**
 * Runs something of the process's as an event of the worker; its outcome is a text.
 * @param {any} outcome
 * @param {(event: WorkerEvent) => Promise<string>} run
 */
function runAsEvent(outcome, run) {
  const event = new WorkerEvent(null, false);
  enterContext(event, async () => {
    try {
      op_outcome(outcome, false, await run(event));
    } catch (error) {
      op_outcome(outcome, true, describeError(error));
    } finally {
      event.release();
    }
  });
}

/** Runs the earliest timer of a virtual clock if it is due. */
function runTimer() {
  try {
    runDueTimer();
  } catch (error) {
    reportUncaught(error);
  }
}

/**
 * Calls a method of an object for somebody who speaks JSON.
 * @param {string} className
 * @param {string} name
 * @param {string} method
 * @param {string} args a JSON array
 * @param {any} outcome
 */
function callForJson(className, name, method, args, outcome) {
  runAsEvent(outcome, async () => {
    const index = ownClasses.get(className);
    if (index === undefined) throw new Error(`the code exports no object class \`${className}\``);
    const stub = /** @type {any} */ (makeNamespace(index).getByName(name));
    const result = await stub[method](...JSON.parse(args));
    return JSON.stringify(result, jsonValue) ?? "null";
  });
}

/**
 * Runs `scheduled()` or `queue()` of an entrypoint.
 * @param {string} description see `HandlerEvent` in shared.rs
 * @param {any} outcome
 */
function runHandler(description, outcome) {
  runAsEvent(outcome, async () => JSON.stringify(await runDescribed(JSON.parse(description))));
}

/**
 * What JSON has no form for, in the form that is nearest.
 * @param {string} _key
 * @param {any} value
 */
function jsonValue(_key, value) {
  if (typeof value === "bigint") return `${value}`;
  if (value instanceof Map) return Object.fromEntries(value);
  if (value instanceof Set) return [...value];
  if (value instanceof ArrayBuffer) return [...new Uint8Array(value)];
  if (ArrayBuffer.isView(value)) return [.../** @type {any} */ (value)];
  return value;
}

/**
 * Makes an instance of an object, or of a facet.
 * @param {any} handle
 * @param {number} namespace
 * @param {string} hex
 * @param {string | null} name
 * @param {Uint8Array | null} start what a facet is
 * @returns {ObjectRecord}
 */
function construct(handle, namespace, hex, name, start) {
  if (start === null) {
    const id = makeId(namespace, hex, name ?? undefined);
    return constructAs(classes[namespace], new ObjectRecord(handle, hex), id, {});
  }
  const { name: className, props, id } = readStart(start);
  const record = new ObjectRecord(handle, typeof id === "string" ? null : id.toString());
  return constructAs(exportedClass(className), record, id, propsFrom(props));
}

/**
 * @param {any} Class
 * @param {ObjectRecord} record
 * @param {any} id
 * @param {any} props
 */
function constructAs(Class, record, id, props) {
  const ctx = new DurableObjectState(record, id, props);
  record.state = ctx;
  const instance = enterObject(record, () => new Class(ctx, env));
  record.instance = instance;
  /** @type {any} */
  const handlers = {};
  for (const handler of HANDLERS) {
    const value = instance[handler];
    if (typeof value === "function") handlers[handler] = value;
  }
  record.handlers = handlers;
  return record;
}

/**
 * @param {ObjectRecord} record
 * @param {any} native
 */
function objectFetch(record, native) {
  return enterObject(record, async () => {
    try {
      const inside = runInside(record, native);
      if (inside !== null) return respond(native, await inside, null);
      const handler = record.handlers?.fetch;
      if (handler === undefined) throw new Error("Handler does not export a fetch() function.");
      const request = requestFromNative(native);
      const response = Reflect.apply(handler, record.instance, [request]);
      respond(native, response instanceof Response ? response : await expectPromise(response), request);
    } catch (error) {
      op_respond_error(native, serializeThrown(error));
    }
  });
}

/**
 * A call of an object's method, or of a value that the object's code exported.
 * @param {ObjectRecord} record
 * @param {any} native
 */
function objectCall(record, native) {
  const number = op_call_target(native);
  if (number < 0) {
    const refusal = record.instance instanceof DurableObject ? undefined : NO_RPC;
    const { handlers, id: objectId, instance: root } = record;
    const callee = { root, kind: ENTRYPOINT, objectId, handlers, refusal };
    return enterObject(record, answerCall, native, callee);
  }
  const found = exportedValue(number);
  if (found === undefined) return op_call_refuse(native);
  enterObject(record, answerCall, native, { root: found.value, kind: VALUE, objectId: record.id });
}

/**
 * @param {ObjectRecord} record
 * @param {any} native
 * @param {number} scheduledTime
 * @param {number} retryCount
 */
function objectAlarm(record, native, scheduledTime, retryCount) {
  return enterObject(record, async () => {
    /** @type {string | null} */
    let thrown = null;
    try {
      const handler = record.handlers?.alarm;
      if (handler === undefined) {
        op_report_error(
          record.handle,
          "Attempted to run a scheduled alarm without a handler, did you remember to export an alarm() function?",
        );
      } else {
        const info = { scheduledTime, retryCount, isRetry: retryCount > 0 };
        await Reflect.apply(handler, record.instance, [info]);
      }
    } catch (error) {
      thrown = describeError(error);
      op_report_error(record.handle, thrown);
    }
    op_alarm_end(record.handle, native, thrown);
  });
}

/**
 * @param {ObjectRecord} record
 * @param {number} number
 * @param {any} frame
 * @param {any} told whoever wants to know when the handler has ended; undefined if nobody does
 */
function objectSocket(record, number, frame, told) {
  const { handle } = record;
  /** @type {string | null} */
  let thrown = null;
  return enterObject(record, async () => {
    op_object_active(handle, false);
    const timeout = op_object_socket_timeout_get(handle);
    const timer = timeout === 0 ? 0 : startTimer(() => {
      op_object_reset(handle, SOCKET_EVENT_TIMEOUT, false, null, true);
    }, timeout);
    try {
      await deliverFrame(record, number, frame);
    } catch (error) {
      thrown = describeError(error);
      op_report_error(handle, thrown);
    } finally {
      if (told !== undefined) op_object_socket_told(told, thrown);
      if (timer !== 0) clearTimer(timer);
      op_object_inactive(handle, false);
    }
  });
}

/**
 * @param {ObjectRecord} record
 * @param {number} number
 * @param {any} frame
 */
async function deliverFrame(record, number, frame) {
  const socket = socketOf(record, number);
  const { webSocketClose, webSocketError, webSocketMessage } = /** @type {any} */ (record.handlers);
  const { instance } = record;
  if (typeof frame === "string" || frame instanceof ArrayBuffer) {
    if (webSocketMessage !== undefined) {
      await Reflect.apply(webSocketMessage, instance, [socket, frame]);
    }
    return;
  }
  const { code, reason, wasClean } = receiveClose(socket, frame);
  try {
    if (!wasClean && !reason.startsWith("WebSocket disconnected")) {
      if (webSocketError !== undefined) {
        await Reflect.apply(webSocketError, instance, [socket, new Error(reason)]);
      }
    } else if (webSocketClose !== undefined) {
      await Reflect.apply(webSocketClose, instance, [socket, code, reason, wasClean]);
    }
  } finally {
    if (wasClean) replyToClose(socket, code, reason);
    record.sockets.delete(number);
    op_object_socket_remove(record.handle, number);
  }
}

/**
 * The object, or else the request or the call, on whose behalf code spoke that was terminated.
 * @param {unknown} mapping what V8 kept for that code
 */
function speaker(mapping) {
  return runInMapping(mapping, () => {
    return currentHandle() ?? /** @type {any} */ (currentContext())?.native ?? null;
  });
}

/**
 * Takes the calls of exported values that code has not answered for which V8 kept `mapping`, and cuts
 * the connections that it holds.
 * @param {unknown} mapping
 */
function callsUnderWay(mapping) {
  return runInMapping(mapping, () => {
    const context = currentContext();
    if (!(context instanceof WorkerEvent)) return [];
    context.cutConnections();
    return context.takeCalls();
  });
}

/** Goes on with what waited behind code that was terminated. */
function resume() {
  restartTimers();
  settleRest();
}

/** The functions that Rust calls, by name. */
export const dispatch = {
  setVars,
  describe,
  configure,
  workerFetch,
  prepareTests: beginTests,
  runTests,
  runTimer,
  testsStalled,
  callForJson,
  construct,
  cloneThrown: serializeThrown,
  objectFetch,
  objectCall,
  objectAlarm,
  objectSocket,
  entrypointFetch,
  workerCall,
  runHandler,
  release,
  fireTimer,
  speaker,
  callsUnderWay,
  resume,
};
