// @ts-check
/// <reference path="./types.d.ts" />

// What crosses from one object to another, as bytes and attachments: arguments, results,
// exceptions.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/#structured-clonable-types-and-more
//
// Most messages are V8's structured clone of a value and nothing else. Objects that cannot be
// bytes (bodies, sockets, whatever can be called) are attachments beside them. A head before the
// bytes describes each of them, in the order in which the bytes refer to them.
//
//     [1] [length of the head, 4 bytes] [head: [name of the class, description][]] [value]

import { core, primordials } from "ext:core/mod.js";
import { deserializeThrough, DOMException, serializeThrough } from "ext:stead/clone.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { dataCloneError, reasonAgainst, refuseCloning } from "ext:stead/cloning.js";
import { tagClass } from "ext:stead/scope.js";

const {
  ArrayIsArray,
  MapPrototypeGet,
  MapPrototypeSet,
  ObjectAssign,
  ObjectGetPrototypeOf,
  ObjectKeys,
  ObjectPrototype,
  SafeMap,
  SafeSet,
  String,
  SymbolDispose,
  TypedArrayPrototypeSet,
  TypedArrayPrototypeSubarray,
  Uint8Array,
} = primordials;
let { op_attachments_drop } = core.ops;
bindOps((ops) => ({ op_attachments_drop } = ops));

/** Bytes that arguments or a result may have. */
const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
/** The first byte of a message with a head. V8's own messages begin with 255. */
const WITH_HEAD = 1;
const LENGTH_BYTES = 4;

export class RpcTarget {}
// Only to messages it is something else.
refuseCloning(
  RpcTarget,
  () => dataCloneError("Remote RPC references can only be serialized for RPC."),
);
tagClass(RpcTarget);

/** The classes whose instances are called by their prototype's members, and do not pass. */
const entrypoints = /** @type {any[]} */ ([]);

/** @param {any} base */
export function addEntrypointClass(base) {
  entrypoints.push(base);
}

/** Whether only what classes define can be reached of a value. @param {any} value */
export function isTarget(value) {
  return value instanceof RpcTarget || entrypoints.some((base) => value instanceof base);
}

/**
 * @typedef {object} Host a class of the platform whose objects can be sent
 * @property {any} base
 * @property {string} name
 * @property {boolean} [proxy] whether its objects are proxies, which V8 does not clone
 * @property {(value: any, attachments: any[]) => any} send describes an object; what cannot be
 *   bytes goes to the list
 * @property {(description: any, attachments: any[], received: any[] | null) => any} receive makes
 *   an object as it was described; what its receiver has to dispose of goes to the list
 */

/** @type {Host[]} */
const hosts = [];

/**
 * Makes the objects of a class of the platform pass in messages.
 * @param {Host} host
 * @param {boolean} [first] whether it goes before the classes that it extends
 */
export function addHostClass(host, first = false) {
  if (first) hosts.unshift(host);
  else hosts.push(host);
}

/** How objects of a class are sent. @param {any} base @returns {Host} */
export function hostOf(base) {
  return /** @type {Host} */ (hosts.find((host) => host.base === base));
}

/**
 * What rpc_stub.js knows of things that can be called.
 * @typedef {object} Callables
 * @property {(value: any) => "stub" | "promise" | "property" | undefined} kindOf what a value is
 *   to RPC, if it is something that RPC made
 * @property {Host} host sends stubs and what becomes one
 */

/** @type {Callables} */
let callables;
/** The place of `callables.host` in a list of classes. */
const CALLABLE = -1;

/** @param {Callables} given */
export function setCallables(given) {
  callables = given;
}

/** @param {string} name */
function refuseClass(name) {
  throw dataCloneError(
    `Could not serialize object of type "${name}". This type does not support serialization.`,
  );
}

/** Stands for something that V8 does not clone: a function or a proxy. */
class Substitute {
  /** @param {number} place */
  constructor(place) {
    this.place = place;
  }
}
refuseCloning(Substitute);

