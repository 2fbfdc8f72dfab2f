// @ts-check
/// <reference path="./types.d.ts" />

// The module `cloudflare:test`: the worker and its objects as tests reach them.
// https://developers.cloudflare.com/workers/testing/vitest-integration/test-apis/

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { handleQueue } from "ext:stead/handlers.js";
import { deserializeThrown } from "ext:stead/message.js";
import { Response } from "ext:stead/http.js";
import { DurableObjectId, DurableObjectNamespace, makeId } from "ext:stead/namespace.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { fetchFollowing } from "ext:stead/redirects.js";
import { ask } from "ext:stead/test_clock.js";
import { createMessageBatch, queueResult } from "ext:stead/test_queue.js";

let {
  op_callee_object,
  op_id_parse,
  op_request_method,
  op_request_url,
  op_stub_fetch,
  op_stub_fetch_answer,
  op_test_fetch,
  op_test_tell,
} = core.ops;
bindOps((ops) =>
  ({
    op_callee_object,
    op_id_parse,
    op_request_method,
    op_request_url,
    op_stub_fetch,
    op_stub_fetch_answer,
    op_test_fetch,
    op_test_tell,
  } = ops)
);

/** The method of the request that runs a test's function inside an object. No client can send it. */
const RUN_INSIDE = "\0run inside";

/** The functions on their way into objects. @type {Map<string, (instance: any, state: any) => any>} */
const inside = new Map();
let insides = 0;
/** How many object classes the worker has; 0 outside of tests. */
let namespaces = 0;

/** @param {number} count how many object classes the worker has */
export function setNamespaceCount(count) {
  namespaces = count;
}

/**
 * Runs the function that a test has sent, if that is what a request is about.
 * @param {import("./record.js").ObjectRecord} record
 * @param {any} native the request
 * @returns {Promise<Response> | null} null for any other request
 */
export function runInside(record, native) {
  if (namespaces === 0 || op_request_method(native) !== RUN_INSIDE) return null;
  const token = op_request_url(native);
  const run = inside.get(token);
  if (run === undefined) {
    throw new Error("the object is on another shard: reach into it with one shard only (--shards 1)");
  }
  inside.delete(token);
  return run(record.instance, record.state).then(() => new Response(null));
}

/** The namespace that an id belongs to; -1 if to none. @param {string} hex */
function namespaceOf(hex) {
  for (let index = 0; index < namespaces; index++) {
    try {
      op_id_parse(index, hex);
      return index;
    } catch {
      // The id of another namespace.
    }
  }
  return -1;
}

/** @param {any} stub */
function identify(stub) {
  const id = stub?.id;
  const namespace = id instanceof DurableObjectId ? namespaceOf(id.toString()) : -1;
  if (namespace < 0) throw new TypeError("the value is not the stub of a Durable Object of this worker");
  return { namespace, id: id.toString() };
}

/**
 * @param {any} stub
 * @param {(instance: any, state: any) => any} callback
 */
export async function runInDurableObject(stub, callback) {
  const { namespace, id } = identify(stub);
  if (typeof callback !== "function") {
    throw new TypeError("Failed to execute 'runInDurableObject': parameter 2 is not of type 'function'.");
  }
  const token = `${++insides}`;
  /** @type {{ value?: any, error?: any, threw: boolean }} */
  const outcome = { threw: false };
  inside.set(token, async (instance, state) => {
    try {
      outcome.value = await callback(instance, state);
    } catch (error) {
      outcome.threw = true;
      outcome.error = error;
    }
  });
  try {
    const target = op_callee_object(namespace, id, stub.id.name ?? null);
    const calling = op_stub_fetch(currentHandle(), null, target, RUN_INSIDE, token, [], null, null);
    const answer = await resumeAfter(op_stub_fetch_answer(calling));
    if (answer[0] !== 0) throw errorOf(answer);
  } finally {
    inside.delete(token);
  }
  if (outcome.threw) throw outcome.error;
  return outcome.value;
}

