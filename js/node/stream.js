// @ts-check

// The module `node:stream`: the package `readable-stream`, which is Node's own code, and the bridges to the streams of
// the web, which it leaves out.
// https://nodejs.org/api/stream.html

import base from "readable-stream/lib/stream";
import { isDestroyed, isWritable } from "readable-stream/lib/internal/streams/utils";
import { getDefaultHighWaterMark, setDefaultHighWaterMark } from "readable-stream/lib/internal/streams/state";
import { coded } from "./errors.js";
import * as bridges from "./stream_bridges.js";

/** @type {any} */
const Stream = base;
export const {
  Duplex, PassThrough, Readable, Transform, Writable, _isUint8Array, _uint8ArrayToBuffer, addAbortSignal, compose,
  destroy, finished, isDisturbed, isErrored, isReadable, pipeline, promises,
} = Stream;

Readable.fromWeb = bridges.readableFromWeb;
Readable.toWeb = bridges.readableToWeb;
Writable.fromWeb = bridges.writableFromWeb;
Writable.toWeb = bridges.writableToWeb;
Duplex.fromWeb = bridges.duplexFromWeb;
Duplex.toWeb = bridges.duplexToWeb;

Writable.prototype[Symbol.asyncDispose] ??= async function () {
  if (this.destroyed) return;
  this.destroy(this.writableFinished ? null : coded(Error, "ERR_STREAM_DESTROYED", "Cannot call dispose after a stream was destroyed"));
};

/** Two streams, each of which reads what is written to the other. @param {any} [options] */
export function duplexPair(options) {
  /** @type {any} */ let left;
  /** @type {any} */ let right;
  const make = (/** @type {() => any} */ other) => {
    /** @type {(() => void) | undefined} */
    let resume;
    const side = new Duplex({
      ...options,
      read() {
        resume?.();
        resume = undefined;
      },
      write(/** @type {any} */ chunk, /** @type {any} */ _, /** @type {() => void} */ callback) {
        if (chunk.length === 0) queueMicrotask(callback);
        else {
          other().push(chunk);
          other().hold(callback);
        }
      },
      final(/** @type {() => void} */ callback) {
        other().on("end", callback);
        other().push(null);
      },
    });
    side.hold = (/** @type {() => void} */ callback) => (resume = callback);
    return side;
  };
  left = make(() => right);
  right = make(() => left);
  return [left, right];
}

export const _isArrayBufferView = ArrayBuffer.isView;
export { getDefaultHighWaterMark, isDestroyed, isWritable, setDefaultHighWaterMark, Stream };

Object.assign(Stream, { _isArrayBufferView, duplexPair, getDefaultHighWaterMark, isDestroyed, isWritable, setDefaultHighWaterMark });

export default Stream;
