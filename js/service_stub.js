// @ts-check
/// <reference path="./types.d.ts" />

// Stubs of what has a name: objects, and entrypoints of workers. They answer requests, and all
// names but a few are methods of what they lead to.
// https://developers.cloudflare.com/workers/runtime-apis/bindings/service-bindings/rpc/

import { core, primordials } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { connectTo } from "ext:stead/connect.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { fetchFollowing } from "ext:stead/redirects.js";
import { addHostClass, deserializeThrown, fromMessage, toPersistent } from "ext:stead/message.js";
import { handlerOf } from "ext:stead/proxies.js";
import { currentHandle, currentRequest, resumeAfter } from "ext:stead/record.js";
import {
  Call,
  callError,
  failureOf,
  isIndex,
  makeProperty,
  THROWN,
} from "ext:stead/rpc_promise.js";
import { addRemoteClass } from "ext:stead/rpc_stub.js";
import { tagClass } from "ext:stead/scope.js";

const { ObjectHasOwn, ObjectPrototype, Proxy, ReflectGet, ReflectHas, TypeError } = primordials;

let {
  op_callee_entrypoint,
  op_callee_object,
  op_stub_call,
  op_stub_fetch,
  op_stub_fetch_answer,
} = core.ops;
bindOps((ops) =>
  ({
    op_callee_entrypoint,
    op_callee_object,
    op_stub_call,
    op_stub_fetch,
    op_stub_fetch_answer,
  } = ops)
);

/** Bytes up to which a name travels with its id. */
const NAME_BYTES_MAX = 1024;
/** The path under which an entrypoint's `scheduled()` and `queue()` are run as handlers. */
export const HANDLER_PATH = "\u0000handler";

/** @param {string | undefined} name @returns {name is string} */
function travels(name) {
  if (name === undefined) return false;
  // No character has more than three bytes.
  return name.length * 3 <= NAME_BYTES_MAX || core.encode(name).length <= NAME_BYTES_MAX;
}

/** What a stub leads to. */
export class Target {
  /** @type {StubHandle | null} */ #native = null;

  /** @returns {StubHandle} */
  open() {
    throw new TypeError("not a target");
  }

  get native() {
    return this.#native ??= this.open();
  }

  check() {}

  /**
   * @param {import("./rpc_promise.js").Path} path
   * @param {any[] | null} args
   */
  begin(path, args) {
    return new Call(this, path, args);
  }

  /**
   * @param {import("./rpc_promise.js").Path} path
   * @param {import("./rpc_promise.js").Arguments} args
   */
  send(path, { bytes, attachments }) {
    this.check();
    return op_stub_call(currentHandle(), currentRequest(), this.native, path, bytes, attachments);
  }

  /** @param {any[]} answer */
  error(answer) {
    return callError(answer);
  }

  /** What it is when its stub is passed on. @returns {any[]} */
  describe() {
    throw new TypeError("not a target");
  }

  /** @param {any[]} answer */
  fetchError(answer) {
    const error = this.error(answer);
    error.remote = true;
    return error;
  }

  /**
   * @param {any} input
   * @param {any} [init]
   */
  fetch(input, init) {
    return fetchFollowing(input, init, this);
  }

  /**
   * Sends one request; the answer is the parts of a response, or an error for `fetchError()`.
   * @param {import("./redirects.js").Sent} sent
   */
  exchange({ method, url, headers, body, cf }) {
    this.check();
    const calling = op_stub_fetch(currentHandle(), currentRequest(), this.native, method, url, headers, body, cf);
    return resumeAfter(op_stub_fetch_answer(calling));
  }
}

/** An object. A stub of one that was reset stays broken. */
export class ObjectTarget extends Target {
  /** What every call after the object's reset is told. @type {any[] | null} */ #broken = null;

  /**
   * @param {number} namespace
   * @param {string} id
   * @param {string | undefined} name
   */
  constructor(namespace, id, name) {
    super();
    this.namespace = namespace;
    this.id = id;
    this.name = name;
  }

  open() {
    const { name } = this;
    return op_callee_object(this.namespace, this.id, travels(name) ? name : null);
  }