/** What of a value V8 alone would lose or refuse, found before it is cloned. */
class Contents {
  /** Objects that travel as attachments. @type {any[]} */ objects = [];
  /** The class of each, in `hosts`. @type {number[]} */ classes = [];
  /** The stubs among them. @type {any[]} */ stubs = [];
  /** Whether any is a function or a proxy. */
  substitutes = false;
  /** Whether any is a proxy of the user's. */
  hasProxies = false;
  #seen = new SafeSet();
  #thorough;
  #persistent;

  /**
   * @param {boolean} thorough whether to look for proxies
   * @param {boolean} [persistent] whether what lives no longer than its code is refused
   */
  constructor(thorough, persistent = false) {
    this.#thorough = thorough;
    this.#persistent = persistent;
  }

  /**
   * Looks through a value, and refuses what would arrive as something else than it was.
   * @param {any} value
   */
  collect(value) {
    if (typeof value !== "object") {
      if (typeof value === "function") this.#collectFunction(value);
      return;
    }
    if (value === null || this.#seen.has(value)) return;
    this.#seen.add(value);
    if (this.#thorough && core.isProxy(value) && this.#collectProxy(value)) return;
    if (ArrayIsArray(value)) {
      for (let i = 0; i < value.length; i++) this.collect(value[i]);
      return;
    }
    const prototype = ObjectGetPrototypeOf(value);
    if (prototype === ObjectPrototype) {
      for (const key of ObjectKeys(value)) this.collect(value[key]);
      return;
    }
    this.#collectInstance(value);
  }

  /** @param {any} value */
  #collectInstance(value) {
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
    if (core.isNativeError(value)) return this.collect(value.cause);
    if (value instanceof RpcTarget && !this.#persistent) return this.#add(value, CALLABLE);
    for (let i = 0; i < hosts.length; i++) {
      if (hosts[i].base === undefined || !(value instanceof hosts[i].base)) continue;
      if (hosts[i].proxy === true) this.substitutes = true;
      return this.#add(value, i);
    }
    if (!isKnown(value)) throw reasonAgainst(value);
  }

  /** @param {any} value */
  #collectFunction(value) {
    if (this.#seen.has(value)) return;
    this.#seen.add(value);
    const kind = callables.kindOf(value);
    if (kind === "promise") refuseClass("RpcPromise");
    if (kind === "property") refuseClass("RpcProperty");
    for (let i = 0; i < hosts.length; i++) {
      if (hosts[i].proxy !== true || !(value instanceof hosts[i].base)) continue;
      this.substitutes = true;
      return this.#add(value, i);
    }
    if (this.#persistent) {
      if (kind === undefined) return;
      throw dataCloneError(
        "RpcStub cannot be serialized in this context because it is not a persistent stub.",
      );
    }
    this.substitutes = true;
    this.#add(value, CALLABLE);
    if (kind === "stub") this.stubs.push(value);
  }

  /**
   * A proxy passes as a stub, if what it stands for would.
   * @param {any} proxy
   */
  #collectProxy(proxy) {
    for (let i = 0; i < hosts.length; i++) {
      if (hosts[i].proxy === true && proxy instanceof hosts[i].base) return false;
    }
    if (!isCallable(proxy)) {
      throw dataCloneError(
        "Proxy could not be serialized because it is not a valid RPC receiver type. The Proxy must emulate either a plain object or an RpcTarget, as indicated by the Proxy's prototype chain.",
      );
    }
    this.substitutes = true;
    this.hasProxies = true;
    this.#add(proxy, CALLABLE);
    return true;
  }

  /**
   * @param {any} object
   * @param {number} kind
   */
  #add(object, kind) {
    this.objects.push(object);
    this.classes.push(kind);
  }
}