/** What an answer that is no result stands for. @param {any[]} answer */
function errorOf(answer) {
  if (answer[0] === 1) return deserializeThrown(answer[1]);
  const thrown = answer[answer.length - 1];
  return thrown === null ? new Error(answer[1]) : deserializeThrown(thrown);
}

/** @param {any} stub */
export async function runDurableObjectAlarm(stub) {
  return await runInDurableObject(stub, async (instance, state) => {
    const scheduledTime = await state.storage.getAlarm();
    if (scheduledTime === null) return false;
    await state.storage.deleteAlarm();
    await instance.alarm({ scheduledTime, retryCount: 0, isRetry: false });
    return true;
  });
}

/**
 * @param {any} stub
 * @param {{ webSockets?: "close" | "hibernate" }} [options]
 */
export async function evictDurableObject(stub, options) {
  await ask({ ask: "evict", ...identify(stub), close: options?.webSockets === "close" });
}

/** @param {{ webSockets?: "close" | "hibernate" }} [options] */
export async function evictAllDurableObjects(options) {
  await ask({ ask: "evictAll", close: options?.webSockets === "close" });
}

/** @param {any} stub @param {string} [reason] */
export async function abortDurableObject(stub, reason) {
  await ask({ ask: "abort", ...identify(stub), reason: reason ?? null });
}

export async function abortAllDurableObjects() {
  await ask({ ask: "abortAll" });
}

/** @param {any} namespace */
export async function listDurableObjectIds(namespace) {
  const isNamespace = namespace instanceof DurableObjectNamespace;
  const index = isNamespace ? namespaceOf(namespace.idFromName("").toString()) : -1;
  if (index < 0) {
    throw new TypeError("Failed to execute 'listDurableObjectIds': parameter 1 is not of type 'DurableObjectNamespace'.");
  }
  return (await ask({ ask: "ids", namespace: index })).map((/** @type {string} */ hex) => makeId(index, hex));
}

/** Deletes everything that is stored. */
export async function reset() {
  await ask({ ask: "reset" });
}

/** What createExecutionContext() makes: it remembers the promises that it was given. */
class TestExecutionContext {
  #promises = /** @type {Promise<unknown>[]} */ ([]);
  props = {};

  /** @param {any} promise */
  waitUntil(promise) {
    this.#promises.push(Promise.resolve(promise));
  }

  passThroughOnException() {}

