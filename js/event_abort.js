// @ts-check
/// <reference path="./types.d.ts" />

// The end of an event of the worker's own that its code asks for. Whoever waits for it is told why.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentContext } from "ext:stead/context.js";
import { serializeThrown } from "ext:stead/message.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

let { op_call_throw, op_code_end, op_event_fail, op_isolate_abort } = core.ops;
bindOps((ops) => ({ op_call_throw, op_code_end, op_event_fail, op_isolate_abort } = ops));

const ABORTED = "Worker execution was aborted due to call to ctx.abort().";
const ISOLATE_ABORTED = "The isolate was aborted by a call to abortIsolate().";

/**
 * @param {WorkerEvent} event
 * @param {any} reason
 */
function end(event, reason) {
  const thrown = serializeThrown(reason);
  const { native } = event;
  if (native !== null) op_event_fail(native, thrown);
  for (const call of event.takeCalls()) op_call_throw(call, thrown);
  event.abort(reason);
}

/**
 * Ends an event, and the code that runs.
 * @param {WorkerEvent} event
 * @param {any} reason
 * @returns {never}
 */
export function abortEvent(event, reason) {
  end(event, reason === undefined ? new Error(ABORTED) : reason);
  op_code_end();
  // V8 ends the code here: nothing can catch that, and no `finally` runs.
  for (;;);
}

/**
 * Ends everything of this isolate, in whose place another one begins.
 * @param {any} [reason]
 * @returns {never}
 */
export function abortIsolate(reason) {
  const message = reason === undefined ? ISOLATE_ABORTED : `${reason}`;
  const context = currentContext();
  if (context instanceof WorkerEvent) end(context, new Error(message));
  op_isolate_abort(message);
  for (;;);
}
