// @ts-check

// Errors as Node's modules throw them: with a `code`, which their stacks show and their names do not.
// https://nodejs.org/api/errors.html#nodejs-error-codes

/**
 * What a value is, in the words of Node's messages.
 * @param {any} value
 */
export function received(value) {
  if (value === null || value === undefined) return ` Received ${value}`;
  if (typeof value === "function") return ` Received function ${value.name}`;
  if (typeof value === "object") {
    if (value.constructor?.name) return ` Received an instance of ${value.constructor.name}`;
    return " Received [Object: null prototype] {}";
  }
  let shown = typeof value === "string" ? `'${value}'` : `${String(value)}${typeof value === "bigint" ? "n" : ""}`;
  if (shown.length > 28) shown = `${shown.slice(0, 25)}...`;
  return ` Received type ${typeof value} (${shown})`;
}

/**
 * An error of class `Base` with a code.
 * @param {ErrorConstructor | TypeErrorConstructor | RangeErrorConstructor} Base
 * @param {string} code
 * @param {string} message
 */
export function coded(Base, code, message) {
  const error = new Base(message);
  // The code is part of the stack's first line, and of nothing else.
  const { name } = error;
  Object.defineProperty(error, "name", { value: `${name} [${code}]`, enumerable: false, writable: true, configurable: true });
  void error.stack;
  delete (/** @type {any} */ (error)).name;
  Object.defineProperty(error, "toString", { value: () => `${error.name} [${code}]: ${error.message}`, enumerable: false, writable: true, configurable: true });
  return Object.assign(error, { code });
}

const TYPES = new Set(["string", "function", "number", "object", "boolean", "bigint", "symbol"]);

/** @param {string[]} list @param {string} word */
function oneOf(list, word) {
  if (list.length <= 2) return list.join(` ${word} `);
  return `${list.slice(0, -1).join(", ")}, ${word} ${list.at(-1)}`;
}

/**
 * @param {string} name
 * @param {string | string[]} expected types in lower case, classes in upper
 * @param {any} value
 */
export function invalidType(name, expected, value) {
  const all = Array.isArray(expected) ? expected : [expected];
  const types = all.filter((one) => TYPES.has(one));
  const classes = all.filter((one) => !TYPES.has(one));
  const parts = [];
  if (types.length > 0) parts.push(types.length === 1 ? `of type ${types[0]}` : `one of type ${oneOf(types, "or")}`);
  if (classes.length > 0) parts.push(`an instance of ${oneOf(classes, "or")}`);
  const what = name.endsWith(" argument") ? `The ${name}` : `The "${name}" ${name.includes(".") ? "property" : "argument"}`;
  return coded(TypeError, "ERR_INVALID_ARG_TYPE", `${what} must be ${parts.join(" or ")}.${received(value)}`);
}

/**
 * @param {string} name
 * @param {any} value
 * @param {string} [reason]
 */
export function invalidValue(name, value, reason = "is invalid") {
  const shown = typeof value === "string" ? `'${value}'` : String(value);
  const what = name.includes(".") ? "property" : "argument";
  return coded(TypeError, "ERR_INVALID_ARG_VALUE", `The ${what} '${name}' ${reason}. Received ${shown}`);
}

/** @param {string} name @param {string} range @param {any} value */
export function outOfRange(name, range, value) {
  let shown = String(value);
  if (typeof value === "bigint" || (Number.isInteger(value) && Math.abs(value) > 2 ** 32)) {
    shown = shown.replace(/\B(?=(\d{3})+$)/g, "_") + (typeof value === "bigint" ? "n" : "");
  }
  return coded(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${range}. Received ${shown}`);
}

/** @param {string} name */
export function unknownEncoding(name) {
  return coded(TypeError, "ERR_UNKNOWN_ENCODING", `Unknown encoding: ${name}`);
}

/** The error of what was aborted. */
export class AbortError extends Error {
  code = "ABORT_ERR";
  name = "AbortError";

  /** @param {string} [message] @param {ErrorOptions} [options] */
  constructor(message = "The operation was aborted", options) {
    super(message, options);
  }
}

/** @param {string} name @param {any} value */
export function expectFunction(name, value) {
  if (typeof value !== "function") throw invalidType(name, "function", value);
}

/** @param {string} name @param {any} value */
export function expectString(name, value) {
  if (typeof value !== "string") throw invalidType(name, "string", value);
}

/** @param {string} name @param {any} value */
export function expectNumber(name, value) {
  if (typeof value !== "number") throw invalidType(name, "number", value);
}

/** @param {string} name @param {any} value */
export function expectObject(name, value) {
  if (value === null || typeof value !== "object") throw invalidType(name, "object", value);
}

/**
 * @param {string} name
 * @param {any} value
 * @param {number} [min]
 * @param {number} [max]
 */
export function expectInteger(name, value, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== "number") throw invalidType(name, "number", value);
  if (!Number.isInteger(value)) throw outOfRange(name, "an integer", value);
  if (value < min || value > max) throw outOfRange(name, `>= ${min} && <= ${max}`, value);
}

/** @param {string} name @param {any} signal */
export function expectSignal(name, signal) {
  if (signal !== undefined && (signal === null || typeof signal !== "object" || !("aborted" in signal))) {
    throw invalidType(name, "AbortSignal", signal);
  }
}

/**
 * A function that is not there yet.
 * @param {string} name
 * @returns {(...args: any[]) => never}
 */
export function missing(name) {
  return () => {
    throw new Error(`${name} is not implemented in Stead yet.`);
  };
}

/**
 * A function or class that Node has and the platform refuses. Others may extend it.
 * @param {string} name
 * @returns {any}
 */
export function refused(name) {
  return function () {
    throw coded(Error, "ERR_METHOD_NOT_IMPLEMENTED", `The ${name} method is not implemented`);
  };
}
