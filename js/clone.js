// @ts-check
/// <reference path="./types.d.ts" />

// Values as bytes: V8's structured clone, which the platform uses for storage and between objects.

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { dataCloneError, reasonAgainst } from "ext:stead/cloning.js";
import { bindOps } from "ext:stead/fast_ops.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { Blob, File, getParts } = core.loadExtScript("ext:deno_web/09_file.js");

let { op_blob_bytes, op_clone_read, op_clone_setup, op_clone_write } = core.ops;
bindOps((ops) => ({ op_blob_bytes, op_clone_read, op_clone_setup, op_clone_write } = ops));

/** What deno_core says of objects that can only be transferred: streams and ports. */
const TRANSFERABLE = "Unsupported object type";
/** The tags of clone.rs. */
const TAG_DOM_EXCEPTION_V1 = 7;
const TAG_DOM_EXCEPTION = 8;
const TAG_ERROR = 10;
const TAG_HOST = 0xffff;
const TAG_BLOB = 15;

/** The language's own errors by their number in stored values; 0 is any other. */
const ERRORS = new Map(/** @type {[number, any][]} */ ([
  [1, Error],
  [2, TypeError],
  [3, RangeError],
  [4, ReferenceError],
  [5, SyntaxError],
  [10, EvalError],
  [11, URIError],
  [12, AggregateError],
]));
const KINDS = new Map([...ERRORS].map(([kind, constructor]) => [constructor.name, kind]));
const KIND_OTHER = 0;

/**
 * @param {string} message
 * @returns {never}
 */
function refuse(message) {
  throw dataCloneError(ofStubs(message, "RpcStub cannot be serialized in this context."));
}

/**
 * Stubs are proxies, of which V8 knows only what they look like.
 * @param {string} message what V8 says
 * @param {string} ofOthers what is said of stubs of targets and functions
 */
function ofStubs(message, ofOthers) {
  if (message === "#<StubConstructor> could not be cloned.") {
    return "ServiceStub cannot be serialized in this context.";
  }
  return message === "RpcStub() {} could not be cloned." ? ofOthers : message;
}

/**
 * @typedef {object} StoredClass a class of the platform whose objects can be stored
 * @property {number} tag its number in clone.rs
 * @property {any} base
 * @property {(object: any) => any[]} describe the parts of an object: numbers, texts, bytes and,
 *     each in an array of its own, values
 * @property {(parts: any[]) => any} make makes an object of what clone.rs read
 */

/** @type {StoredClass[]} */
const storedClasses = [];

/**
 * Makes the objects of a class storable.
 * @param {StoredClass} stored
 */
export function addStoredClass(stored) {
  storedClasses.push(stored);
}

addStoredClass({
  tag: TAG_BLOB,
  base: Blob,
  describe(blob) {
    // The platform stores blobs, but no files.
    if (blob instanceof File) throw reasonAgainst(blob);
    return [blob.type, op_blob_bytes(getParts(blob))];
  },
  make: ([type, bytes]) => new Blob([bytes], { type }),
});
/**
 * What is written or read at the moment, if it is a message.
 * @typedef {object} Passage
 * @property {((object: any) => number | undefined) | null} placeOf the place of an object that
 *   travels beside the bytes
 * @property {any[]} objects those objects, when the message is read
 * @property {any} error an error that is sent with further properties
 * @property {Record<string, any> | null} more the further properties
 */

/** @type {Passage | null} */
let passage = null;

/**
 * Takes an object apart that V8 cannot clone by itself.
 * @param {any} object
 */
