// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.storage`
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/

import { bindOps } from "ext:stead/fast_ops.js";
import { tagClass } from "ext:stead/scope.js";
import { serialize } from "ext:stead/clone.js";
import { criticalSection, resumeAfter } from "ext:stead/record.js";
import { makeSql } from "ext:stead/sql.js";
import { kvDelete, kvGet, kvList, kvPut, SyncKvStorage } from "ext:stead/kv.js";

/** @type {any} */ let op_alarm_delete;
/** @type {any} */ let op_alarm_get;
/** @type {any} */ let op_alarm_set;
/** @type {any} */ let op_kv_delete_all;
/** @type {any} */ let op_kv_put_many;
/** @type {any} */ let op_output_open;
/** @type {any} */ let op_output_wait;
/** @type {any} */ let op_transaction_begin;
/** @type {any} */ let op_transaction_commit;
/** @type {any} */ let op_transaction_rollback;
bindOps((ops) =>
  ({
    op_alarm_delete,
    op_alarm_get,
    op_alarm_set,
    op_kv_delete_all,
    op_kv_put_many,
    op_output_open,
    op_output_wait,
    op_transaction_begin,
    op_transaction_commit,
    op_transaction_rollback,
  } = ops)
);

const PUT_USAGE =
  "put() may only be called with a single key-value pair and optional options as put(key, value, options) or with multiple key-value pairs and optional options as put(entries, options)";
const NO_REPLICAS = "This Durable Object's storage back-end does not support replication.";
const NO_ALARM_HANDLER =
  "Your Durable Object class must have an alarm() handler in order to call setAlarm()";

/**
 * The methods that storage and a transaction have in common. All of them are done when they
 * return: the promises only keep the platform's shape.
 * @param {import("./record.js").ObjectRecord} record
 */
function operations(record) {
  const { handle } = record;
  return {
    /** @param {string | string[]} key */
    get(key) {
      if (!Array.isArray(key)) return kvGet(handle, `${key}`);
      const found = new Map();
      for (const name of key.map(String).sort(compareUtf8)) {
        const value = kvGet(handle, name);
        if (value !== undefined) found.set(name, value);
      }
      return found;
    },
    /** @param {any} [options] */
    list(options) {
      return new Map(/** @type {any} */ (kvList(handle, options)));
    },
    /** @param {any[]} args */
    put(...args) {
      const [first, value] = args;
      if (typeof first === "string") return kvPut(handle, first, value);
      if (typeof first !== "object" || first === null) {
        if (args.length > 1) return kvPut(handle, `${first}`, value);
        throw new TypeError(PUT_USAGE);
      }
      const entries = Object.entries(first).filter(([, value]) => value !== undefined);
      op_kv_put_many(handle, entries.map(([key, value]) => [key, serialize(value)]));
    },
    /** @param {string | string[]} key */
    delete(key) {
      if (!Array.isArray(key)) return kvDelete(handle, `${key}`);
      let deleted = 0;
      for (const name of key) if (kvDelete(handle, `${name}`)) deleted++;
      return deleted;
    },
    getAlarm() {
      return op_alarm_get(handle);
    },
    /** @param {Date | number} time */
    setAlarm(time) {
      // Unknown while the constructor runs, as on the platform.
      const { handlers } = record;
      if (handlers !== undefined && handlers.alarm === undefined) {
        throw new TypeError(NO_ALARM_HANDLER);
      }
      const at = time instanceof Date ? time.getTime() : Number(time);
      op_alarm_set(handle, Number.isNaN(at) ? 0 : at);
    },
    deleteAlarm() {
      op_alarm_delete(handle);
    },
  };
}

/**
 * Orders keys by their UTF-8 bytes, as storage does.
 * @param {string} a
 * @param {string} b
 */
function compareUtf8(a, b) {
  const left = encoder.encode(a);
  const right = encoder.encode(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    if (left[i] !== right[i]) return left[i] - right[i];
  }
  return left.length - right.length;
}
const encoder = new TextEncoder();

export class DurableObjectStorage {
  #record;
  #operations;
  #sql;
  #kv;
  /** How many explicit transactions are open. */
  #transactions = 0;
  /** The innermost explicit transaction. @type {any} */
  #current = null;

  /** @param {import("./record.js").ObjectRecord} record */
  constructor(record) {
    this.#record = record;
    this.#operations = operations(record);
    this.#sql = makeSql(record.handle);
    this.#kv = new SyncKvStorage(record.handle);
  }

  get sql() {
    return this.#sql;
  }

  get kv() {
    return this.#kv;
  }

  /** @param {any} key */
  async get(key) {
    return this.#operations.get(key);
  }