  /** @param {any} ctx */
  static async settle(ctx) {
    if (typeof ctx !== "object" || ctx === null || !(#promises in ctx)) {
      throw new TypeError("Failed to execute 'waitOnExecutionContext': parameter 1 is not of type 'ExecutionContext'. Use createExecutionContext().");
    }
    /** @type {any[]} */
    const errors = [];
    while (ctx.#promises.length > 0) {
      const results = await Promise.allSettled(ctx.#promises.splice(0));
      for (const result of results) if (result.status === "rejected") errors.push(result.reason);
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors);
  }
}

export function createExecutionContext() {
  return new TestExecutionContext();
}

/** @param {any} ctx */
export async function waitOnExecutionContext(ctx) {
  await TestExecutionContext.settle(ctx);
}

export { createMessageBatch };

/**
 * What a handler said of a batch, once it has ended.
 * @param {any} batch
 * @param {any} ctx
 */
export async function getQueueResult(batch, ctx) {
  return await queueResult(batch, ctx, (given) => (given instanceof TestExecutionContext ? TestExecutionContext.settle(given) : null));
}

/** @param {{ scheduledTime?: Date | number, cron?: string }} [options] */
export function createScheduledController(options) {
  return {
    scheduledTime: Number(options?.scheduledTime ?? Date.now()),
    cron: options?.cron ?? "",
    noRetry() {},
  };
}

/**
 * The worker under test, as a service.
 * @param {() => any} makeHandler an instance of the worker's default export, or the object itself
 */
export function makeSelf(makeHandler) {
  const self = {
    /**
     * @param {any} input
     * @param {any} [init]
     */
    async fetch(input, init) {
      return await fetchFollowing(input, init, {
        exchange: ({ method, url, headers, body, cf }) =>
          op_stub_fetch_answer(op_test_fetch(method, url, headers, body, cf)),
        fetchError: errorOf,
      });
    },
    /** @param {{ scheduledTime?: Date | number, cron?: string }} [options] */
    async scheduled(options) {
      const { handler, env } = makeHandler();
      if (typeof handler.scheduled !== "function") throw new Error("Handler does not export a scheduled() function");
      const ctx = createExecutionContext();
      await handler.scheduled(createScheduledController(options), env, ctx);
      await waitOnExecutionContext(ctx);
      return { outcome: "ok", noRetry: false };
    },
    /** @param {string} name @param {any[]} messages */
    async queue(name, messages) {
      const { handler, env } = makeHandler();
      const ctx = createExecutionContext();
      const result = await handleQueue(handler, env, ctx, name, messages);
      await waitOnExecutionContext(ctx);
      return result;
    },
  };
  return new Proxy({}, {
    get(target, name) {
      if (Object.hasOwn(self, name)) return /** @type {any} */ (self)[name];
      if (typeof name === "symbol" || name === "then" || name in Object.prototype) return Reflect.get(target, name);
      return async (/** @type {any[]} */ ...args) => {
        const { handler } = makeHandler();
        if (typeof handler[name] !== "function") {
          throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
        }
        return await handler[name](...args);
      };
    },
  });
}

/**
 * Puts the worker behind an HTTP server on a free port of this machine, as `stead run` does. It ends with the test, or the
 * suite, that started it.
 */
export async function serve() {
  const port = await ask({ ask: "listen" });
  const close = () => op_test_tell({ tell: "closeServer", port });
  return { url: `http://127.0.0.1:${port}`, port, close, [Symbol.dispose]: close, [Symbol.asyncDispose]: async () => close() };
}

/** Failures that the process makes up. */
export const faults = {
  /** The process dies and starts again: what was not durable is gone, sockets are cut, objects start anew. */
  async crash() {
    await ask({ ask: "abortAll" });
  },
  /**
   * The next commits fail as a disk does.
   * @param {"ENOSPC" | "EIO"} code a full disk, or one that cannot be written to
   * @param {{ times?: number }} [options] how often; once, if it is not said
   */
  storage(code, options) {
    if (code !== "ENOSPC" && code !== "EIO") throw new TypeError("faults.storage() knows \"ENOSPC\" and \"EIO\"");
    op_test_tell({ tell: "failStorage", code, times: options?.times ?? 1 });
  },
  /**
   * The disk neither finishes nor fails: what depends on a commit waits at its object's output gate, until the
   * function that this returns is called, or the test ends.
   */
  stall() {
    op_test_tell({ tell: "stallStorage" });
    return async () => {
      await ask({ ask: "resumeStorage" });
    };
  },
};

/**
 * The objects in memory that hold something back when nothing is ready to run: with a closed gate, or with answers that
 * their code owes.
 * @returns {Promise<{ class: string, id: string, name: string | null, owes: number,
 *   input: { why: string, waiting: number } | null, output: { why: string, waiting: number } | null }[]>}
 */
export async function gates() {
  await ask({ ask: "settle" });
  return await ask({ ask: "gates" });
}

/** @param {string} name */
function missing(name) {
  return () => {
    throw new Error(`${name}() is not implemented in Stead yet.`);
  };
}

/** What `cloudflare:test` has and Stead does not. */
export const absent = Object.fromEntries(
  ["applyD1Migrations", "adminSecretsStore", "createPagesEventContext", "introspectWorkflow", "introspectWorkflowInstance"]
    .map((name) => [name, missing(name)]),
);
