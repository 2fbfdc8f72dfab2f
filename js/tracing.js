// @ts-check
/// <reference path="./types.d.ts" />

// Spans. Nothing is traced, which the platform has too: `isTraced` is false, and code runs as it is.
// https://developers.cloudflare.com/workers/observability/traces/

import { tagClass } from "ext:stead/scope.js";

export class Span {
  get isTraced() {
    return false;
  }

  spanContext() {
    return undefined;
  }

  setAttribute() {}

  setAttributes() {}

  recordException() {}

  updateName() {}

  setStatus() {}

  end() {}
}
tagClass(Span);

/**
 * @param {string} method
 * @param {unknown} callback
 */
function checkCallback(method, callback) {
  if (typeof callback === "function") return;
  throw new TypeError(
    `Failed to execute '${method}' on 'Tracing': parameter 2 is not of type 'function'.`,
  );
}

export class Tracing {
  /**
   * @param {string} _name
   * @param {(span: Span, ...args: any[]) => any} callback
   * @param {any[]} args
   */
  enterSpan(_name, callback, ...args) {
    checkCallback("enterSpan", callback);
    return callback(new Span(), ...args);
  }

  /**
   * @param {string} _name
   * @param {(span: Span, ...args: any[]) => any} callback
   * @param {any[]} args
   */
  startActiveSpan(_name, callback, ...args) {
    checkCallback("startActiveSpan", callback);
    return callback(new Span(), ...args);
  }

  startSpan() {
    return new Span();
  }

  getActiveSpan() {
    return undefined;
  }

  /**
   * @param {any} _span
   * @param {(...args: any[]) => any} callback
   * @param {any[]} args
   */
  withActiveSpan(_span, callback, ...args) {
    checkCallback("withActiveSpan", callback);
    return callback(...args);
  }

  get Span() {
    return Span;
  }
}
tagClass(Tracing);

export const tracing = new Tracing();
