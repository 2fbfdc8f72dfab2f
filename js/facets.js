// @ts-check
/// <reference path="./types.d.ts" />

// `ctx.facets`: objects inside an object, each with storage of its own.
// https://developers.cloudflare.com/durable-objects/api/state/#facets

import { core } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { dataCloneError } from "ext:stead/cloning.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { classPartsOf } from "ext:stead/loopback.js";
import { deserializeThrown, fromMessage, serializeThrown, toPersistent } from "ext:stead/message.js";
import { idFromParts, partsOfId } from "ext:stead/namespace.js";
import { failureOf, THROWN } from "ext:stead/rpc_promise.js";
import { INTERNAL, requireInternal, ServiceStub, StubHandler, Target } from "ext:stead/service_stub.js";
import { tagClass } from "ext:stead/scope.js";

let {
  op_callee_facet,
  op_facet_abort,
  op_facet_begin,
  op_facet_check,
  op_facet_clone,
  op_facet_delete,
  op_facet_fail,
  op_facet_find,
  op_facet_start,
} = core.ops;
bindOps((ops) =>
  ({
    op_callee_facet,
    op_facet_abort,
    op_facet_begin,
    op_facet_check,
    op_facet_clone,
    op_facet_delete,
    op_facet_fail,
    op_facet_find,
    op_facet_start,
  } = ops)
);

const OWNER = "DurableObjectFacets";

/** A facet, by its name: from the first use of a stub on it is one start of it, for good. */
class FacetTarget extends Target {
  #record;
  #name;
  #callback;

  /**
   * @param {import("./record.js").ObjectRecord} record the parent
   * @param {string} name
   * @param {() => any} callback
   */
  constructor(record, name, callback) {
    super();
    this.#record = record;
    this.#name = name;
    this.#callback = callback;
  }

  open() {
    const facet = op_facet_find(this.#record.handle, this.#name);
    if (op_facet_begin(facet)) startFacet(this.#record, facet, this.#callback);
    return op_callee_facet(facet);
  }

  /** @param {any[]} answer */
  error(answer) {
    if (answer[0] !== THROWN) return failureOf(answer);
    const thrown = deserializeThrown(answer[1]);
    thrown.remote = true;
    return thrown;
  }

  /** @param {any[]} answer */
  fetchError(answer) {
    return this.error(answer);
  }

  /** @returns {never} */
  describe() {
    throw dataCloneError("Stubs pointing to Durable Object facets are not serializable.");
  }
}

export class DurableObjectFacets {
  #record;

  /**
   * @param {symbol} token
   * @param {import("./record.js").ObjectRecord} record
   */
  constructor(token, record) {
    requireInternal(token);
    this.#record = record;
  }

  /**
   * @param {string} name
   * @param {() => any} getStartupOptions
   */
  get(name, getStartupOptions) {
    if (arguments.length === 0) refuseArgument(OWNER, "get", 1, "string");
    if (typeof getStartupOptions !== "function") refuseArgument(OWNER, "get", 2, "function");
    const target = new FacetTarget(this.#record, `${name}`, getStartupOptions);
    op_facet_check(this.#record.handle, `${name}`);
    return new Proxy(new ServiceStub(INTERNAL), new StubHandler(target));
  }

  /**
   * @param {string} name
   * @param {any} reason
   */
  abort(name, reason) {
    if (arguments.length === 0) refuseArgument(OWNER, "abort", 1, "string");
    if (arguments.length === 1) refuseArgument(OWNER, "abort", 2, "Value");
    op_facet_check(this.#record.handle, `${name}`);
    op_facet_abort(this.#record.handle, `${name}`, serializeThrown(reason));
  }

  /** @param {string} name */
  delete(name) {
    if (arguments.length === 0) refuseArgument(OWNER, "delete", 1, "string");
    op_facet_check(this.#record.handle, `${name}`);
    op_facet_delete(this.#record.handle, `${name}`);
  }

  /**
   * @param {string} source
   * @param {string} destination
   */
  clone(source, destination) {
    if (arguments.length === 0) refuseArgument(OWNER, "clone", 1, "string");
    if (arguments.length === 1) refuseArgument(OWNER, "clone", 2, "string");
    const { handle } = this.#record;
    op_facet_check(handle, `${source}`);
    op_facet_check(handle, `${destination}`);
    op_facet_clone(handle, `${source}`, `${destination}`);
  }
}
tagClass(DurableObjectFacets);

/**
 * Asks the parent's code what the facet is.
 * @param {import("./record.js").ObjectRecord} record
 * @param {FacetHandle} facet
 * @param {() => any} callback
 */
async function startFacet(record, facet, callback) {
  try {
    op_facet_start(facet, describeStart(await callback(), record));
  } catch (error) {
    op_facet_fail(facet, serializeThrown(error));
  }
}

/**
 * What the instances of a facet are made with, as bytes.
 * @param {any} options
 * @param {import("./record.js").ObjectRecord} record the parent
 */
function describeStart(options, record) {
  if (options === undefined || options === null) {
    throw new TypeError(
      "Cannot initialize N7workerd3api19DurableObjectFacets14StartupOptionsE with required members from an undefined or null value.",
    );
  }
  const { class: given, id = record.state.id } = options;
  const parts = classPartsOf(given);
  if (parts === undefined) {
    throw new TypeError(
      "Incorrect type for the 'class' field on 'StartupOptions': the provided value is not of type 'DurableObjectClass or LoopbackDurableObjectNamespace or LoopbackColoLocalActorNamespace'.",
    );
  }
  return toPersistent({ ...parts, id: partsOfId(id) ?? `${id}` });
}

/**
 * The same, read again. An id that is a text belongs to no namespace.
 * @param {Uint8Array} start
 * @returns {{ name: string, props: Uint8Array | null, id: any }}
 */
export function readStart(start) {
  const { name, props, id } = fromMessage(start, null);
  return { name, props, id: typeof id === "string" ? id : idFromParts(id) };
}
