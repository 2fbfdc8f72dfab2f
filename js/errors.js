// @ts-check
/// <reference path="./types.d.ts" />

// What happens to exceptions nobody caught: an event on the global scope and, unless a listener
// calls preventDefault(), a report to the process. deno_core's own answer is to terminate all
// JavaScript in the isolate, so every path that leads to it is closed here.

import { core, primordials } from "ext:core/mod.js";
import { currentHandle } from "ext:stead/record.js";

const { TypeError } = primordials;

// Before any other script: scripts see the `reportUnhandledException` that is set here.
const coreView = core.loadExtScript("ext:stead/core_view.js");
const { op_report_exception } = core.ops;
coreView.reportUnhandledException = (/** @type {unknown} */ error) => {
  noteThrown(error);
  op_report_exception(currentHandle(), false, error);
};
coreView.reportUnhandledPromiseRejection = (/** @type {unknown} */ error) =>
  op_report_exception(currentHandle(), true, error);

const event = core.loadExtScript("ext:deno_web/02_event.js");
const { PromiseRejectionEvent, reportException } = event;

const scope = globalThis;

/**
 * What listeners threw, while somebody wants to know.
 * @type {{ thrown: { error: unknown } | undefined } | null}
 */
let watched = null;

/** @param {unknown} error */
export function noteThrown(error) {
  if (watched !== null && watched.thrown === undefined) watched.thrown = { error };
}

/**
 * Runs a dispatch. The first exception that one of its listeners threw is returned; all of them
 * have been reported.
 * @param {() => void} dispatch
 */
export function watchListeners(dispatch) {
  const outer = watched;
  const own = /** @type {NonNullable<typeof watched>} */ ({ thrown: undefined });
  watched = own;
  try {
    dispatch();
    return own.thrown;
  } finally {
    watched = outer;
  }
}

/**
 * Runs something whose exceptions are not those of the listeners that are watched.
 * @template T
 * @param {() => T} run
 */
export function unwatched(run) {
  if (watched === null) return run();
  const outer = watched;
  watched = null;
  try {
    return run();
  } finally {
    watched = outer;
  }
}

/**
 * Reports an exception that was thrown outside of any promise. Dispatches `error` first.
 * @param {unknown} error
 */
export function reportUncaught(error) {
  try {
    reportException(error);
  } catch {
    // Building the event reads properties of the error, which may throw.
    op_report_exception(currentHandle(), false, error);
  }
}

/**
 * @param {Promise<unknown>} promise
 * @param {unknown} reason
 */
function onUnhandledRejection(promise, reason) {
  let cancelled = false;
  try {
    const rejection = new PromiseRejectionEvent("unhandledrejection", {
      cancelable: true,
      promise,
      reason,
    });
    scope.dispatchEvent(rejection);
    cancelled = rejection.defaultPrevented;
  } catch (error) {
    reportUncaught(error);
  }
  if (!cancelled) op_report_exception(currentHandle(), true, reason);
  return true;
}

/**
 * @param {Promise<unknown>} promise
 * @param {unknown} reason
 */
function onHandledRejection(promise, reason) {
  try {
    const init = { promise, reason };
    scope.dispatchEvent(new PromiseRejectionEvent("rejectionhandled", init));
  } catch (error) {
    reportUncaught(error);
  }
}

core.setUnhandledPromiseRejectionHandler(onUnhandledRejection);
core.setHandledPromiseRejectionHandler(onHandledRejection);
core.setReportExceptionCallback(reportUncaught);

/**
 * https://html.spec.whatwg.org/#dom-reporterror
 * @param {unknown} error
 */
export function reportError(error) {
  if (arguments.length === 0) {
    throw new TypeError(
      "Failed to execute 'reportError' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Value'.",
    );
  }
  unwatched(() => reportUncaught(error));
}

/** The text under which an error is reported: its stack, if it has one. @param {any} error */
export function describeError(error) {
  try {
    if (typeof error === "object" && error !== null && typeof error.stack === "string") {
      let text = withoutOurFrames(error.stack);
      if (error.cause !== undefined) text += `\nCaused by: ${describeError(error.cause)}`;
      return text;
    }
    return `Uncaught ${String(error)}`;
  } catch {
    return "Uncaught value without a text";
  }
}

/**
 * The shim's own frames say nothing to the author of the code that they surround.
 * @param {string} stack
 */
function withoutOurFrames(stack) {
  return stack.split("\n").filter((line) => !/^\s+at .*\bext:/.test(line)).join("\n");
}
