// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.storage.kv`, and the reading and writing that it shares with the asynchronous methods.
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#synchronous-kv-api

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { refuseReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { checkOptions, refuseArgument, toInteger } from "ext:stead/arguments.js";

const { ObjectPrototype, ReflectOwnKeys } = primordials;
let { op_kv_get, op_kv_put, op_kv_delete, op_kv_list, op_kv_next } = core.ops;
bindOps((ops) => ({ op_kv_get, op_kv_put, op_kv_delete, op_kv_list, op_kv_next } = ops));

/**
 * @param {any} handle
 * @param {string} key
 */
export function kvGet(handle, key) {
  return op_kv_get(handle, key);
}

/**
 * @param {any} handle
 * @param {string} key
 * @param {unknown} value
 * @param {boolean} unconfirmed whether nothing waits for the write
 */
export function kvPut(handle, key, value, unconfirmed) {
  op_kv_put(handle, key, value, unconfirmed);
}

/**
 * @param {any} handle
 * @param {string} key
 * @param {boolean} unconfirmed whether nothing waits for the write
 * @returns {boolean}
 */
export function kvDelete(handle, key, unconfirmed) {
  return op_kv_delete(handle, key, unconfirmed);
}

/**
 * The entries of a range, in order, read as they are asked for.
 * @param {any} handle
 * @param {any} options
 */
export function kvList(handle, options) {
  const { start, startAfter, end, prefix, reverse, limit } = options ?? {};
  const listing = op_kv_list(handle, {
    start: text(start),
    startAfter: text(startAfter),
    end: text(end),
    prefix: text(prefix),
    reverse: Boolean(reverse),
    limit: limit === undefined ? undefined : toInteger(limit),
  });
  return new ListIterator(handle, listing);
}

/** @param {any} value */
function text(value) {
  return value === undefined ? undefined : `${value}`;
}

/** What a prototype of all objects has before anybody changes it. */
const PROTOTYPE_KEYS = ReflectOwnKeys(ObjectPrototype).length;

class ListIterator {
  #handle;
  #listing;
  /**
   * The names of the last flat record's properties. None if assigning a property could do
   * something else, since somebody has put setters where all objects find them.
   * @type {string[] | undefined}
   */
  #names = ReflectOwnKeys(ObjectPrototype).length === PROTOTYPE_KEYS ? [] : undefined;

  /**
   * @param {any} handle
   * @param {any} listing
   */
  constructor(handle, listing) {
    this.#handle = handle;
    this.#listing = listing;
  }

  next() {
    const names = this.#names;
    const entry = op_kv_next(this.#handle, this.#listing, names);
    if (entry === undefined) return { done: true, value: undefined };
    return { done: false, value: entry[0] === names ? recordEntry(entry) : entry };
  }
}

/**
 * Key and value of a flat record.
 * @param {any[]} parts the names of its properties, its key, and their values
 */
function recordEntry(parts) {
  const names = parts[0];
  /** @type {Record<string, unknown>} */
  const value = {};
  for (let i = 0; i < names.length; i++) value[names[i]] = parts[i + 2];
  return [parts[1], value];
}
Object.setPrototypeOf(ListIterator.prototype, Iterator.prototype);
tagClass(ListIterator);

export class SyncKvStorage {
  #handle;

  /** @param {any} handle */
  constructor(handle) {
    this.#handle = handle;
  }

  /** @param {string} key */
  get(key) {
    if (this === undefined) refuseReceiver();
    if (arguments.length === 0) refuseArgument("SyncKvStorage", "get", 1, "string");
    return kvGet(this.#handle, `${key}`);
  }

  /**
   * @param {string} key
   * @param {unknown} value
   */
  put(key, value) {
    if (this === undefined) refuseReceiver();
    if (arguments.length === 0) refuseArgument("SyncKvStorage", "put", 1, "string");
    if (arguments.length === 1) refuseArgument("SyncKvStorage", "put", 2, "Value");
    kvPut(this.#handle, `${key}`, value, false);
  }

  /** @param {string} key */
  delete(key) {
    if (this === undefined) refuseReceiver();
    if (arguments.length === 0) refuseArgument("SyncKvStorage", "delete", 1, "string");
    return kvDelete(this.#handle, `${key}`, false);
  }

  /** @param {any} [options] */
  list(options) {
    if (this === undefined) refuseReceiver();
    checkOptions("SyncKvStorage", "list", 1, "ListOptions", options);
    return kvList(this.#handle, options);
  }
}
tagClass(SyncKvStorage);
