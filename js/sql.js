// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.storage.sql`
// https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#sql-api

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { refuseReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { refuseArgument } from "ext:stead/arguments.js";

let {
  op_sql_exec,
  op_sql_counts,
  op_sql_next,
  op_sql_rest,
  op_sql_columns,
  op_sql_rows_read,
  op_sql_rows_written,
  op_sql_database_size,
} = core.ops;
bindOps((ops) =>
  ({
    op_sql_exec,
    op_sql_counts,
    op_sql_next,
    op_sql_rest,
    op_sql_columns,
    op_sql_rows_read,
    op_sql_rows_written,
    op_sql_database_size,
  } = ops)
);

/** Tells our own calls of the constructors from those of user code. */
const INTERNAL = Symbol("internal");

/** @param {unknown} token */
function requireInternal(token) {
  if (token !== INTERNAL) throw new TypeError("Illegal constructor");
}

/**
 * The current row's values, and one step; undefined at the end.
 * @param {any} handle
 * @param {any} cursor
 */
function nextValues(handle, cursor) {
  return typeof cursor === "number" ? undefined : op_sql_next(handle, cursor);
}

/**
 * The values of all rows that are left, one after the other.
 * @param {any} handle
 * @param {any} cursor
 * @returns {any[]}
 */
function otherValues(handle, cursor) {
  return typeof cursor === "number" ? [] : op_sql_rest(handle, cursor);
}

/** The rows of one query, produced as they are asked for. */
export class Cursor {
  #handle;
  /** What is read, or the tally of a statement that left nothing to read. */
  #cursor;
  #query;
  /** @type {string[] | undefined} */ #names;

  /**
   * @param {symbol} token
   * @param {any} handle
   * @param {any} cursor
   * @param {string} query
   */
  constructor(token, handle, cursor, query) {
    requireInternal(token);
    this.#handle = handle;
    this.#cursor = cursor;
    this.#query = query;
  }

  get columnNames() {
    return [...this.#columns()];
  }

  get rowsRead() {
    const cursor = this.#cursor;
    if (typeof cursor !== "number") return op_sql_rows_read(cursor);
    return op_sql_counts(this.#handle, this.#query, cursor, false);
  }

  get rowsWritten() {
    const cursor = this.#cursor;
    if (typeof cursor !== "number") return op_sql_rows_written(cursor);
    return op_sql_counts(this.#handle, this.#query, cursor, true);
  }

  next() {
    if (this === undefined) refuseReceiver();
    const values = nextValues(this.#handle, this.#cursor);
    if (values === undefined) return { done: true, value: undefined };
    return { done: false, value: this.#row(values, 0) };
  }

  toArray() {
    if (this === undefined) refuseReceiver();
    const values = otherValues(this.#handle, this.#cursor);
    const width = this.#columns().length;
    const rows = [];
    for (let at = 0; at < values.length; at += width) rows.push(this.#row(values, at));
    return rows;
  }

  one() {
    if (this === undefined) refuseReceiver();
    const row = this.next();
    if (row.done) {
      throw new Error("Expected exactly one result from SQL query, but got no results.");
    }
    if (nextValues(this.#handle, this.#cursor) !== undefined) {
      throw new Error("Expected exactly one result from SQL query, but got multiple results.");
    }
    return row.value;
  }

  raw() {
    if (this === undefined) refuseReceiver();
    return new RawIterator(INTERNAL, this.#handle, this.#cursor, this.#columns().length);
  }

  [Symbol.iterator]() {
    return this;
  }

  #columns() {
    const cursor = this.#cursor;
    return this.#names ??= typeof cursor === "number" ? [] : op_sql_columns(cursor);
  }

  /**
   * @param {any[]} values
   * @param {number} at where the row begins in `values`
   */
  #row(values, at) {
    const names = this.#columns();
    /** @type {Record<string, any>} */
    const row = {};
    for (let i = 0; i < names.length; i++) row[names[i]] = values[at + i];
    return row;
  }
}
tagClass(Cursor);

/** The rows of a cursor as arrays. Shares the cursor's position. */
class RawIterator extends /** @type {any} */ (Iterator) {
  #handle;
  #cursor;
  #width;

  /**
   * @param {symbol} token
   * @param {any} handle
   * @param {any} cursor
   * @param {number} width
   */
  constructor(token, handle, cursor, width) {
    super();
    requireInternal(token);
    this.#handle = handle;
    this.#cursor = cursor;
    this.#width = width;
  }

  next() {
    const values = nextValues(this.#handle, this.#cursor);
    return values === undefined ? { done: true, value: undefined } : { done: false, value: values };
  }

  toArray() {
    const values = otherValues(this.#handle, this.#cursor);
    const rows = [];
    for (let at = 0; at < values.length; at += this.#width) {
      rows.push(values.slice(at, at + this.#width));
    }
    return rows;
  }

  [Symbol.iterator]() {
    return this;
  }
}
Object.defineProperty(RawIterator.prototype, Symbol.toStringTag, {
  value: "Raw Iterator",
  configurable: true,
});

/** Present for `instanceof`; prepared statements are made by the platform itself. */
class Statement {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(Statement);

export class SqlStorage {
  #handle;

  /**
   * @param {symbol} token
   * @param {any} handle
   */
  constructor(token, handle) {
    requireInternal(token);
    this.#handle = handle;
  }

  /**
   * @param {string} query
   * @param {any[]} bindings
   */
  exec(query, ...bindings) {
    if (this === undefined) refuseReceiver();
    if (arguments.length === 0) refuseArgument("SqlStorage", "exec", 1, "String");
    const text = `${query}`;
    const cursor = op_sql_exec(this.#handle, text, ...bindings);
    return new Cursor(INTERNAL, this.#handle, cursor, text);
  }

  get databaseSize() {
    return op_sql_database_size(this.#handle);
  }

  prepare() {
    throw new Error("sql.prepare() is experimental on the platform and is not available in Stead.");
  }

  ingest() {
    throw new Error("sql.ingest() is experimental on the platform and is not available in Stead.");
  }

  get Cursor() {
    return Cursor;
  }

  get Statement() {
    return Statement;
  }
}
tagClass(SqlStorage);

/** @param {any} handle */
export function makeSql(handle) {
  return new SqlStorage(INTERNAL, handle);
}