  /** @param {any} [options] */
  async list(options) {
    return this.#operations.list(options);
  }

  /** @param {any[]} args */
  async put(...args) {
    return this.#operations.put(...args);
  }

  /** @param {any} key */
  async delete(key) {
    return this.#operations.delete(key);
  }

  async deleteAll() {
    if (this.#transactions > 0) throw new Error("Cannot call deleteAll() within a transaction");
    op_kv_delete_all(this.#record.handle, true);
  }

  async getAlarm() {
    return this.#operations.getAlarm();
  }

  /** @param {any} time */
  async setAlarm(time) {
    return this.#operations.setAlarm(time);
  }

  async deleteAlarm() {
    return this.#operations.deleteAlarm();
  }

  sync() {
    return resumeAfter(op_output_wait(this.#record.handle));
  }

  /**
   * @template T
   * @param {() => T} callback
   */
  transactionSync(callback) {
    const { handle } = this.#record;
    const depth = op_transaction_begin(handle, false);
    let result;
    try {
      result = callback();
    } catch (error) {
      op_transaction_rollback(handle, depth);
      throw error;
    }
    op_transaction_commit(handle, depth);
    return result;
  }

  /**
   * @template T
   * @param {(txn: DurableObjectTransaction) => Promise<T>} callback
   * @returns {Promise<T>}
   */
  transaction(callback) {
    return criticalSection(this.#record, () => this.#transact(callback), false);
  }

  /** @param {(txn: DurableObjectTransaction) => any} callback */
  async #transact(callback) {
    const { handle } = this.#record;
    // What was written before is a commit of its own.
    if (this.#transactions === 0 && !op_output_open(handle)) await op_output_wait(handle);
    const depth = op_transaction_begin(handle, true);
    this.#transactions++;
    const state = { depth, status: "open", handle, parent: this.#current };
    const txn = new DurableObjectTransaction(state, this.#operations);
    this.#current = state;
    try {
      const result = await callback(txn);
      if (state.status === "open") op_transaction_commit(handle, depth);
      return result;
    } catch (error) {
      if (state.status === "open") op_transaction_rollback(handle, depth);
      throw error;
    } finally {
      if (state.status === "open") state.status = "ended";
      this.#current = state.parent;
      this.#transactions--;
    }
  }

  getCurrentBookmark() {
    return refuse("getCurrentBookmark");
  }

  getBookmarkForTime() {
    return refuse("getBookmarkForTime");
  }

  onNextSessionRestoreBookmark() {
    return refuse("onNextSessionRestoreBookmark");
  }

  ensureReplicas() {
    throw new Error(NO_REPLICAS);
  }

  disableReplicas() {
    throw new Error(NO_REPLICAS);
  }
}
tagClass(DurableObjectStorage);

/**
 * @param {string} method
 * @returns {never}
 */
function refuse(method) {
  throw new Error(
    `${method}() is not implemented in Stead yet: point-in-time recovery is still to come.`,
  );
}

export class DurableObjectTransaction {
  #state;
  #operations;

  /**
   * @param {any} state
   * @param {ReturnType<typeof operations>} operations
   */
  constructor(state, operations) {
    this.#state = state;
    this.#operations = operations;
  }

  /** @param {string} method */
  #check(method) {
    if (this.#state.status === "rolled back") {
      throw new Error(`Cannot ${method}() on rolled back transaction`);
    }
    if (this.#state.status === "ended") {
      throw new Error(
        `Cannot call ${method}() on transaction that has already committed: did you move \`txn\` outside of the closure?`,
      );
    }
    return this.#operations;
  }

  /** @param {any} key */
  async get(key) {
    return this.#check("get").get(key);
  }

  /** @param {any} [options] */
  async list(options) {
    return this.#check("list").list(options);
  }

  /** @param {any[]} args */
  async put(...args) {
    return this.#check("put").put(...args);
  }

  /** @param {any} key */
  async delete(key) {
    return this.#check("delete").delete(key);
  }

  deleteAll() {
    throw new Error("Cannot call deleteAll() within a transaction");
  }

  async getAlarm() {
    return this.#check("getAlarm").getAlarm();
  }

  /** @param {any} time */
  async setAlarm(time) {
    return this.#check("setAlarm").setAlarm(time);
  }

  async deleteAlarm() {
    return this.#check("deleteAlarm").deleteAlarm();
  }

  rollback() {
    if (this.#state.status === "rolled back") return;
    this.#check("rollback");
    op_transaction_rollback(this.#state.handle, this.#state.depth);
    this.#state.status = "rolled back";
  }
}
tagClass(DurableObjectTransaction);
