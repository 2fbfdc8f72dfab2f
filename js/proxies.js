// @ts-check
/// <reference path="./types.d.ts" />

// From a proxy back to its handler, without a table that every new proxy would have to enter: V8
// pays for each entry of a WeakMap again while it collects garbage.

import { core } from "ext:core/mod.js";

/**
 * The handler of a proxy; null for anything else, and for a proxy that was revoked. Whoever asks
 * has to see whether the handler is his own: user code makes proxies as well.
 * @param {any} value
 * @returns {any}
 */
export function handlerOf(value) {
  return core.isProxy(value) ? core.getProxyDetails(value)[1] : null;
}