  check() {
    if (this.#broken !== null) throw failureOf(this.#broken);
  }

  /** @param {any[]} answer */
  error(answer) {
    if (answer[0] === THROWN) {
      const thrown = deserializeThrown(answer[1]);
      thrown.remote = true;
      return thrown;
    }
    const reset = answer[2];
    if (reset) this.#broken = answer;
    const error = failureOf(answer);
    if (!reset) error.remote = true;
    return error;
  }

  /**
   * @param {any} input
   * @param {any} [init]
   */
  fetch(input, init) {
    const isRelative = typeof input === "string" && !isOn("durable_object_fetch_requires_full_url");
    return isRelative ? this.#fetchRelative(input, init) : super.fetch(input, init);
  }

  /**
   * @param {string} input
   * @param {any} init
   */
  async #fetchRelative(input, init) {
    return await super.fetch(new URL(input, "https://fake-host/").href, init);
  }

  describe() {
    return ["object", this.namespace, this.id, this.name];
  }
}

/** An entrypoint of a worker. Each call and request has an instance of its own. */
export class EntrypointTarget extends Target {
  /**
   * @param {number} worker
   * @param {string} name
   * @param {Uint8Array | null} props
   */
  constructor(worker, name, props) {
    super();
    this.worker = worker;
    this.name = name;
    this.props = props;
  }

  open() {
    return op_callee_entrypoint(this.worker, this.name, this.props);
  }

  describe() {
    return ["entrypoint", this.worker, this.name, this.props];
  }
}

/** Tells our own calls of constructors from those of user code. */
export const INTERNAL = Symbol("internal");

/** @param {unknown} token */
export function requireInternal(token) {
  if (token !== INTERNAL) throw new TypeError("Illegal constructor");
}

export class ServiceStub {
  /** @param {symbol} [token] */
  constructor(token) {
    requireInternal(token);
  }
}
tagClass(ServiceStub, "Fetcher");

/** What a stub leads to; undefined for anything else. @type {(stub: any) => Target | undefined} */
let calleeOf;

const NO_REQUEST = "Failed to execute 'fetch' on 'Fetcher': parameter 1 is not of type 'Request or string'.";

/** A stub's proxy handler: every name that is not its own is a method of what it leads to. */
export class StubHandler {
  static {
    calleeOf = (stub) => {
      const handler = handlerOf(stub);
      return handler !== null && #fetch in handler ? handler.callee : undefined;
    };
  }

  /** @param {Target} target */
  constructor(target) {
    this.callee = target;
  }

  /** The function `fetch` of the stub, made when it is first asked for. */
  #fetch = (/** @type {any[]} */ ...args) =>
    args.length === 0
      ? Promise.reject(new TypeError(NO_REQUEST))
      : this.callee.fetch(.../** @type {[any, any]} */ (args));

  #connect = (/** @type {any[]} */ ...args) => connectTo(this.callee, args);

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  has(target, name) {
    return typeof name === "string" || ReflectHas(target, name);
  }

  /**
   * @param {any} target
   * @param {string | symbol} name
   */
  get(target, name) {
    if (typeof name === "symbol" || ObjectHasOwn(target, name)) return ReflectGet(target, name);
    return this.member(target, name);
  }

  /**
   * JSON.stringify() calls a stub's `toJSON` with one text. That is no call of the callee's.
   * @param {any} target
   */
  #toJson(target) {
    const method = makeProperty(this.callee, "toJSON");
    return (/** @type {any[]} */ ...args) =>
      args.length === 1 && typeof args[0] === "string" ? { ...target } : method(...args);
  }

  /**
   * @param {any} target
   * @param {string} name
   */
  member(target, name) {
    if (name === "fetch") return this.#fetch;
    if (name === "connect") return this.#connect;
    if (!isOn("fetcher_no_get_put_delete") && ObjectHasOwn(HELPERS, name)) {
      return (/** @type {any[]} */ ...args) => HELPERS[name](this.callee, args);
    }
    if (!isOn("rpc")) return undefined;
    // A stub is not a promise, and Object.prototype's members are not those of its callee.
    if (name === "then" || name in ObjectPrototype) return ReflectGet(target, name);
    if (isIndex(name)) return undefined;
    if (name === "toJSON") return this.#toJson(target);
    if (name === "scheduled" || name === "queue") {
      const isHandler = isOn("service_binding_extra_handlers");
      if (isHandler) return makeProperty(this.callee, [HANDLER_PATH, name]);
    }
    return makeProperty(this.callee, name);
  }
}

/**
 * The methods that stubs had before they had those of their callees.
 * @type {Record<string, (callee: Target, args: any[]) => Promise<any>>}
 */