function describe(object) {
  if (object instanceof DOMException) {
    return [TAG_DOM_EXCEPTION, object.name, object.message, object.stack ?? ""];
  }
  if (!core.isNativeError(object)) {
    const passed = passage?.placeOf?.(object);
    if (passed !== undefined) return [TAG_HOST, passed];
    const stored = passage === null
      ? storedClasses.find(({ base }) => object instanceof base)
      : undefined;
    if (stored === undefined) throw reasonAgainst(object);
    return [stored.tag, ...stored.describe(object)];
  }
  const name = `${object.name}`;
  const kind = KINDS.get(name) ?? KIND_OTHER;
  if (passage !== null && !isOn("enhanced_error_serialization")) {
    // The name of a class of the user's is part of the text, and nothing else is sent.
    const message = kind === KIND_OTHER ? `${name}: ${object.message}` : object.message;
    const sentAs = kind === KIND_OTHER ? KINDS.get("Error") : kind;
    return [TAG_ERROR, sentAs, [message], [{ stack: object.stack }]];
  }
  /** @type {Record<string, any>} */
  const properties = {};
  for (const key of Object.getOwnPropertyNames(object)) {
    const value = object[key];
    if (key === "name" || key === "message" || typeof value === "function") continue;
    properties[key] = value;
  }
  if (passage !== null && passage.error === object) Object.assign(properties, passage.more);
  const described = [[object.message], [properties]];
  return [TAG_ERROR, kind, ...(kind === KIND_OTHER ? [[name], ...described] : described)];
}

/**
 * Makes the object that `describe` took apart.
 * @param {any[]} parts
 */
function make([tag, ...parts]) {
  if (tag === TAG_DOM_EXCEPTION || tag === TAG_DOM_EXCEPTION_V1) {
    const [name, message, stack] = parts;
    const exception = new DOMException(message, name);
    if (stack) define(exception, "stack", stack, false);
    return exception;
  }
  if (tag === TAG_HOST && passage !== null && parts[0] in passage.objects) {
    return passage.objects[parts[0]];
  }
  const stored = storedClasses.find((candidate) => candidate.tag === tag);
  if (stored !== undefined) return stored.make(parts);
  if (tag !== TAG_ERROR) {
    refuse(`A stored value holds an object of a kind (${tag}) that Stead cannot read yet.`);
  }
  const [kind, name, message, properties] = parts;
  const constructor = ERRORS.get(kind) ?? Error;
  const error = constructor === AggregateError
    ? new AggregateError(properties.errors ?? [], message)
    : new constructor(message);
  if (kind === KIND_OTHER) define(error, "name", name, true);
  for (const key of Object.keys(properties)) {
    const hidden = key === "stack" || key === "cause" || key === "errors";
    define(error, key, properties[key], !hidden);
  }
  return error;
}

/**
 * @param {object} object
 * @param {string} key
 * @param {unknown} value
 * @param {boolean} enumerable
 */
function define(object, key, value, enumerable) {
  Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true });
}

/** Called once per runtime: functions given to Rust cannot be in a snapshot. */
export function startClone() {
  op_clone_setup(describe, make, refuse, core.hostObjectBrand);
}

/**
 * @param {unknown} value
 * @returns {Uint8Array}
 */
export function serialize(value) {
  return op_clone_write(value);
}

/**
 * @param {Uint8Array} bytes
 * @returns {any}
 */
export function deserialize(bytes) {
  return op_clone_read(bytes);
}

/**
 * The bytes of a message.
 * @param {unknown} value
 * @param {Passage} through
 * @returns {Uint8Array}
 */
export function serializeThrough(value, through) {
  const before = passage;
  passage = through;
  try {
    return op_clone_write(value);
  } finally {
    passage = before;
  }
}

/**
 * The value of a message that has objects beside its bytes.
 * @param {Uint8Array} bytes
 * @param {any[]} objects
 */
export function deserializeThrough(bytes, objects) {
  const before = passage;
  passage = { placeOf: null, objects, error: undefined, more: null };
  try {
    return op_clone_read(bytes);
  } finally {
    passage = before;
  }
}

/**
 * A copy for the same isolate, which may share memory with the original.
 * @template T
 * @param {T} value
 * @returns {T}
 */
export function copy(value) {
  const bytes = core.serialize(value, {}, (message) => {
    // Says which object it is.
    if (message === TRANSFERABLE) serialize(value);
    refuse(ofStubs(message, "#<RpcStub> could not be cloned."));
  });
  return core.deserialize(bytes, { deserializers: core.getCloneableDeserializers() });
}

export { DOMException };
