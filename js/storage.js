// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.storage`
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { serialize } from "ext:stead/clone.js";
import { checkCallback, checkOptions, refuseArgument } from "ext:stead/arguments.js";
import { criticalSection } from "ext:stead/critical_section.js";
import { resumeAfter } from "ext:stead/record.js";
import { makeSql } from "ext:stead/sql.js";
import { kvDelete, kvGet, kvList, kvPut, SyncKvStorage } from "ext:stead/kv.js";

let {
  op_alarm_delete,
  op_alarm_get,
  op_alarm_set,
  op_bookmark_current,
  op_bookmark_for_time,
  op_bookmark_restore,
  op_kv_check_count,
  op_kv_delete_all,
  op_kv_put_many,
  op_storage_sync,
  op_storage_synced,
  op_transaction_begin,
  op_transaction_commit,
  op_transaction_rollback,
} = core.ops;
bindOps((ops) =>
  ({
    op_alarm_delete,
    op_alarm_get,
    op_alarm_set,
    op_bookmark_current,
    op_bookmark_for_time,
    op_bookmark_restore,
    op_kv_check_count,
    op_kv_delete_all,
    op_kv_put_many,
    op_storage_sync,
    op_storage_synced,
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

/** Milliseconds from which on, before or after 1970, the platform's nanoseconds overflow. */
const DATE_MS_MAX = 2 ** 63 / 1e6;

/**
 * The methods that storage and a transaction have in common. All of them are done when they
 * return: the promises only keep the platform's shape.
 * @param {import("./record.js").ObjectRecord} record
 * @param {string} owner the class that has the methods
 */
function operations(record, owner) {
  const { handle } = record;
  return {
    /** @param {any[]} args */
    get(...args) {
      if (args.length === 0) refuseArgument(owner, "get", 1, "string or Array");
      const [key, options] = args;
      checkOptions(owner, "get", 2, "GetOptions", options);
      if (!Array.isArray(key)) return kvGet(handle, `${key}`);
      op_kv_check_count(handle, key.length);
      const found = new Map();
      for (const name of key.map(String).sort(compareUtf8)) {
        const value = kvGet(handle, name);
        if (value !== undefined) found.set(name, value);
      }
      return found;
    },
    /** @param {any} [options] */
    list(options) {
      checkOptions(owner, "list", 1, "ListOptions", options);
      return new Map(/** @type {any} */ (kvList(handle, options)));
    },
    /** @param {any[]} args */
    put(...args) {
      if (args.length === 0) refuseArgument(owner, "put", 1, "string or object");
      const [first, second, options] = args;
      checkOptions(owner, "put", 3, "PutOptions", options);
      if (isEntries(first)) return putEntries(first, second);
      if (second === undefined) throw new TypeError("put() called with undefined value.");
      kvPut(handle, `${first}`, second, isUnconfirmed(options));
    },
    /** @param {any[]} args */
    delete(...args) {
      if (args.length === 0) refuseArgument(owner, "delete", 1, "string or Array");
      const [key, options] = args;
      checkOptions(owner, "delete", 2, "PutOptions", options);
      const unconfirmed = isUnconfirmed(options);
      if (!Array.isArray(key)) return kvDelete(handle, `${key}`, unconfirmed);
      op_kv_check_count(handle, key.length);
      let deleted = 0;
      for (const name of key) if (kvDelete(handle, `${name}`, unconfirmed)) deleted++;
      return deleted;
    },
    /** @param {any} [options] */
    getAlarm(options) {
      checkOptions(owner, "getAlarm", 1, "GetAlarmOptions", options);
      return op_alarm_get(handle);
    },
    /**
     * @param {Date | number} time
     * @param {any} [options]
     */
    setAlarm(time, options) {
      const at = millisecondsOf(time, owner);
      checkOptions(owner, "setAlarm", 2, "SetAlarmOptions", options);
      // Unknown while the constructor runs, as on the platform.
      const { handlers } = record;
      if (handlers !== undefined && handlers.alarm === undefined) {
        throw new TypeError(NO_ALARM_HANDLER);
      }
      op_alarm_set(handle, at, isUnconfirmed(options));
    },
    /** @param {any} [options] */
    deleteAlarm(options) {
      checkOptions(owner, "deleteAlarm", 1, "SetAlarmOptions", options);
      op_alarm_delete(handle, isUnconfirmed(options));
    },
  };

  /**
   * @param {Record<string, unknown>} entries
   * @param {unknown} options
   */
  function putEntries(entries, options) {
    if (!isEntries(options) && options !== undefined && options !== null) {
      throw new TypeError(PUT_USAGE);
    }
    const present = Object.entries(entries).filter(([, value]) => value !== undefined);
    const unconfirmed = isUnconfirmed(options);
    op_kv_put_many(handle, present.map(([key, value]) => [key, serialize(value)]), unconfirmed);
  }
}

/**
 * Whether the options say that nothing waits for the write.
 * @param {any} options
 */
function isUnconfirmed(options) {
  return Boolean(options?.allowUnconfirmed);
}

/**
 * Whether the first argument of `put()` holds entries; otherwise it is a key.
 * @param {any} value
 */
function isEntries(value) {
  if (typeof value === "function") return true;
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * @param {unknown} time
 * @param {string} owner
 */
function millisecondsOf(time, owner) {
  const at = time instanceof Date ? time.getTime() : time;
  if (typeof at !== "number") refuseArgument(owner, "setAlarm", 1, "date");
  if (!Number.isFinite(at)) {
    throw new TypeError("The value cannot be converted because it is not a valid Date.");
  }
  if (at >= DATE_MS_MAX) throw new TypeError("This API doesn't support dates after 2189.");
  if (at <= -DATE_MS_MAX) throw new TypeError("This API doesn't support dates before 1687.");
  return at;
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
  /** The innermost explicit transaction. @type {TransactionState | null} */
  #current = null;

  /** @param {import("./record.js").ObjectRecord} record */
  constructor(record) {
    this.#record = record;
    this.#operations = operations(record, "DurableObjectStorage");
    this.#sql = makeSql(record.handle);
    this.#kv = new SyncKvStorage(record.handle);
  }

  get sql() {
    return this.#sql;
  }

  get kv() {
    return this.#kv;
  }

  /** @param {any[]} args */
  async get(...args) {
    return this.#operations.get(...args);
  }

  /** @param {any} [options] */
  async list(options) {
    return this.#operations.list(options);
  }

  /** @param {any[]} args */
  async put(...args) {
    return this.#operations.put(...args);
  }

  /** @param {any[]} args */
  async delete(...args) {
    return this.#operations.delete(...args);
  }

  /** @param {any} [options] */
  async deleteAll(options) {
    checkOptions("DurableObjectStorage", "deleteAll", 1, "PutOptions", options);
    if (this.#transactions > 0) throw new Error("Cannot call deleteAll() within a transaction");
    op_kv_delete_all(this.#record.handle, isOn("delete_all_deletes_alarm"));
  }

  /** @param {any} [options] */
  async getAlarm(options) {
    return this.#operations.getAlarm(options);
  }

  /**
   * @param {any} time
   * @param {any} [options]
   */
  async setAlarm(time, options) {
    return this.#operations.setAlarm(time, options);
  }

  /** @param {any} [options] */
  async deleteAlarm(options) {
    return this.#operations.deleteAlarm(options);
  }

  async sync() {
    await resumeAfter(op_storage_sync(this.#record.handle));
  }

  /**
   * @template T
   * @param {() => T} callback
   */
  transactionSync(callback) {
    checkCallback("DurableObjectStorage", "transactionSync", callback);
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
   * @param {any} [options]
   * @returns {Promise<T>}
   */
  async transaction(callback, options) {
    checkCallback("DurableObjectStorage", "transaction", callback);
    checkOptions("DurableObjectStorage", "transaction", 2, "TransactionOptions", options);
    return await criticalSection(this.#record, () => this.#transact(callback), false);
  }

  /** @param {(txn: DurableObjectTransaction) => any} callback */
  async #transact(callback) {
    const { handle } = this.#record;
    // What was written before is a commit of its own.
    if (this.#transactions === 0 && !op_storage_synced(handle)) await op_storage_sync(handle);
    const depth = op_transaction_begin(handle, true);
    this.#transactions++;
    /** @type {TransactionState} */
    const state = { depth, status: "open", handle, parent: this.#current };
    const txn = new DurableObjectTransaction(this.#record, state);
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

  async getCurrentBookmark() {
    return await resumeAfter(op_bookmark_current(this.#record.handle));
  }

  /** @param {any} timestamp milliseconds since 1970, or a Date */
  async getBookmarkForTime(timestamp) {
    const at = timestamp instanceof Date ? timestamp.getTime() : timestamp;
    if (typeof at !== "number") {
      refuseArgument("DurableObjectStorage", "getBookmarkForTime", 1, "date");
    }
    if (!Number.isFinite(at)) {
      throw new TypeError("The value cannot be converted because it is not a valid Date.");
    }
    return await resumeAfter(op_bookmark_for_time(this.#record.handle, at));
  }

  /** @param {any[]} args */
  async onNextSessionRestoreBookmark(...args) {
    if (args.length === 0) {
      refuseArgument("DurableObjectStorage", "onNextSessionRestoreBookmark", 1, "string");
    }
    return await resumeAfter(op_bookmark_restore(this.#record.handle, `${args[0]}`));
  }

  ensureReplicas() {
    throw new Error(NO_REPLICAS);
  }

  disableReplicas() {
    throw new Error(NO_REPLICAS);
  }
}
tagClass(DurableObjectStorage);
guardReceiver(DurableObjectStorage);

/**
 * @typedef {object} TransactionState
 * @property {number} depth
 * @property {"open" | "rolled back" | "ended"} status
 * @property {any} handle
 * @property {TransactionState | null} parent
 */

export class DurableObjectTransaction {
  #state;
  #operations;

  /**
   * @param {import("./record.js").ObjectRecord} record
   * @param {TransactionState} state
   */
  constructor(record, state) {
    this.#state = state;
    this.#operations = operations(record, "DurableObjectTransaction");
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

  /** @param {any[]} args */
  async get(...args) {
    return this.#check("get").get(...args);
  }

  /** @param {any} [options] */
  async list(options) {
    return this.#check("list").list(options);
  }

  /** @param {any[]} args */
  async put(...args) {
    return this.#check("put").put(...args);
  }

  /** @param {any[]} args */
  async delete(...args) {
    return this.#check("delete").delete(...args);
  }

  deleteAll() {
    throw new Error("Cannot call deleteAll() within a transaction");
  }

  /** @param {any} [options] */
  async getAlarm(options) {
    return this.#check("getAlarm").getAlarm(options);
  }

  /**
   * @param {any} time
   * @param {any} [options]
   */
  async setAlarm(time, options) {
    return this.#check("setAlarm").setAlarm(time, options);
  }

  /** @param {any} [options] */
  async deleteAlarm(options) {
    return this.#check("deleteAlarm").deleteAlarm(options);
  }

  rollback() {
    if (this.#state.status === "rolled back") return;
    this.#check("rollback");
    op_transaction_rollback(this.#state.handle, this.#state.depth);
    this.#state.status = "rolled back";
  }
}
tagClass(DurableObjectTransaction);