const HELPERS = {
  async get(callee, args) {
    if (args.length === 0) refuseUrl("get");
    const type = args[1] === undefined ? "text" : `${args[1]}`;
    const response = await callee.fetch(`${args[0]}`, { method: "GET" });
    if (response.status === 404 || response.status === 410) return null;
    checkStatus("GET", response);
    if (type === "text") return await response.text();
    if (type === "json") return await response.json();
    if (type === "arrayBuffer") return await response.arrayBuffer();
    if (type === "stream") return response.body;
    throw new TypeError(
      'Unknown response type. Possible types are "text", "arrayBuffer", "json", and "stream".',
    );
  },

  async put(callee, args) {
    if (args.length === 0) refuseUrl("put");
    checkStatus("PUT", await callee.fetch(`${args[0]}`, { method: "PUT", body: args[1] }));
  },

  async delete(callee, args) {
    if (args.length === 0) refuseUrl("delete");
    checkStatus("DELETE", await callee.fetch(`${args[0]}`, { method: "DELETE" }));
  },
};

/**
 * @param {string} method
 * @returns {never}
 */
function refuseUrl(method) {
  throw new TypeError(
    `Failed to execute '${method}' on 'Fetcher': parameter 1 is not of type 'string'.`,
  );
}

/**
 * @param {string} method
 * @param {any} response
 */
function checkStatus(method, { ok, status, statusText }) {
  if (!ok) throw new Error(`HTTP ${method} request failed: ${status} ${statusText}`);
}

/** @param {ObjectTarget | EntrypointTarget} target */
export function makeServiceStub(target) {
  return new Proxy(new ServiceStub(INTERNAL), new StubHandler(target));
}

addRemoteClass(ServiceStub);
addHostClass({
  base: ServiceStub,
  name: "ServiceStub",
  proxy: true,
  send: (stub) => targetOf(stub).describe(),
  receive([kind, ...parts]) {
    return makeServiceStub(
      kind === "object"
        ? new ObjectTarget(.../** @type {[number, string, string | undefined]} */ (parts))
        : new EntrypointTarget(.../** @type {[number, string, Uint8Array | null]} */ (parts)),
    );
  },
});

/** @param {any} stub */
function targetOf(stub) {
  const target = /** @type {any} */ (calleeOf(stub));
  if (target === undefined) throw new TypeError("Illegal invocation");
  return target;
}

/** A class of objects that others may start with properties of their own. */
export class DurableObjectClass {
  #worker;
  #name;
  #props;

  /**
   * @param {symbol} token
   * @param {number} worker the number of the worker that has the class
   * @param {string} name the exported name
   * @param {Uint8Array | null} props
   */
  constructor(token, worker, name, props) {
    requireInternal(token);
    this.#worker = worker;
    this.#name = name;
    this.#props = props;
  }

  /**
   * The worker that has a class, the name under which it exports that, and its properties.
   * @param {any} value
   * @returns {{ worker: number, name: string, props: Uint8Array | null } | undefined}
   */
  static partsOf(value) {
    if (typeof value !== "object" || value === null || !(#name in value)) return undefined;
    return { worker: value.#worker, name: value.#name, props: value.#props };
  }
}
const { partsOf } = DurableObjectClass;
delete (/** @type {any} */ (DurableObjectClass)).partsOf;
export { partsOf as classParts };
tagClass(DurableObjectClass);

addHostClass({
  base: DurableObjectClass,
  name: "DurableObjectClass",
  send: (value) => partsOf(value),
  receive: ({ worker, name, props }) => new DurableObjectClass(INTERNAL, worker, name, props),
});

/**
 * The properties in the options with which something of `ctx.exports` is called.
 * @param {string} owner
 * @param {any} options
 */
export function propsOf(owner, options) {
  if (typeof options !== "object" && typeof options !== "function" || options === null) {
    throw new TypeError(
      `Failed to execute '(called as function)' on '${owner}': parameter 1 is not of type 'Options'.`,
    );
  }
  const { props } = options;
  if (props === undefined) return null;
  if (typeof props !== "object" || props === null) {
    throw new TypeError(
      "Incorrect type for the 'props' field on 'Options': the provided value is not of type 'Object'.",
    );
  }
  return toPersistent(props);
}

/**
 * What code finds in `ctx.props`: a copy for each.
 * @param {Uint8Array | null | undefined} props
 */
export function propsFrom(props) {
  return props === null || props === undefined ? {} : fromMessage(props, null);
}
