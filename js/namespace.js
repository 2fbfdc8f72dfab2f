// @ts-check
/// <reference path="./types.d.ts" />

// Namespaces, ids and stubs: how code reaches an object.
// https://developers.cloudflare.com/durable-objects/api/namespace/

import { core, primordials } from "ext:core/mod.js";
import { checkOptions, refuseArgument } from "ext:stead/arguments.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import {
  INTERNAL,
  ObjectTarget,
  requireInternal,
  ServiceStub,
  StubHandler,
} from "ext:stead/service_stub.js";

const { ObjectDefineProperty: define } = primordials;

let { op_id_from_name, op_id_jurisdiction, op_id_parse, op_id_unique } = core.ops;
bindOps((ops) => ({ op_id_from_name, op_id_jurisdiction, op_id_parse, op_id_unique } = ops));

/** @type {(value: any) => boolean} */
let isId;
/** The namespace that made an id, if one of here did. @type {(id: any) => number | null} */
let makerOf;

export class DurableObjectId {
  #hex;
  #maker;

  /**
   * @param {symbol} token
   * @param {string} hex
   * @param {string | undefined} name
   * @param {string | undefined} jurisdiction
   * @param {number | null} maker the index of the namespace that made it; null if it came from elsewhere
   */
  constructor(token, hex, name, jurisdiction, maker) {
    requireInternal(token);
    this.#hex = hex;
    this.#maker = maker;
    define(this, "jurisdiction", { value: jurisdiction, enumerable: true, configurable: true });
    define(this, "name", { value: name, enumerable: true, configurable: true });
  }

  toString() {
    return this.#hex;
  }

  /** @param {any} other */
  equals(other) {
    if (typeof other !== "object" || other === null || !(#hex in other)) {
      throw new TypeError(
        "Failed to execute 'equals' on 'DurableObjectId': parameter 1 is not of type 'DurableObjectId'.",
      );
    }
    return this.#hex === other.#hex;
  }

  static {
    isId = (value) => typeof value === "object" && value !== null && #hex in value;
    makerOf = (id) => id.#maker;
  }
}
tagClass(DurableObjectId);
guardReceiver(DurableObjectId);

/**
 * What an id consists of; undefined for anything else.
 * @param {any} id
 */
export function partsOfId(id) {
  if (!isId(id)) return undefined;
  return { hex: id.toString(), name: id.name, jurisdiction: id.jurisdiction };
}

/** @param {{ hex: string, name: string | undefined, jurisdiction: string | undefined }} parts */
export function idFromParts({ hex, name, jurisdiction }) {
  return new DurableObjectId(INTERNAL, hex, name, jurisdiction, null);
}

/**
 * An id whose jurisdiction is not known yet.
 * @param {number} index
 * @param {string} hex
 * @param {string | undefined} [name]
 */
export function makeId(index, hex, name) {
  return new DurableObjectId(INTERNAL, hex, name, op_id_jurisdiction(index, hex) ?? undefined, index);
}

export class DurableObjectNamespace {
  #index;
  /** The jurisdiction to which all ids made here belong. @type {string | null} */
  #jurisdiction;

  /**
   * @param {symbol} token
   * @param {number} index
   * @param {string | null} [jurisdiction]
   */
  constructor(token, index, jurisdiction = null) {
    requireInternal(token);
    this.#index = index;
    this.#jurisdiction = jurisdiction;
  }

  /** @param {any} [options] */
  newUniqueId(options) {
    checkOptions("DurableObjectNamespace", "newUniqueId", 1, "NewUniqueIdOptions", options);
    const jurisdiction = named(options?.jurisdiction) ?? this.#jurisdiction;
    const hex = op_id_unique(this.#index, jurisdiction);
    return new DurableObjectId(INTERNAL, hex, undefined, jurisdiction ?? undefined, this.#index);
  }

  /** @param {string} name */
  idFromName(name) {
    needsText("idFromName", arguments.length);
    const hex = op_id_from_name(this.#index, this.#jurisdiction, `${name}`);
    return new DurableObjectId(INTERNAL, hex, `${name}`, this.#jurisdiction ?? undefined, this.#index);
  }

  /** @param {string} hex */
  idFromString(hex) {
    needsText("idFromString", arguments.length);
    return makeId(this.#index, op_id_parse(this.#index, `${hex}`));
  }

  /**
   * @param {any} id
   * @param {any} [options]
   */
  get(id, options) {
    if (!isId(id)) {
      throw new TypeError(
        "Failed to execute 'get' on 'DurableObjectNamespace': parameter 1 is not of type 'DurableObjectId'.",
      );
    }
    checkOptions("DurableObjectNamespace", "get", 2, "GetDurableObjectOptions", options);
    const mode = options?.routingMode;
    if (mode !== undefined && mode !== "primary-only") {
      throw new RangeError(`unknown routingMode: ${mode}`);
    }
    // Refuses the ids of other namespaces.
    if (makerOf(id) !== this.#index) op_id_parse(this.#index, id.toString());
    if (this.#jurisdiction !== null && id.jurisdiction !== this.#jurisdiction) {
      throw new TypeError(
        "get called on jurisdictional subnamespace with an ID from a different jurisdiction",
      );
    }
    return makeStub(this.#index, id);
  }

  /**
   * @param {string} name
   * @param {any} [options]
   */
  getByName(name, options) {
    needsText("getByName", arguments.length);
    checkOptions("DurableObjectNamespace", "getByName", 2, "GetDurableObjectOptions", options);
    return this.get(this.idFromName(name), options);
  }

  /** @param {string | null | undefined} jurisdiction */
  jurisdiction(jurisdiction) {
    const name = named(jurisdiction);
    if (name === null) return new DurableObjectNamespace(INTERNAL, this.#index);
    // Refuses what is no jurisdiction.
    op_id_from_name(this.#index, name, "");
    return new DurableObjectNamespace(INTERNAL, this.#index, name);
  }
}
tagClass(DurableObjectNamespace);
guardReceiver(DurableObjectNamespace);

/**
 * @param {string} method
 * @param {number} count of the arguments that the call has
 */
function needsText(method, count) {
  if (count === 0) refuseArgument("DurableObjectNamespace", method, 1, "string");
}

/** @param {unknown} jurisdiction */
function named(jurisdiction) {
  return jurisdiction === undefined || jurisdiction === null ? null : `${jurisdiction}`;
}

/** @param {number} index */
export function makeNamespace(index) {
  return new DurableObjectNamespace(INTERNAL, index);
}

/** What `constructor` of a stub is; calling it is no call of the object's. */
function StubConstructor() {
  throw new TypeError("Illegal constructor");
}
Object.defineProperty(StubConstructor, "name", { value: "DurableObject", configurable: true });

/** A stub of an object. */
export class DurableObject extends ServiceStub {
  /**
   * @param {symbol} token
   * @param {DurableObjectId} id
   */
  constructor(token, id) {
    super(token);
    const { name } = /** @type {any} */ (id);
    define(this, "name", { value: name, enumerable: true, configurable: true });
    define(this, "id", { value: id, enumerable: true, configurable: true });
  }
}
tagClass(DurableObject);
Object.defineProperty(DurableObject.prototype, "constructor", {
  value: StubConstructor,
  writable: true,
  configurable: true,
});

/**
 * @param {number} index
 * @param {DurableObjectId} id
 */
function makeStub(index, id) {
  const { name } = /** @type {any} */ (id);
  const target = new ObjectTarget(index, id.toString(), name);
  return new Proxy(new DurableObject(INTERNAL, id), new StubHandler(target));
}
