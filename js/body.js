// @ts-check
/// <reference path="./types.d.ts" />

// Bodies of requests and responses on their way between JavaScript and Rust.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentContext } from "ext:stead/context.js";
import { abortSignal } from "ext:stead/client_gone.js";
import { currentHandle, isEnded } from "ext:stead/record.js";
import { decompressed } from "ext:stead/content_encoding.js";
import { defineMember } from "ext:stead/scope.js";
import { bytesOf, fixedLengthOf } from "ext:stead/streams.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const streams = core.loadExtScript("ext:deno_web/06_streams.js");

let {
  op_body_take,
  op_feed_begin,
  op_feed_end,
  op_output_open,
  op_output_wait,
  op_readable_stream_resource_allocate,
  op_readable_stream_resource_allocate_sized,
  op_readable_stream_resource_await_close,
  op_readable_stream_resource_close,
  op_readable_stream_resource_get_sink,
  op_readable_stream_resource_write_buf,
  op_readable_stream_resource_write_error,
  op_readable_stream_resource_write_sync,
} = core.ops;
bindOps((ops) =>
  ({
    op_body_take,
    op_feed_begin,
    op_feed_end,
    op_output_open,
    op_output_wait,
    op_readable_stream_resource_allocate,
    op_readable_stream_resource_allocate_sized,
    op_readable_stream_resource_await_close,
    op_readable_stream_resource_close,
    op_readable_stream_resource_get_sink,
    op_readable_stream_resource_write_buf,
    op_readable_stream_resource_write_error,
    op_readable_stream_resource_write_sync,
  } = ops)
);

export const BODY_USED =
  "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";

// The platform's text for a body that was read.
const consume = InnerBody.prototype.consume;
InnerBody.prototype.consume = function () {
  if (this.consumed()) throw new TypeError(BODY_USED);
  return Reflect.apply(consume, this, []);
};

/** Streams of bodies that were text or bytes. @type {WeakSet<object>} */
const ofStatic = new WeakSet();
const streamOf = /** @type {any} */ (Object.getOwnPropertyDescriptor(InnerBody.prototype, "stream"));
Object.defineProperty(InnerBody.prototype, "stream", {
  get() {
    const isStatic = !(this.streamOrStatic instanceof streams.ReadableStream);
    const stream = Reflect.apply(streamOf.get, this, []);
    if (isStatic) ofStatic.add(stream);
    return stream;
  },
  configurable: true,
});

// All bodies are streams of bytes on the platform. deno_fetch makes one of another kind of text,
// which it knows again when a response is made of another one's body.
const { getReader, tee } = streams.ReadableStream.prototype;
const streamMembers = {
  /** @this {any} @param {any[]} args */
  getReader(...args) {
    const [options] = args;
    if (options?.mode === "byob" && ofStatic.has(this)) return readerIntoBuffers(this);
    return Reflect.apply(getReader, this, args);
  },
  /** @this {any} */
  tee() {
    const branches = Reflect.apply(tee, this, []);
    if (ofStatic.has(this)) branches.forEach((/** @type {any} */ branch) => ofStatic.add(branch));
    return branches;
  },
};
defineMember(streams.ReadableStream.prototype, streamMembers.getReader);
defineMember(streams.ReadableStream.prototype, streamMembers.tee);

/**
 * A reader into buffers of a stream that gives whole chunks.
 * @param {any} stream
 */
function readerIntoBuffers(stream) {
  const reader = Reflect.apply(getReader, stream, []);
  const bytes = new streams.ReadableStream({
    type: "bytes",
    /** @param {any} controller */
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!done && value.byteLength > 0) return controller.enqueue(value);
      controller.close();
      controller.byobRequest?.respond(0);
    },
    /** @param {unknown} reason */
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
  return Reflect.apply(getReader, bytes, [{ mode: "byob" }]);
}

/** What a resource's channel says to a chunk; otherwise nobody reads any more. */
const WRITTEN = 1;
const FULL = 2;

/** A body that Rust holds until somebody looks at it. */
class PendingInnerBody extends InnerBody {
  /** @type {any} */ #pending;
  /** What InnerBody keeps in `streamOrStatic`. @type {any} */ #stream = null;
  #format;

  /**
   * @param {any} pending
   * @param {string} [format] how it is compressed
   */
  constructor(pending, format) {
    super(null);
    this.#pending = pending;
    this.#format = format;
  }

