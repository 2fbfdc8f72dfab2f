// @ts-check
/// <reference path="./types.d.ts" />

// `ctx` of an object
// https://developers.cloudflare.com/durable-objects/api/state/

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { tagClass } from "ext:stead/scope.js";
import { checkCallback, refuseArgument } from "ext:stead/arguments.js";
import { exports } from "ext:stead/environment.js";
import { criticalSection } from "ext:stead/critical_section.js";
import { DurableObjectStorage } from "ext:stead/storage.js";
import { endForObject, ownSocket, restoreSocket, socketNumber, wasAccepted } from "ext:stead/websocket.js";

let {
  op_object_abort,
  op_object_socket_accept,
  op_object_socket_list,
  op_object_socket_tags,
} = core.ops;
bindOps((ops) =>
  ({ op_object_abort, op_object_socket_accept, op_object_socket_list, op_object_socket_tags } = ops)
);

const ABORTED = "Application called abort() to reset Durable Object.";

export class DurableObjectState {
  #record;
  #id;
  #storage;
  #props;

  /**
   * @param {import("./record.js").ObjectRecord} record
   * @param {any} id
   */
  constructor(record, id) {
    this.#record = record;
    this.#id = id;
    this.#storage = new DurableObjectStorage(record);
    this.#props = {};
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
    return notYet("ctx.facets");
  }

  get exports() {
    return exports;
  }

  /** @param {any} promise */
  waitUntil(promise) {
    if (arguments.length === 0) refuseArgument("DurableObjectState", "waitUntil", 1, "Promise");
    // An object lives on while anything is under way, so there is nothing to keep alive. A
    // rejection that nobody handles is reported like any other.
    Promise.resolve(promise);
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
    const end = endForObject(socket);
    const { handle, sockets } = this.#record;
    const number = op_object_socket_accept(handle, end, Array.from(tags, String));
    ownSocket(socket, this.#record, number);
    sockets.set(number, socket);
  }

  /** @param {string} [tag] */
  getWebSockets(tag) {
    const { handle } = this.#record;
    const numbers = op_object_socket_list(handle, tag === undefined ? null : `${tag}`);
    return numbers.map((/** @type {number} */ number) => socketOf(this.#record, number));
  }

  /** @param {any} socket */
  getTags(socket) {
    const number = socketNumber(socket, this.#record);
    if (number < 0) {
      if (wasAccepted(socket)) throw new Error("only hibernatable websockets can have tags.");
      throw new Error(
        "you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.",
      );
    }
    return op_object_socket_tags(this.#record.handle, number);
  }

  setWebSocketAutoResponse() {
    return notYet("ctx.setWebSocketAutoResponse()");
  }

  getWebSocketAutoResponse() {
    return notYet("ctx.getWebSocketAutoResponse()");
  }

  getWebSocketAutoResponseTimestamp() {
    return notYet("ctx.getWebSocketAutoResponseTimestamp()");
  }

  setHibernatableWebSocketEventTimeout() {
    return notYet("ctx.setHibernatableWebSocketEventTimeout()");
  }

  getHibernatableWebSocketEventTimeout() {
    return notYet("ctx.getHibernatableWebSocketEventTimeout()");
  }

  configureReadReplication() {
    throw new Error(
      "This Durable Object's storage back-end does not support replication.",
    );
  }
}
tagClass(DurableObjectState);

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

/**
 * @param {string} what
 * @returns {never}
 */
function notYet(what) {
  throw new Error(`${what} is not implemented in Stead yet.`);
}
