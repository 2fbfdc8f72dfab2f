// @ts-check
/// <reference path="./types.d.ts" />

// The values of bindings that are no namespaces.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { Response } from "ext:stead/http.js";
import { requestOf } from "ext:stead/request.js";
import { tagClass } from "ext:stead/scope.js";
import { toPersistent } from "ext:stead/message.js";
import { resumeAfter } from "ext:stead/record.js";
import { EntrypointTarget, makeServiceStub } from "ext:stead/service_stub.js";

let { op_assets_answer, op_assets_fetch } = core.ops;
bindOps((ops) => ({ op_assets_answer, op_assets_fetch } = ops));

/**
 * @typedef {object} OtherBindings
 * @property {{ binding: string, kind: string }[]} missing
 * @property {string | null} assets
 * @property {{ binding: string, worker: number, entrypoint: string, props: string }[]} services
 */

/**
 * Puts the bindings into `env`.
 * @param {Record<string, any>} env
 * @param {OtherBindings} bindings
 */
export function defineBindings(env, { missing, assets, services }) {
  for (const { binding, kind } of missing) env[binding] = missingBinding(binding, kind);
  if (assets !== null) env[assets] = new Fetcher();
  for (const { binding, worker, entrypoint, props } of services) {
    const target = new EntrypointTarget(worker, entrypoint, toPersistent(JSON.parse(props)));
    env[binding] = makeServiceStub(target);
  }
}

/** Statuses whose responses have no body. */
const WITHOUT_BODY = [204, 304];

/** The binding that serves static files. */
class Fetcher {
  /**
   * @param {any} input
   * @param {any} [init]
   */
  async fetch(input, init) {
    const { method, url, headers } = requestOf(input, init);
    const pending = op_assets_fetch(method, url, [...headers].flat());
    const [status, head, bytes] = await resumeAfter(op_assets_answer(pending));
    const pairs = [];
    for (let at = 0; at < head.length; at += 2) pairs.push([head[at], head[at + 1]]);
    return new Response(WITHOUT_BODY.includes(status) ? null : bytes, { status, headers: pairs });
  }
}
tagClass(Fetcher);

/**
 * A binding of a kind that Stead does not have: code that merely passes it on runs, and code that
 * uses it is told.
 * @param {string} name
 * @param {string} kind
 */
function missingBinding(name, kind) {
  const refuse = () => {
    throw new Error(`env.${name} (${kind}) is not implemented in Stead yet.`);
  };
  return new Proxy(refuse, {
    // Whoever prints the binding, or awaits it, does not use it.
    get: (_target, key) => (typeof key === "symbol" || key === "then" ? undefined : refuse),
    set: refuse,
    construct: refuse,
  });
}