  get streamOrStatic() {
    if (this.#pending !== null) {
      const rid = op_body_take(this.#pending);
      this.#pending = null;
      this.#stream = streams.readableStreamForRid(rid);
      if (this.#format !== undefined) this.#stream = decompressed(this.#stream, this.#format);
    }
    return this.#stream;
  }

  set streamOrStatic(value) {
    // While InnerBody's constructor runs there is nothing to keep it in.
    if (#stream in this) this.#stream = value;
  }

  unusable() {
    return this.#pending === null && super.unusable();
  }

  consumed() {
    return this.#pending === null && super.consumed();
  }

  /** The body of a request made from this one's; nothing is read. */
  createProxy() {
    const pending = this.takePending();
    return pending === null ? super.createProxy() : new PendingInnerBody(pending, this.#format);
  }

  /** Whether nobody has looked at it. */
  get isPending() {
    return this.#pending !== null;
  }

  /** Takes the body away unread; null if it was looked at. */
  takePending() {
    const pending = this.#pending;
    if (pending === null) return null;
    this.#pending = null;
    this.#stream = { body: "", consumed: true };
    return pending;
  }
}

/**
 * @param {any} pending
 * @param {string} [format] how it is compressed
 */
export function innerBody(pending, format) {
  return pending === null || pending === undefined ? null : new PendingInnerBody(pending, format);
}

/**
 * Whether a body is as it came, compressed or not.
 * @param {any} body an InnerBody
 */
export function isPending(body) {
  return body instanceof PendingInnerBody && body.isPending;
}

/**
 * A body for Rust: null, text, bytes, a pending body or the number of a resource.
 * @param {any} body an InnerBody
 * @param {any} [asked] the request that it answers
 */
export function nativeBody(body, asked = null) {
  if (body === null) return null;
  if (body.unusable()) throw new TypeError(BODY_USED);
  const pending = body instanceof PendingInnerBody ? body.takePending() : null;
  if (pending !== null) return pending;
  const source = body.streamOrStatic;
  if (source instanceof streams.ReadableStream) return nativeStream(source, body.length, asked);
  source.consumed = true;
  return source.body;
}

/**
 * The number of a resource from which Rust reads the stream.
 * @param {any} stream
 * @param {number | null} length
 * @param {any} [asked] the request that it answers
 */
export function nativeStream(stream, length, asked = null) {
  const backing = streams.getReadableStreamResourceBacking(stream);
  if (backing === null || backing === undefined) {
    const promised = fixedLengthOf(stream);
    return resourceOf(stream, length ?? (promised === undefined ? null : Number(promised)), asked);
  }
  // Locked and disturbed from JavaScript's side: Rust reads it now.
  stream.getReader();
  streams.readableStreamDisturb(stream);
  return backing.rid;
}

/**
 * A resource that is fed from a stream. deno_web has one too; this one takes text, as the
 * platform does.
 * @param {any} stream
 * @param {number | null} length
 * @param {any} asked the request that it answers, or null
 */
function resourceOf(stream, length, asked) {
  const reader = stream.getReader();
  const rid = length === null
    ? op_readable_stream_resource_allocate()
    : op_readable_stream_resource_allocate_sized(length);
  const feeding = { ended: false };
  const cancel = () => {
    // Code that was ended is not told.
    if (isEnded()) return;
    reader.cancel("the body is not read any more").catch(() => {});
    if (asked !== null && !feeding.ended) abortSignal(asked);
    feeding.ended = true;
  };
  op_readable_stream_resource_await_close(rid).then(cancel, () => {});
  feed(rid, reader, cancel, currentHandle(), feeding);
  return rid;
}

/**
 * @param {number} rid
 * @param {any} reader
 * @param {() => void} cancel
 * @param {any} speaker the object whose stream it is, or null
 * @param {{ ended: boolean }} feeding
 */
async function feed(rid, reader, cancel, speaker, feeding) {
  const sink = op_readable_stream_resource_get_sink(rid);
  const own = speaker === null ? null : op_feed_begin(speaker, rid);
  const context = currentContext();
  const event = context instanceof WorkerEvent ? context : null;
  // Code that was aborted writes no more.
  const ending = () => {
    op_readable_stream_resource_write_error(sink, "the event was aborted");
    op_readable_stream_resource_close(sink);
  };
  event?.hold();
  event?.addEnding(ending);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      // What a chunk tells may follow from something that is not durable yet.
      if (speaker !== null && !op_output_open(speaker)) await op_output_wait(speaker);
      if (done) {
        feeding.ended = true;
        return;
      }
      const bytes = bytesOf(value);
      if (bytes === null) throw new TypeError("This ReadableStream did not return bytes.");
      if (bytes.byteLength === 0) continue;
      const state = op_readable_stream_resource_write_sync(sink, bytes);
      if (state === WRITTEN) continue;
      if (state === FULL && await op_readable_stream_resource_write_buf(sink, bytes)) continue;
      return cancel();
    }
  } catch (error) {
    feeding.ended = true;
    op_readable_stream_resource_write_error(sink, String(/** @type {any} */ (error)?.message ?? error));
    cancel();
  } finally {
    event?.removeEnding(ending);
    if (own !== null) op_feed_end(own);
    op_readable_stream_resource_close(sink);
    event?.release();
  }
}

/**
 * A stream of the speaking object's whose chunks wait for the object's output gate.
 * @param {any} stream
 */
export function gatedStream(stream) {
  const speaker = currentHandle();
  if (speaker === null) return stream;
  const reader = stream.getReader();
  return new streams.ReadableStream({
    /** @param {any} controller */
    async pull(controller) {
      const { done, value } = await reader.read();
      if (!op_output_open(speaker)) await op_output_wait(speaker);
      if (done) controller.close();
      else controller.enqueue(value);
    },
    /** @param {any} reason */
    cancel: (reason) => reader.cancel(reason),
  }, { highWaterMark: 0 });
}
