// @ts-check
/// <reference path="./types.d.ts" />

// What `scheduled()` and `queue()` are given, and what becomes of it.
// https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/
// https://developers.cloudflare.com/queues/configuration/javascript-apis/

import { tagClass } from "ext:stead/scope.js";

const INTERNAL = Symbol("internal");

/** @param {symbol} token */
function requireInternal(token) {
  if (token !== INTERNAL) throw new TypeError("Illegal constructor");
}

export class ScheduledController {
  #noRetry = false;

  /**
   * @param {symbol} token
   * @param {number} scheduledTime
   * @param {string} cron
   */
  constructor(token, scheduledTime, cron) {
    requireInternal(token);
    this.scheduledTime = scheduledTime;
    this.cron = cron;
  }

  noRetry() {
    this.#noRetry = true;
  }

  /** @param {ScheduledController} controller */
  static isFinal(controller) {
    return controller.#noRetry;
  }
}
const { isFinal } = ScheduledController;
delete (/** @type {any} */ (ScheduledController)).isFinal;
tagClass(ScheduledController);

/**
 * @param {any} handlers
 * @param {any} env
 * @param {any} ctx
 * @param {{ scheduledTime?: number | Date, cron?: string }} options
 */
export async function handleScheduled(handlers, env, ctx, { scheduledTime, cron }) {
  if (typeof handlers.scheduled !== "function") {
    throw new Error("Handler does not export a scheduled() function");
  }
  const time = scheduledTime === undefined ? Date.now() : Number(scheduledTime);
  const controller = new ScheduledController(INTERNAL, time, `${cron ?? ""}`);
  await handlers.scheduled(controller, env, ctx);
  return { outcome: "ok", noRetry: isFinal(controller) };
}

/** What a batch's handler said, as the sender is told. */
class Outcome {
  outcome = "ok";
  ackAll = false;
  /** @type {{ retry: boolean, delaySeconds?: number }} */ retryBatch = { retry: false };
  /** @type {string[]} */ explicitAcks = [];
  /** @type {{ msgId: string, delaySeconds?: number }[]} */ retryMessages = [];

  /** @param {string} id */
  isDecided(id) {
    return this.explicitAcks.includes(id) || this.retryMessages.some((one) => one.msgId === id);
  }
}

/** @param {{ delaySeconds?: number } | undefined} options */
function delayOf(options) {
  const seconds = options?.delaySeconds;
  return seconds === undefined ? {} : { delaySeconds: Number(seconds) };
}

export class QueueMessage {
  #outcome;

  /**
   * @param {symbol} token
   * @param {Outcome} outcome
   * @param {any} sent
   */
  constructor(token, outcome, { id, timestamp, body, attempts }) {
    requireInternal(token);
    this.#outcome = outcome;
    this.id = `${id}`;
    this.timestamp = new Date(timestamp);
    this.body = body;
    this.attempts = attempts ?? 1;
  }

  ack() {
    if (this.#outcome.ackAll || this.#outcome.isDecided(this.id)) return;
    this.#outcome.explicitAcks.push(this.id);
  }

  /** @param {{ delaySeconds?: number }} [options] */
  retry(options) {
    if (this.#outcome.ackAll || this.#outcome.isDecided(this.id)) return;
    this.#outcome.retryMessages.push({ msgId: this.id, ...delayOf(options) });
  }
}
tagClass(QueueMessage, "Message");

export class MessageBatch {
  #outcome;

  /**
   * @param {symbol} token
   * @param {Outcome} outcome
   * @param {string} queue
   * @param {any[]} messages
   */
  constructor(token, outcome, queue, messages) {
    requireInternal(token);
    this.#outcome = outcome;
    this.queue = queue;
    this.messages = messages.map((sent) => new QueueMessage(INTERNAL, outcome, sent));
    this.metadata = { metrics: { backlogCount: 0, backlogBytes: 0 } };
  }

  ackAll() {
    if (!this.#outcome.retryBatch.retry) this.#outcome.ackAll = true;
  }

  /** @param {{ delaySeconds?: number }} [options] */
  retryAll(options) {
    if (!this.#outcome.ackAll) this.#outcome.retryBatch = { retry: true, ...delayOf(options) };
  }
}
tagClass(MessageBatch);

/**
 * A batch, and what is said of it.
 * @param {string} queue
 * @param {any[]} messages
 */
export function makeBatch(queue, messages) {
  const outcome = new Outcome();
  return { batch: new MessageBatch(INTERNAL, outcome, `${queue}`, messages), outcome };
}

/**
 * @param {any} handlers
 * @param {any} env
 * @param {any} ctx
 * @param {string} queue
 * @param {any[]} messages
 */
export async function handleQueue(handlers, env, ctx, queue, messages) {
  if (typeof handlers.queue !== "function") {
    throw new Error("Handler does not export a queue() function.");
  }
  const { batch, outcome } = makeBatch(queue, messages);
  await handlers.queue(batch, env, ctx);
  return { ...outcome };
}

/** What the sender of a batch is told whose handler threw. */
export function failedBatch() {
  return { ...new Outcome(), outcome: "exception" };
}
