// @ts-check
/// <reference path="./types.d.ts" />

// Stubs of values: functions, RpcTargets and plain objects of others, and how they are sent.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { exportValue, holdStub, letGo } from "ext:stead/exported.js";
import { isCallable, setCallables } from "ext:stead/message.js";
import { handlerOf } from "ext:stead/proxies.js";
import { currentHandle, currentRequest } from "ext:stead/record.js";
import { setIsStub } from "ext:stead/rpc.js";
import { Call, callError, isIndex, makeProperty, promiseKindOf } from "ext:stead/rpc_promise.js";
import { tagClass } from "ext:stead/scope.js";

const {
  Error,
  ObjectHasOwn,
  ObjectPrototype,
  Proxy,
  ReflectGet,
  ReflectHas,
  ReflectSet,
  SymbolDispose,
  TypeError,
} = primordials;

let { op_stub_call, op_stub_dup, op_stub_is } = core.ops;
bindOps((ops) => ({ op_stub_call, op_stub_dup, op_stub_is } = ops));

/**
 * What a stub of a value stands for; undefined for anything else.
 * @type {(value: any) => Stub | undefined}
 */
let stubOf;

/** A stub's proxy handler. */
class Stub {
  #native;
  #holder;
  #disposed = false;

  static {
    stubOf = (value) => {
      const handler = handlerOf(value);
      return handler !== null && #native in handler ? handler : undefined;
    };
  }

  /** @param {StubHandle} native */
  constructor(native) {
    this.#native = native;
    this.#holder = holdStub(native);
  }

  /**
   * @param {import("./rpc_promise.js").Path} path
   * @param {any[] | null} args
   */
  begin(path, args) {
    return new Call(this, path, args);
  }

  check() {
    if (this.#disposed) throw new Error("RPC stub used after being disposed.");
  }

  /**
   * @param {import("./rpc_promise.js").Path} path
   * @param {import("./rpc_promise.js").Arguments} args
   */
  send(path, { bytes, attachments }) {
    const { ended } = /** @type {any} */ (this.#holder);
    if (ended === true) throw new Error(OTHER_REQUEST);
    return op_stub_call(currentHandle(), currentRequest(), this.#native, path, bytes, attachments);
  }

  /** @param {any[]} answer */
  error(answer) {
    return callError(answer);
  }

  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    letGo(this.#native, this.#holder);
  }

  dup() {
    this.check();
    return op_stub_dup(this.#native);
  }

  /**
   * @param {any} _target
   * @param {any} _self
   * @param {any[]} args
   */
  apply(_target, _self, args) {
    return this.begin([], args).proxy();
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   * @param {any} self
   */
  get(target, name, self) {
    if (typeof name === "symbol" || name === "dup" || name === "then" || name in ObjectPrototype) {
      return ReflectGet(RpcStub.prototype, name, self);
    }
    if (isIndex(name)) return undefined;
    if (name !== "length" && name !== "name" && ObjectHasOwn(target, name)) return target[name];
    return makeProperty(this, name);
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   * @param {any} value
   */
  set(target, name, value) {
    return ReflectSet(target, name, value);
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  has(target, name) {
    return typeof name === "string" || ReflectHas(target, name);
  }

  getPrototypeOf() {
    return RpcStub.prototype;
  }

  /** @param {any} target */
  ownKeys(target) {
    return Reflect.ownKeys(target).filter((name) => name !== "length" && name !== "name");
  }
}

const OTHER_REQUEST =
  "Cannot perform I/O on behalf of a different request. I/O objects (such as streams, request/response bodies, and others) created in the context of one request handler cannot be accessed from a different request's handler. This is a limitation of Cloudflare Workers which allows us to improve overall performance. (I/O type: Client)";

/** @param {StubHandle} native */
export function makeStub(native) {
  const stub = new Stub(native);
  // What cannot be cloned is shown as its source: this is what shows of a stub.
  return new Proxy({ RpcStub() {} }.RpcStub, stub);
}

/** @param {any} stub */
function stateOf(stub) {
  const state = stubOf(stub);
  if (state === undefined) throw new TypeError("Illegal invocation");
  return state;
}

/** A stub: every name that is not its own is a member of the value that it stands for. */
export class RpcStub {
  /** @param {any} value */
  constructor(value) {
    if (typeof value !== "object" && typeof value !== "function" || value === null) {
      throw new TypeError(
        "Failed to construct 'JsRpcStub': constructor parameter 1 is not of type 'Object'.",
      );
    }
    if (!isCallable(value)) {
      throw new TypeError(
        "RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives.",
      );
    }
    return makeStub(exportValue(value));
  }

  /** Another stub of the same value, to be disposed of by itself. */
  dup() {
    return makeStub(stateOf(this).dup());
  }

  [SymbolDispose]() {
    stateOf(this).dispose();
  }
}
tagClass(RpcStub, "JsRpcStub");

// Calling the class is an error of its own.
const StubClass = new Proxy(RpcStub, {
  apply() {
    throw new TypeError(
      "Failed to construct 'JsRpcStub': Please use the 'new' operator, this object constructor cannot be called as a function.",
    );
  },
});
Object.defineProperty(RpcStub.prototype, "constructor", {
  value: StubClass,
  writable: true,
  configurable: true,
});
export { StubClass };

setCallables({
  kindOf: (value) => stubOf(value) !== undefined ? "stub" : promiseKindOf(value),
  host: {
    base: undefined,
    name: "stub",
    send(value, attachments) {
      const stub = stubOf(value);
      const native = stub === undefined ? exportValue(value) : stub.dup();
      return attachments.push(native) - 1;
    },
    receive(place, attachments, received) {
      if (!op_stub_is(attachments[place])) throw new TypeError("A message lacks a stub.");
      const stub = makeStub(attachments[place]);
      received?.push(stub);
      return stub;
    },
  },
});

/** Things of the platform whose members are those of something far away. @type {any[]} */
const remoteClasses = [];

/** @param {any} base */
export function addRemoteClass(base) {
  remoteClasses.push(base);
}

setIsStub((value) =>
  stubOf(value) !== undefined || promiseKindOf(value) !== undefined ||
  remoteClasses.some((base) => value instanceof base)
);
