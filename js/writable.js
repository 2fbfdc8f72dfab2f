// @ts-check
/// <reference path="./types.d.ts" />

// WritableStreams that are sent: the sender's stream stays where it is, behind a stub, and the
// receiver gets one that writes through it. Each write waits for the one behind the stub, which
// carries the reader's pace to the writer.
// https://developers.cloudflare.com/workers/runtime-apis/rpc/#readablestream-writeablestream-request-and-response

import { core, primordials } from "ext:core/mod.js";
import { exportValue } from "ext:stead/exported.js";
import { addHostClass, RpcTarget } from "ext:stead/message.js";
import { makeStub } from "ext:stead/rpc_stub.js";
import { bytesOf } from "ext:stead/streams.js";

const { Error, SymbolDispose, TypedArrayPrototypeGetBuffer, TypedArrayPrototypeSlice, TypeError } =
  primordials;
const { WritableStream } = core.loadExtScript("ext:deno_web/06_streams.js");

const NO_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";
const DISCONNECTED =
  "WritableStream received over RPC was disconnected because the remote execution context has ended.";

/** The sender's stream, as its receiver may use it. */
class Sink extends RpcTarget {
  #writer;
  #ended = false;

  /** @param {any} stream */
  constructor(stream) {
    super();
    this.#writer = stream.getWriter();
  }

  /** @param {ArrayBuffer} bytes */
  async write(bytes) {
    await this.#writer.write(bytes);
  }

  async close() {
    this.#ended = true;
    await this.#writer.close();
  }

  [SymbolDispose]() {
    if (this.#ended) return;
    this.#ended = true;
    this.#writer.abort(new Error(DISCONNECTED)).catch(() => {});
  }
}

addHostClass({
  base: WritableStream,
  name: "WritableStream",
  send(stream, attachments) {
    if (stream.locked) {
      throw new TypeError("This WritableStream is currently locked to a writer.");
    }
    return attachments.push(exportValue(new Sink(stream))) - 1;
  },
  receive(place, attachments) {
    const sink = makeStub(attachments[place]);
    return new WritableStream({
      /** @param {any} chunk */
      async write(chunk) {
        const bytes = bytesOf(chunk);
        if (bytes === null) throw new TypeError(NO_BYTES);
        await sink.write(TypedArrayPrototypeGetBuffer(TypedArrayPrototypeSlice(bytes)));
      },
      async close() {
        await sink.close();
        sink[SymbolDispose]();
      },
      abort() {
        sink[SymbolDispose]();
      },
    });
  },
});
