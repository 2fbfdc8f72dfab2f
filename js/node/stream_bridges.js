// @ts-check

// Streams of Node from streams of the web, and back.
// https://nodejs.org/api/stream.html#streamreadablefromwebreadablestream-options

import { Buffer } from "node:buffer";
import base from "readable-stream/lib/stream";
import { AbortError, invalidType } from "./errors.js";

const { Duplex, Readable, Writable, finished } = /** @type {any} */ (base);

/** @param {any} chunk @param {any} options */
function asChunk(chunk, options) {
  return chunk instanceof Uint8Array && !options.objectMode ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength) : chunk;
}

/** The methods of a stream that reads from `reader`. @param {any} reader @param {any} options */
function reading(reader, options) {
  return {
    read() {
      reader.read().then(
        (/** @type {any} */ { value, done }) => /** @type {any} */ (this).push(done ? null : asChunk(value, options)),
        (/** @type {any} */ error) => /** @type {any} */ (this).destroy(error),
      );
    },
  };
}

/** The methods of a stream that writes to `writer`. @param {any} writer */
function writing(writer) {
  return {
    write(/** @type {any} */ chunk, /** @type {any} */ _, /** @type {(error?: any) => void} */ callback) {
      writer.ready.then(() => writer.write(chunk)).then(() => callback(), callback);
    },
    final(/** @type {(error?: any) => void} */ callback) {
      writer.close().then(() => callback(), callback);
    },
  };
}

/** @param {any} stream @param {any} [options] */
export function readableFromWeb(stream, options = {}) {
  if (!(stream instanceof ReadableStream)) throw invalidType("readableStream", "ReadableStream", stream);
  const reader = stream.getReader();
  let closed = false;
  reader.closed.then(() => (closed = true), () => (closed = true));
  return new Readable({
    ...options,
    ...reading(reader, options),
    destroy(/** @type {any} */ error, /** @type {(error?: any) => void} */ callback) {
      if (closed) return callback(error);
      reader.cancel(error ?? undefined).then(() => callback(error), () => callback(error));
    },
  });
}

/** @param {any} stream @param {any} [options] */
export function readableToWeb(stream, options = {}) {
  if (typeof stream?.read !== "function") throw invalidType("streamReadable", "stream.Readable", stream);
  const { objectMode } = stream._readableState ?? {};
  const strategy = options.strategy ?? (objectMode
    ? new CountQueuingStrategy({ highWaterMark: stream.readableHighWaterMark })
    : { highWaterMark: stream.readableHighWaterMark, size: (/** @type {any} */ chunk) => chunk.byteLength ?? 1 });
  const bytes = options.type === "bytes";
  return new ReadableStream({
    ...(bytes ? { type: "bytes" } : {}),
    start(/** @type {any} */ controller) {
      stream.pause();
      stream.on("data", (/** @type {any} */ chunk) => {
        const plain = Buffer.isBuffer(chunk) && !objectMode ? new Uint8Array(chunk) : chunk;
        controller.enqueue(plain);
        if (controller.desiredSize <= 0) stream.pause();
      });
      finished(stream, { writable: false }, (/** @type {any} */ error) => {
        if (error?.code === "ERR_STREAM_PREMATURE_CLOSE") return controller.error(new AbortError(undefined, { cause: error }));
        if (error) return controller.error(error);
        try {
          controller.close();
        } catch {
          // It was cancelled.
        }
      });
      stream.on("error", () => {});
    },
    pull() {
      stream.resume();
    },
    cancel(/** @type {any} */ reason) {
      stream.destroy(reason);
    },
  }, bytes ? undefined : strategy);
}

/** @param {any} stream @param {any} [options] */
export function writableFromWeb(stream, options = {}) {
  if (!(stream instanceof WritableStream)) throw invalidType("writableStream", "WritableStream", stream);
  const writer = stream.getWriter();
  return new Writable({
    ...options,
    ...writing(writer),
    destroy(/** @type {any} */ error, /** @type {(error?: any) => void} */ callback) {
      const end = error ? writer.abort(error) : writer.close();
      end.then(() => callback(error), () => callback(error));
    },
  });
}

/** @param {any} stream */
export function writableToWeb(stream) {
  if (typeof stream?.write !== "function") throw invalidType("streamWritable", "stream.Writable", stream);
  return new WritableStream({
    start(/** @type {any} */ controller) {
      finished(stream, { readable: false }, (/** @type {any} */ error) => {
        if (error) controller.error(error);
      });
      stream.on("error", () => {});
    },
    async write(/** @type {any} */ chunk) {
      if (!stream.write(chunk)) await new Promise((resolve) => stream.once("drain", resolve));
    },
    async close() {
      await new Promise((resolve, reject) => {
        finished(stream, { readable: false }, (/** @type {any} */ error) => (error ? reject(error) : resolve(undefined)));
        stream.end();
      });
    },
    abort(/** @type {any} */ reason) {
      stream.destroy(reason);
    },
  }, { highWaterMark: stream.writableHighWaterMark, size: (/** @type {any} */ chunk) => chunk?.byteLength ?? chunk?.length ?? 1 });
}

/** @param {any} pair @param {any} [options] */
export function duplexFromWeb(pair, options = {}) {
  const reader = pair.readable.getReader();
  const writer = pair.writable.getWriter();
  return new Duplex({
    ...options,
    ...reading(reader, options),
    ...writing(writer),
    destroy(/** @type {any} */ error, /** @type {(error?: any) => void} */ callback) {
      const quiet = () => {};
      Promise.all([reader.cancel(error).catch(quiet), error ? writer.abort(error).catch(quiet) : undefined]).then(() => callback(error));
    },
  });
}

/** @param {any} stream */
export function duplexToWeb(stream) {
  return { readable: readableToWeb(stream), writable: writableToWeb(stream) };
}
