// @ts-check
/// <reference path="./types.d.ts" />

// connect() of stubs, and the handlers to which it leads. The call is answered when there is a
// handler; the connection itself goes on beside it and ends with that handler.
// https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { describeError } from "ext:stead/errors.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { fromMessage, toMessage } from "ext:stead/message.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { RESULT } from "ext:stead/rpc_promise.js";
import { acceptWithin, finish, openWithin } from "ext:stead/tcp.js";
import { parseAddress, parseOptions } from "ext:stead/tcp_address.js";

const { Error, ReflectApply, TypeError, Uint8Array } = primordials;

let {
  op_call_arguments,
  op_call_attachments,
  op_call_return,
  op_pipeline_drop,
  op_report_error,
  op_stub_call_answer,
  op_tcp_accept,
  op_tcp_close,
  op_tcp_pair,
} = core.ops;
bindOps((ops) =>
  ({
    op_call_arguments,
    op_call_attachments,
    op_call_return,
    op_pipeline_drop,
    op_report_error,
    op_stub_call_answer,
    op_tcp_accept,
    op_tcp_close,
    op_tcp_pair,
  } = ops)
);

/** The path of the call that opens a connection. No method can be called by such a name. */
const CONNECT_PATH = ["\u0000connect"];
const NO_BYTES = new Uint8Array();

/** @typedef {import("./service_stub.js").Target} Target */

/**
 * `connect()` of a stub.
 * @param {Target} callee
 * @param {any[]} args
 */
export function connectTo(callee, args) {
  if (args.length === 0) {
    throw new TypeError(
      "Failed to execute 'connect' on 'Fetcher': parameter 1 is not of type 'SocketAddress or string'.",
    );
  }
  requireHandler();
  const address = parseAddress(args[0]);
  const options = parseOptions(args[1], "Fetcher");
  if (options.secureTransport === "on") throw new Error("Incoming CONNECT with TLS not supported");
  return openWithin(address, options, reach(callee, address.text));
}

/**
 * @param {Target} callee
 * @param {string} address
 */
async function reach(callee, address) {
  const [native, end] = op_tcp_pair(currentHandle());
  try {
    const { bytes } = toMessage(address);
    const pending = callee.send(CONNECT_PATH, { bytes, attachments: [end], stubs: null });
    op_pipeline_drop(pending);
    const answer = await resumeAfter(op_stub_call_answer(pending));
    if (answer[0] !== RESULT) throw callee.error(answer);
    return native;
  } catch (error) {
    op_tcp_close(native);
    throw error;
  }
}

/** Whether a call opens a connection. @param {string[]} path */
export function isConnect(path) {
  return path[0] === CONNECT_PATH[0];
}

/**
 * Runs the `connect()` handler of an object or an entrypoint.
 * @param {any} native the call
 * @param {import("./rpc.js").Callee} callee
 * @param {any[]} rest what a handler of a plain object is given beside the socket
 */
export async function handleConnect(native, { root, handlers }, rest) {
  const { connect } = handlers ?? root;
  if (typeof connect !== "function") {
    throw new Error("Handler does not export a connect() function.");
  }
  const attachments = op_call_attachments(native);
  const text = `${fromMessage(op_call_arguments(native) ?? NO_BYTES, attachments)}`;
  const handle = currentHandle();
  const connection = op_tcp_accept(handle, attachments?.[0]);
  const socket = acceptWithin({ text, host: text, port: 0, isWeb: false }, connection);
  op_call_return(native, toMessage(undefined).bytes, null, null);
  try {
    await ReflectApply(connect, root, [socket, ...rest]);
  } catch (error) {
    // The caller hears only that the connection has ended.
    op_report_error(handle, describeError(error));
  } finally {
    await finish(socket);
  }
}
