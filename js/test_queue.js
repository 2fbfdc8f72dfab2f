// @ts-check
/// <reference path="./types.d.ts" />

// Batches of a queue's messages that tests make, and what a handler said of them.
// https://developers.cloudflare.com/workers/testing/vitest-integration/test-apis/#events

import { makeBatch } from "ext:stead/handlers.js";

/** What was said of each batch. @type {WeakMap<object, any>} */
const outcomes = new WeakMap();

/**
 * @param {string} name the queue's
 * @param {any[]} messages
 */
export function createMessageBatch(name, messages) {
  if (arguments.length === 0) throw new TypeError("Failed to execute 'createMessageBatch': parameter 1 is not of type 'string'.");
  if (!Array.isArray(messages)) throw new TypeError("Failed to execute 'createMessageBatch': parameter 2 is not of type 'Array'.");
  const { batch, outcome } = makeBatch(name, messages.map(checked));
  outcomes.set(batch, outcome);
  return batch;
}

/** @param {any} message */
function checked(message) {
  const { id, timestamp, attempts, body } = message;
  const wrong = (/** @type {string} */ name, /** @type {string} */ type) =>
    new TypeError(
      `Incorrect type for the '${name}' field on 'ServiceBindingQueueMessage': the provided value is not of type '${type}'.`,
    );
  if (typeof timestamp !== "number" && !(timestamp instanceof Date)) throw wrong("timestamp", "date");
  if (typeof attempts !== "number") throw wrong("attempts", "number");
  if ("serializedBody" in message) throw new TypeError("Cannot use `serializedBody` with `createMessageBatch()`");
  return { id, timestamp, attempts, body: structuredClone(body) };
}

/**
 * @param {any} batch
 * @param {any} ctx
 * @param {(ctx: any) => Promise<void> | null} settle waits for what a context was given; null for what is no context
 */
export async function queueResult(batch, ctx, settle) {
  const outcome = outcomes.get(batch);
  if (outcome === undefined) {
    throw new TypeError("Failed to execute 'getQueueResult': parameter 1 is not of type 'MessageBatch'.\nYou must call 'createMessageBatch()' to get a 'MessageBatch' instance.");
  }
  const settled = settle(ctx);
  if (settled === null) {
    throw new TypeError("Failed to execute 'getQueueResult': parameter 2 is not of type 'ExecutionContext'.\nYou must call 'createExecutionContext()' to get an 'ExecutionContext' instance.");
  }
  await settled;
  return { ...outcome };
}
