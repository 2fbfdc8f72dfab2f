// @ts-check
/// <reference path="./types.d.ts" />

// What crosses from one object to another, as bytes and bodies: arguments, results, exceptions.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/#structured-clonable-types-and-more
//
// Most messages are V8's structured clone of a value and nothing else. What V8 does not know
// goes into a head before it: classes of the platform whose bodies travel beside the bytes, and
// the names and own properties of errors.
//
//     [1] [length of the head, 4 bytes] [head: { hosts, details }] [value]

import { core, primordials } from "ext:core/mod.js";
import { tagClass } from "ext:stead/scope.js";

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const {
  AggregateErrorPrototype,
  ArrayIsArray,
  MapPrototypeGet,
  ObjectAssign,
  ObjectDefineProperty,
  ObjectGetOwnPropertyDescriptor,
  ObjectGetPrototypeOf,
  ObjectKeys,
  ObjectPrototype,
  ObjectSetPrototypeOf,
  SafeMap,
  SafeSet,
  String,
  TypedArrayPrototypeSet,
  TypedArrayPrototypeSubarray,
  Uint8Array,
} = primordials;

/** Bytes that arguments or a result may have. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** The first byte of a message with a head. V8's own messages begin with 255. */
const WITH_HEAD = 1;
const LENGTH_BYTES = 4;
/** The names for which V8 makes an error of the class of that name. */
const KNOWN_ERRORS = new SafeSet([
  "Error",
  "EvalError",
  "RangeError",
  "ReferenceError",
  "SyntaxError",
  "TypeError",
  "URIError",
]);

export class RpcTarget {}
tagClass(RpcTarget);

/** The classes whose instances are called over RPC by their prototype's members. */
const targets = [RpcTarget];

/** @param {any} base */
export function addTargetClass(base) {
  targets.push(base);
}

/** @param {any} value */
export function isTarget(value) {
  return targets.some((base) => value instanceof base);
}

/**
 * @typedef {object} Host a class of the platform whose objects can be sent
 * @property {any} base
 * @property {string} name
 * @property {(value: any, bodies: any[]) => any} send describes an object; its bodies go to the list
 * @property {(description: any, bodies: any[]) => any} receive makes an object as it was described
 */

/** @type {Host[]} */
const hosts = [];

/** The objects of the message that is being written, with their positions. @type {any} */
let writing = null;

/**
 * Makes the objects of a class of the platform pass in messages.
 * @param {Host} host
 * @param {boolean} known whether V8 knows already that its objects are not plain
 */
export function addHostClass(host, known = false) {
  hosts.push(host);
  if (known) return;
  ObjectDefineProperty(host.base.prototype, core.hostObjectBrand, {
    __proto__: null,
    value: function () {
      const index = writing === null ? undefined : MapPrototypeGet(writing, this);
      if (index === undefined) refuseClass(host.name);
      return { type: "host", index };
    },
    configurable: true,
  });
}

/** @param {string} message */
function refuse(message) {
  throw new DOMException(message, "DataCloneError");
}

/** @param {string} name */
function refuseClass(name) {
  refuse(`Could not serialize object of type "${name}". This type does not support serialization.`);
}

/** What of a value V8 alone would lose, found before it is cloned. */
class Extras {
  /** @type {any[]} */ objects = [];
  /** The class of each object. @type {number[]} */ classes = [];
  /** Errors with what V8 does not clone of them. @type {[any, any][]} */ errors = [];
  #seen = new SafeSet();