/** Whether a stub may stand for a value. @param {any} value */
export function isCallable(value) {
  if (typeof value === "function") return callables.kindOf(value) === undefined;
  if (typeof value !== "object" || value === null) return false;
  return value instanceof RpcTarget || ObjectGetPrototypeOf(value) === ObjectPrototype;
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
 * A copy of a value with substitutes for what V8 does not clone. Other objects stay themselves.
 * @param {any} value
 * @param {Map<any, number>} places
 * @param {Map<any, any>} copies
 * @returns {any}
 */
function substitute(value, places, copies) {
  if (typeof value !== "object" && typeof value !== "function" || value === null) return value;
  const place = MapPrototypeGet(places, value);
  if (place !== undefined) return new Substitute(place);
  if (typeof value === "function") return value;
  const done = MapPrototypeGet(copies, value);
  if (done !== undefined) return done;
  /** @type {any} */
  let copy;
  if (ArrayIsArray(value)) copy = new Array(value.length);
  else if (ObjectGetPrototypeOf(value) === ObjectPrototype) copy = {};
  else if (core.isMap(value)) copy = new Map();
  else if (core.isSet(value)) copy = new Set();
  else return value;
  MapPrototypeSet(copies, value, copy);
  if (copy instanceof Map) {
    for (const [key, item] of value) {
      copy.set(substitute(key, places, copies), substitute(item, places, copies));
    }
  } else if (copy instanceof Set) {
    for (const item of value) copy.add(substitute(item, places, copies));
  } else {
    for (const key of ObjectKeys(value)) copy[key] = substitute(value[key], places, copies);
  }
  return copy;
}

/**
 * A message: its bytes, and what travels beside them.
 * @typedef {object} Message
 * @property {Uint8Array} bytes
 * @property {any[] | null} attachments
 * @property {any[] | null} stubs the stubs that were sent; null if nothing in it can be called
 */

/**
 * Clones arguments or a result.
 * @param {any} value
 * @returns {Message}
 */
export function toMessage(value) {
  const contents = new Contents(false);
  contents.collect(value);
  try {
    return write(value, contents, undefined, null);
  } catch (error) {
    // V8 may have met a proxy. Looking for them first would cost every message.
    const thorough = new Contents(true);
    thorough.collect(value);
    if (!thorough.hasProxies) throw error;
    return write(value, thorough, undefined, null);
  }
}

/**
 * Clones what may outlive the code that made it, such as the properties of an entrypoint.
 * @param {any} value
 */
export function toPersistent(value) {
  const contents = new Contents(false, true);
  contents.collect(value);
  const { bytes, attachments } = write(value, contents, undefined, null);
  if (attachments !== null) refuseClass(contents.objects[0].constructor.name);
  return bytes;
}

/**
 * @param {any} value
 * @param {Contents} contents
 * @param {any} error an error that is to have more properties
 * @param {Record<string, any> | null} more
 * @returns {Message}
 */
function write(value, contents, error, more) {
  const { classes, objects } = contents;
  if (objects.length === 0) {
    const through = more === null ? PLAIN : { placeOf: null, objects: NOTHING, error, more };
    const bytes = serializeThrough(value, through);
    checkSize(bytes);
    return { bytes, attachments: null, stubs: null };
  }
  const places = new SafeMap(objects.map((object, place) => [object, place]));
  const content = contents.substitutes ? substitute(value, places, new SafeMap()) : value;
  const bytes = serializeThrough(content, {
    placeOf: (object) => object instanceof Substitute ? object.place : MapPrototypeGet(places, object),
    objects: NOTHING,
    error,
    more,
  });
  checkSize(bytes);
  /** @type {any[]} */
  const attachments = [];
  let callable = false;
  // Bodies are taken away from their objects last, when little can be refused any more.
  const describe = (/** @type {any} */ object, /** @type {number} */ place) => {
    const kind = classes[place];
    callable ||= kind === CALLABLE;
    const host = kind === CALLABLE ? callables.host : hosts[kind];
    callable ||= host.proxy === true;
    return [host.name, host.send(object, attachments)];
  };
  try {
    return {
      bytes: join(serializeThrough(objects.map(describe), PLAIN), bytes),
      attachments: attachments.length > 0 ? attachments : null,
      stubs: callable ? contents.stubs : null,
    };
  } catch (error) {
    op_attachments_drop(attachments);
    throw error;
  }
}

/** Lets go of what a message holds that will not be sent. @param {any[] | null} attachments */
export function dropAttachments(attachments) {
  if (attachments !== null) op_attachments_drop(attachments);
}

/** @type {any[]} */
const NOTHING = [];
/** @type {import("./clone.js").Passage} */
const PLAIN = { placeOf: null, objects: NOTHING, error: undefined, more: null };

/** @param {Uint8Array} bytes */
function checkSize(bytes) {
  if (bytes.length > MESSAGE_BYTES_MAX) {
    throw new Error(
      `Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ${bytes.length} bytes.`,
    );
  }
}

/**
 * @param {Uint8Array} head
 * @param {Uint8Array} bytes
 */
function join(head, bytes) {
  const whole = new Uint8Array(1 + LENGTH_BYTES + head.length + bytes.length);
  whole[0] = WITH_HEAD;
  new DataView(whole.buffer).setUint32(1, head.length, true);
  TypedArrayPrototypeSet(whole, head, 1 + LENGTH_BYTES);
  TypedArrayPrototypeSet(whole, bytes, 1 + LENGTH_BYTES + head.length);
  return whole;
}

/**
 * The value of a message. If it cannot be read, nothing of it is held any more.
 * @param {Uint8Array} bytes
 * @param {any[] | null} attachments
 * @param {any[] | null} [received] takes the stubs among it
 * @returns {any}
 */
export function fromMessage(bytes, attachments, received = null) {
  const before = received?.length ?? 0;
  try {
    return read(bytes, attachments, received);
  } catch (error) {
    if (received !== null) {
      for (let i = before; i < received.length; i++) received[i][SymbolDispose]();
      received.length = before;
    }
    dropAttachments(attachments);
    throw error;
  }
}

/**
 * @param {Uint8Array} bytes
 * @param {any[] | null} attachments
 * @param {any[] | null} received
 */
function read(bytes, attachments, received) {
  if (bytes[0] !== WITH_HEAD) return deserializeThrough(bytes, NOTHING);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = 1 + LENGTH_BYTES + view.getUint32(1, true);
  const head = TypedArrayPrototypeSubarray(bytes, 1 + LENGTH_BYTES, start);
  const objects = deserializeThrough(head, NOTHING).map((/** @type {[string, any]} */ [name, description]) => {
    const host = name === callables.host.name
      ? callables.host
      : hosts.find((one) => one.name === name);
    if (host === undefined) throw new TypeError(`A message holds an object of an unknown kind.`);
    return host.receive(description, attachments ?? NOTHING, received);
  });
  return deserializeThrough(TypedArrayPrototypeSubarray(bytes, start), objects);
}

/**
 * Clones what was thrown. What cannot be cloned is left out, down to an Error with its text.
 * @param {any} thrown
 * @param {string | null} [objectId] the object whose code threw it
 * @returns {Uint8Array}
 */
export function serializeThrown(thrown, objectId = null) {
  const more = objectId === null ? null : { durableObjectId: objectId };
  try {
    if (typeof thrown === "object" && thrown !== null) return writeThrown(thrown, more);
  } catch {
    // Told without its properties.
  }
  let text = "the thrown value has no text";
  try {
    text = String(thrown?.message ?? thrown);
  } catch {
    // Its conversion throws too.
  }
  const error = core.isNativeError(thrown) ? bare(thrown, text) : new Error(text);
  const its = core.isNativeError(thrown) ? more : null;
  return serializeThrough(error, { placeOf: null, objects: NOTHING, error, more: its });
}

/**
 * An error of the same class, with nothing else.
 * @param {any} thrown
 * @param {string} text
 */
function bare(thrown, text) {
  const error = new Error(text);
  try {
    const name = String(thrown.name);
    Object.defineProperty(error, "name", { value: name, configurable: true });
    Object.defineProperty(error, "stack", { value: String(thrown.stack), configurable: true });
  } catch {
    // Its getters throw.
  }
  return error;
}

/**
 * @param {any} thrown
 * @param {Record<string, any> | null} more
 */
function writeThrown(thrown, more) {
  const contents = new Contents(false);
  let value = thrown;
  if (!core.isNativeError(value) && !(value instanceof DOMException)) {
    value = ObjectAssign(ArrayIsArray(thrown) ? [] : {}, thrown, more);
  }
  contents.collect(value);
  if (contents.objects.length > 0) refuseClass("object");
  return write(value, contents, value, more).bytes;
}

/**
 * What was thrown.
 * @param {Uint8Array} bytes
 */
export function deserializeThrown(bytes) {
  return fromMessage(bytes, null);
}

