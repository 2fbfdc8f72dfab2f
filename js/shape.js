// @ts-check
/// <reference path="./types.d.ts" />

// What the classes of the deno packages have more, or less, than the platform's.

import { standFor } from "ext:stead/stand_in.js";
import { core } from "ext:core/mod.js";
import { webCrypto } from "ext:stead/crypto.js";
import { checkOptions, refuseArgument } from "ext:stead/arguments.js";
import { unsupported } from "ext:stead/cloning.js";
import { refuseReceiver } from "ext:stead/receiver.js";
import { tag, tagClass } from "ext:stead/scope.js";

const load = core.loadExtScript;
const event = load("ext:deno_web/02_event.js");
const { CloseEvent, Event, EventTarget } = event;
const { MessagePort } = load("ext:deno_web/13_message_port.js");
const { Blob, File } = load("ext:deno_web/09_file.js");
const streams = load("ext:deno_web/06_streams.js");
const { Request } = load("ext:deno_fetch/23_request.js");
const { Response } = load("ext:deno_fetch/23_response.js");
const url = load("ext:deno_web/00_url.js");

/** @type {[{ prototype: any }, string[]][]} */
const FOREIGN = [
  [Blob, ["textStream"]],
  [Event, ["initialized"]],
  [EventTarget, ["getParent"]],
  [MessagePort, ["hasRef", "onmessageerror", "ref", "unref"]],
  [Request, ["credentials", "mode", "referrer", "referrerPolicy", "textStream"]],
  [Response, ["textStream"]],
  [webCrypto.SubtleCrypto, [
    "decapsulateBits",
    "decapsulateKey",
    "encapsulateBits",
    "encapsulateKey",
    "getPublicKey",
  ]],
];
for (const [{ prototype }, names] of FOREIGN) {
  // A class may have inherited them.
  for (const name of names) {
    const owner = Object.hasOwn(prototype, name) ? prototype : Object.getPrototypeOf(prototype);
    delete owner[name];
  }
}

// Files are not cloned on the platform, as blobs are.
delete File.prototype[core.hostObjectBrand];

/**
 * A class of the same objects that has no static members: those that deno's code calls are not
 * for everybody.
 * @param {any} base
 */
function withoutStatics(base) {
  function Plain() {
    throw new TypeError("Illegal constructor");
  }
  return standFor(Plain, base, 0);
}

tag(CloseEvent);
export const PromiseRejectionEvent = withoutStatics(event.PromiseRejectionEvent);
export const Crypto = withoutStatics(webCrypto.Crypto);
export const CryptoKey = withoutStatics(webCrypto.CryptoKey);
export const SubtleCrypto = withoutStatics(webCrypto.SubtleCrypto);

/**
 * @param {object} target
 * @param {Record<string, unknown>} members a getter becomes one
 */
function add(target, members) {
  for (const name of Object.keys(members)) {
    const descriptor = Object.getOwnPropertyDescriptor(members, name);
    Object.defineProperty(target, name, /** @type {any} */ (descriptor));
  }
}

/** @type {any} */
const readers = streams.ReadableStreamBYOBReader.prototype;
add(readers, {
  /**
   * Reads until there are `minimum` bytes, or the stream ends.
   * https://developers.cloudflare.com/workers/runtime-apis/streams/readablestreambyobreader/
   * @this {any}
   * @param {number} minimum
   * @param {any} view
   */
  async readAtLeast(minimum, view) {
    if (!(minimum > 0)) {
      throw new TypeError(`Requested invalid minimum number of bytes to read (${minimum}).`);
    }
    if (minimum > view.byteLength) {
      throw new TypeError(
        `Minimum bytes to read (${minimum}) exceeds size of buffer (${view.byteLength}).`,
      );
    }
    const min = Math.ceil(minimum / (view.BYTES_PER_ELEMENT ?? 1));
    const { done, value } = await this.read(view, { min });
    // What was left at the end is a result as well.
    return { done: done && !(value?.byteLength > 0), value };
  },
});

/** Whose requests they are. @type {WeakMap<any, any>} */
const controllers = new WeakMap();
const controllerClass = streams.ReadableByteStreamController;
const requestOf = /** @type {any} */ (
  Object.getOwnPropertyDescriptor(controllerClass.prototype, "byobRequest")
).get;
add(controllerClass.prototype, {
  get byobRequest() {
    const request = Reflect.apply(requestOf, this, []);
    if (request !== null) controllers.set(request, this);
    return request;
  },
});
add(streams.ReadableStreamBYOBRequest.prototype, {
  /** How many bytes the reader still waits for. */
  get atLeast() {
    const pending = controllers.get(this)?.[streams.kNodeWebStreamsState].pendingPullIntos;
    const wanted = Array.isArray(pending) ? pending[0] : pending?.peek();
    return wanted === undefined || wanted === null ? null : wanted.minimumFill - wanted.bytesFilled;
  },
});

add(Request.prototype, {
  get fetcher() {
    return null;
  },
});

/** @param {string} name */
function missing(name) {
  return {
    [name]() {
      throw new Error(`URL.${name}() is not implemented`);
    },
  };
}
// Objects have no URLs: nothing could load them.
const { createObjectURL } = missing("createObjectURL");
add(url.URL, {
  /** @param {any} object */
  createObjectURL(object) {
    if (!(object instanceof Blob)) refuseArgument("URL", "createObjectURL", 1, "File or Blob");
    createObjectURL();
  },
  ...missing("revokeObjectURL"),
});

const { postMessage } = MessagePort.prototype;
add(MessagePort.prototype, {
  /**
   * @this {any}
   * @param {any} message
   * @param {any} [options] nothing can be transferred
   */
  postMessage(message, options) {
    checkOptions("MessagePort", "postMessage", 2, "Array or PostMessageOptions", options);
    const list = Array.isArray(options) ? options : options?.transfer;
    if (list?.length > 0) throw new Error("Transfer list is not supported");
    try {
      postMessage.call(this, message);
    } catch (error) {
      const untransferred = /** @type {any} */ (error)?.message?.startsWith("Object that needs");
      throw untransferred ? unsupported("MessagePort") : error;
    }
  },
});

const OF_BODIES = ["arrayBuffer", "blob", "body", "bodyUsed", "bytes", "formData", "json", "text"];

/** What requests and responses have in common; both bring their own members. */
export class Body {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}
tagClass(Body);

/**
 * @param {any} message
 * @param {string} name
 */
function ownMember(message, name) {
  for (const { prototype } of [Request, Response]) {
    if (Object.prototype.isPrototypeOf.call(prototype, message)) {
      return /** @type {any} */ (Object.getOwnPropertyDescriptor(prototype, name));
    }
  }
  return refuseReceiver();
}

for (const name of OF_BODIES) {
  const { get } = /** @type {any} */ (Object.getOwnPropertyDescriptor(Request.prototype, name));
  add(
    Body.prototype,
    get === undefined
      ? {
        /** @this {any} @param {any[]} args */
        [name](...args) {
          return Reflect.apply(ownMember(this, name).value, this, args);
        },
      }
      : {
        get [name]() {
          return Reflect.apply(ownMember(this, name).get, this, []);
        },
      },
  );
}
Object.setPrototypeOf(Request.prototype, Body.prototype);
Object.setPrototypeOf(Response.prototype, Body.prototype);