  /**
   * Looks through a value, and refuses what would arrive as something else than it was.
   * @param {any} value
   */
  collect(value) {
    if (typeof value === "function") refuseStub();
    if (typeof value !== "object" || value === null) return;
    if (this.#seen.has(value)) return;
    this.#seen.add(value);
    if (ArrayIsArray(value)) {
      for (let i = 0; i < value.length; i++) this.collect(value[i]);
      return;
    }
    const prototype = ObjectGetPrototypeOf(value);
    if (prototype === ObjectPrototype) {
      for (const key of ObjectKeys(value)) this.collect(value[key]);
      return;
    }
    if (core.isMap(value)) {
      for (const [key, item] of value) {
        this.collect(key);
        this.collect(item);
      }
      return;
    }
    if (core.isSet(value)) {
      for (const item of value) this.collect(item);
      return;
    }
    if (value instanceof DOMException) return;
    if (core.isNativeError(value)) return this.collectError(value, undefined);
    if (isTarget(value)) refuseStub();
    for (let i = 0; i < hosts.length; i++) {
      if (value instanceof hosts[i].base) {
        this.objects.push(value);
        this.classes.push(i);
        return;
      }
    }
    if (!isKnown(value)) refuseClass(prototype?.constructor?.name ?? "Object");
  }

  /**
   * @param {any} error
   * @param {Record<string, any> | undefined} more further properties for it
   */
  collectError(error, more) {
    /** @type {Record<string, any>} */
    const details = {};
    const name = String(error.name);
    if (!KNOWN_ERRORS.has(name)) details.name = name;
    for (const key of ObjectKeys(error)) {
      if (key !== "name" && key !== "message" && key !== "stack" && key !== "cause") {
        details[key] = error[key];
      }
    }
    if (name === "AggregateError") details.errors = error.errors;
    ObjectAssign(details, more);
    for (const key of ObjectKeys(details)) this.collect(details[key]);
    this.collect(error.cause);
    if (ObjectKeys(details).length > 0) this.errors.push([error, details]);
  }
}

/** @returns {never} */
function refuseStub() {
  throw new DOMException(
    "Functions, RpcTargets and stubs cannot be passed over RPC in Stead yet.",
    "DataCloneError",
  );
}

/**
 * Whether V8 clones or refuses a value of this kind itself, whatever its class says.
 * @param {any} value
 */
function isKnown(value) {
  return ArrayBuffer.isView(value) || core.isAnyArrayBuffer(value) || core.isDate(value) ||
    core.isRegExp(value) || core.isBoxedPrimitive(value) || core.isPromise(value) ||
    core.isWeakMap(value) || core.isWeakSet(value) || core.isGeneratorObject(value) ||
    core.isMapIterator(value) || core.isSetIterator(value) || core.isArgumentsObject(value) ||
    core.isProxy(value);
}

/**
 * A message: its bytes, and the bodies that travel beside them.
 * @typedef {{ bytes: Uint8Array, bodies: any[] | null }} Message
 */

/**
 * Clones arguments or a result.
 * @param {any} value
 * @returns {Message}
 */
export function toMessage(value) {
  const extras = new Extras();
  extras.collect(value);
  const message = write(value, extras);
  if (message.bytes.length > MESSAGE_BYTES_MAX) {
    throw new Error(
      `Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ${message.bytes.length} bytes.`,
    );
  }
  return message;
}

/**
 * @param {any} value
 * @param {Extras} extras
 * @returns {Message}
 */
function write(value, extras) {
  const { classes, errors, objects } = extras;
  if (objects.length === 0 && errors.length === 0) {
    return { bytes: core.serialize(value, undefined, refuse), bodies: null };
  }
  let bytes;
  writing = new SafeMap(objects.map((object, index) => [object, index]));
  try {
    const content = errors.length > 0 ? { value, errors } : value;
    bytes = core.serialize(content, { hostObjects: objects }, refuse);
  } finally {
    writing = null;
  }
  /** @type {any[]} */
  const bodies = [];
  // Bodies are taken away from their objects last, when nothing can be refused any more.
  const described = objects.map((object, index) => {
    return [hosts[classes[index]].name, hosts[classes[index]].send(object, bodies)];
  });
  const head = core.serialize({ hosts: described, details: errors.length > 0 });
  const whole = new Uint8Array(1 + LENGTH_BYTES + head.length + bytes.length);
  whole[0] = WITH_HEAD;
  new DataView(whole.buffer).setUint32(1, head.length, true);
  TypedArrayPrototypeSet(whole, head, 1 + LENGTH_BYTES);
  TypedArrayPrototypeSet(whole, bytes, 1 + LENGTH_BYTES + head.length);
  return { bytes: whole, bodies: bodies.length > 0 ? bodies : null };
}

/**
 * The value of a message.
 * @param {Uint8Array} bytes
 * @param {any[] | null} bodies
 * @returns {any}
 */
export function fromMessage(bytes, bodies) {
  if (bytes[0] !== WITH_HEAD) {
    return core.deserialize(bytes, { deserializers: core.getCloneableDeserializers() });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 1 + LENGTH_BYTES + view.getUint32(1, true);
  const head = core.deserialize(TypedArrayPrototypeSubarray(bytes, 1 + LENGTH_BYTES, start));
  const objects = head.hosts.map((/** @type {[string, any]} */ [name, description]) => {
    const host = /** @type {Host} */ (hosts.find((one) => one.name === name));
    return host.receive(description, bodies ?? []);
  });
  const content = core.deserialize(TypedArrayPrototypeSubarray(bytes, start), {
    hostObjects: objects,
    deserializers: {
      __proto__: null,
      DOMException: /** @type {any} */ (core.getCloneableDeserializers()).DOMException,
      host: (/** @type {{ index: number }} */ { index }) => objects[index],
    },
  });
  if (!head.details) return content;
  for (const [error, details] of content.errors) complete(error, details);
  return content.value;
}

/**
 * Gives an error what V8 did not clone of it.
 * @param {any} error
 * @param {any} details
 */
function complete(error, details) {
  if (details.name === "AggregateError") {
    ObjectSetPrototypeOf(error, AggregateErrorPrototype);
    delete details.name;
  }
  for (const key of ObjectKeys(details)) {
    const { value } = /** @type {any} */ (ObjectGetOwnPropertyDescriptor(details, key));
    ObjectDefineProperty(error, key, {
      __proto__: null,
      value,
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

/**
 * Clones what was thrown. What cannot be cloned is left out, down to an Error with its text.
 * @param {any} thrown
 * @param {string | null} [objectId] the object whose method threw it
 * @returns {Uint8Array}
 */
export function serializeThrown(thrown, objectId = null) {
  const more = objectId === null ? undefined : { durableObjectId: objectId };
  try {
    if (typeof thrown === "object" && thrown !== null) return writeThrown(thrown, more);
  } catch {
    // Told without its properties.
    try {
      if (core.isNativeError(thrown)) return core.serialize(thrown);
    } catch {
      // Not even its cause can be cloned.
    }
  }
  let text = "the thrown value has no text";
  try {
    text = String(thrown?.message ?? thrown);
  } catch {
    // Its conversion throws too.
  }
  return core.serialize(new Error(text));
}

/**
 * @param {any} thrown
 * @param {Record<string, any> | undefined} more
 */
function writeThrown(thrown, more) {
  const extras = new Extras();
  let value = thrown;
  if (value instanceof DOMException) {
    return write(value, extras).bytes;
  }
  if (core.isNativeError(value)) {
    extras.collectError(value, more);
  } else {
    value = ObjectAssign(ArrayIsArray(thrown) ? [] : {}, thrown, more);
    extras.collect(value);
  }
  if (extras.objects.length > 0) refuseClass("object");
  return write(value, extras).bytes;
}

/**
 * What was thrown.
 * @param {Uint8Array} bytes
 */
export function deserializeThrown(bytes) {
  return fromMessage(bytes, null);
}
