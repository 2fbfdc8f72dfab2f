// @ts-check
/// <reference path="./types.d.ts" />

// `ctx` of an object
// https://developers.cloudflare.com/durable-objects/api/state/

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { checkCallback, refuseArgument } from "ext:stead/arguments.js";
import { exports } from "ext:stead/environment.js";
import { DurableObjectFacets } from "ext:stead/facets.js";
import { criticalSection } from "ext:stead/critical_section.js";
import { keepActive } from "ext:stead/record.js";
import { INTERNAL } from "ext:stead/service_stub.js";
import { DurableObjectStorage } from "ext:stead/storage.js";
import {
  endForObject,
  isAutoResponse,
  isSocket,
  ownSocket,
  restoreSocket,
  socketNumber,
  wasAccepted,
  WebSocketRequestResponsePair,
} from "ext:stead/websocket.js";

let {
  op_object_abort,
  op_object_socket_accept,
  op_object_socket_auto_get,
  op_object_socket_auto_set,
  op_object_socket_auto_time,
  op_object_socket_list,
  op_object_socket_tags,
  op_object_socket_timeout_get,
  op_object_socket_timeout_set,
} = core.ops;
bindOps((ops) =>
  ({
    op_object_abort,
    op_object_socket_accept,
    op_object_socket_auto_get,
    op_object_socket_auto_set,
    op_object_socket_auto_time,
    op_object_socket_list,
    op_object_socket_tags,
    op_object_socket_timeout_get,
    op_object_socket_timeout_set,
  } = ops)
);

const UNSIGNED_MAX = 4_294_967_295;
const ABORTED = "Application called abort() to reset Durable Object.";

export class DurableObjectState {
  #record;
  #id;
  #storage;
  #props;
  /** @type {DurableObjectFacets | undefined} */ #facets = undefined;

  /**
   * @param {import("./record.js").ObjectRecord} record
   * @param {any} id
   * @param {any} props
   */
  constructor(record, id, props) {
    this.#record = record;
    this.#id = id;
    this.#storage = new DurableObjectStorage(record);
    this.#props = props;
  }

  get id() {
    return this.#id;
  }

  get storage() {
    return this.#storage;
  }

  get props() {
    return this.#props;
  }

  get container() {
    return undefined;
  }

  get facets() {
    return this.#facets ??= new DurableObjectFacets(INTERNAL, this.#record);
  }

  get exports() {
    return exports;
  }

  /** @param {any} promise */
  waitUntil(promise) {
    if (arguments.length === 0) refuseArgument("DurableObjectState", "waitUntil", 1, "Promise");
    // A rejection that nobody handles is reported like any other.
    keepActive(this.#record, promise);
  }

  /**
   * @template T
   * @param {() => Promise<T>} callback
   */
  async blockConcurrencyWhile(callback) {
    checkCallback("DurableObjectState", "blockConcurrencyWhile", callback);
    return await criticalSection(this.#record, callback, true);
  }

  /**
   * @param {string} [reason]
   * @param {{ retryAlarm?: boolean }} [options]
   */
  abort(reason, options) {
    const message = reason === undefined ? ABORTED : `${reason}`;
    op_object_abort(this.#record.handle, message, options?.retryAlarm ?? true);
    // V8 ends the code here: nothing can catch that, and no `finally` runs.
    for (;;);
  }

  /**
   * @param {any} socket
   * @param {string[]} [tags]
   */
  acceptWebSocket(socket, tags = []) {
    checkSocket("acceptWebSocket", socket);
    if (!Array.isArray(tags)) refuseArgument("DurableObjectState", "acceptWebSocket", 2, "Array");
    const end = endForObject(socket);
    const { handle, sockets } = this.#record;
    const number = op_object_socket_accept(handle, end, Array.from(tags, String));
    ownSocket(socket, this.#record, number);
    sockets.set(number, socket);
  }

  /** @param {string} [tag] */
  getWebSockets(tag) {
    const { handle } = this.#record;
    const numbers = op_object_socket_list(handle, tag === undefined || tag === null ? null : `${tag}`);
    return numbers.map((/** @type {number} */ number) => socketOf(this.#record, number));
  }

  /** @param {any} socket */
  getTags(socket) {
    checkSocket("getTags", socket);
    const number = socketNumber(socket, this.#record);
    if (number < 0) {
      if (wasAccepted(socket)) throw new Error("only hibernatable websockets can have tags.");
      throw new Error(
        "you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.",
      );
    }
    return op_object_socket_tags(this.#record.handle, number);
  }

  /** @param {any} [pair] */
  setWebSocketAutoResponse(pair) {
    const { handle } = this.#record;
    if (pair === undefined) return op_object_socket_auto_set(handle, "", "", false);
    if (!isAutoResponse(pair)) {
      refuseArgument("DurableObjectState", "setWebSocketAutoResponse", 1, "WebSocketRequestResponsePair");
    }
    op_object_socket_auto_set(handle, pair.request, pair.response, true);
  }

  getWebSocketAutoResponse() {
    const pair = op_object_socket_auto_get(this.#record.handle);
    return pair === null ? null : new WebSocketRequestResponsePair(pair[0], pair[1]);
  }

  /** @param {any} socket */
  getWebSocketAutoResponseTimestamp(socket) {
    checkSocket("getWebSocketAutoResponseTimestamp", socket);
    const number = socketNumber(socket, this.#record);
    const time = number < 0 ? null : op_object_socket_auto_time(this.#record.handle, number);
    return time === null ? null : new Date(time);
  }

  /** @param {any} [timeout] */
  setHibernatableWebSocketEventTimeout(timeout) {
    op_object_socket_timeout_set(this.#record.handle, unsigned(timeout ?? 0));
  }

  getHibernatableWebSocketEventTimeout() {
    const timeout = op_object_socket_timeout_get(this.#record.handle);
    return timeout === 0 ? null : timeout;
  }

  configureReadReplication() {
    throw new Error(
      "This Durable Object's storage back-end does not support replication.",
    );
  }
}
tagClass(DurableObjectState);
guardReceiver(DurableObjectState);

/**
 * @param {string} method
 * @param {any} socket
 */
function checkSocket(method, socket) {
  if (!isSocket(socket)) refuseArgument("DurableObjectState", method, 1, "WebSocket");
}

/**
 * A whole number of 32 bits, as the platform converts one.
 * @param {any} value
 */
function unsigned(value) {
  const number = Number(value);
  if (!Number.isFinite(number)) {
    throw new TypeError("The value cannot be converted because it is not an integer.");
  }
  if (number < 0) {
    throw new TypeError(
      "The value cannot be converted because it is negative and this API expects a positive number.",
    );
  }
  if (number > UNSIGNED_MAX) {
    throw new TypeError(`Value out of range. Must be less than or equal to ${UNSIGNED_MAX}.`);
  }
  return Math.trunc(number);
}

/**
 * The JavaScript value of one of an object's sockets; the same one each time.
 * @param {import("./record.js").ObjectRecord} record
 * @param {number} number
 */
export function socketOf(record, number) {
  let socket = record.sockets.get(number);
  if (socket === undefined) {
    socket = restoreSocket(record, number);
    record.sockets.set(number, socket);
  }
  return socket;
}
