// @ts-check
/// <reference path="./types.d.ts" />

// Sockets: TCP connections of the module `cloudflare:sockets`, and connections within the process.
// https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/

import { core, internals, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { dataCloneError, refuseCloning, streamError } from "ext:stead/cloning.js";
import { currentContext } from "ext:stead/context.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { connectionLost } from "ext:stead/network_errors.js";
import { PassedStreams } from "ext:stead/passed_streams.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { tagClass } from "ext:stead/scope.js";
import { bytesOf } from "ext:stead/streams.js";
import { parseAddress, parseOptions, unreachable } from "ext:stead/tcp_address.js";
import { WorkerEvent } from "ext:stead/worker_event.js";

const { Error, Promise, PromisePrototypeThen, PromiseResolve, PromiseWithResolvers, TypeError } =
  primordials;
const { isReadableStreamDisturbed, ReadableStream, WritableStream, writableStreamClose } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);

let {
  op_output_open,
  op_output_wait,
  op_tcp_close,
  op_tcp_open,
  op_tcp_read,
  op_tcp_read_stop,
  op_tcp_secure,
  op_tcp_shutdown,
  op_tcp_write,
} = core.ops;
bindOps((ops) =>
  ({
    op_output_open,
    op_output_wait,
    op_tcp_close,
    op_tcp_open,
    op_tcp_read,
    op_tcp_read_stop,
    op_tcp_secure,
    op_tcp_shutdown,
    op_tcp_write,
  } = ops)
);

const INTERNAL = Symbol("internal");
const CLOSED = "This socket has been closed.";
/** @param {string} name of a stream whose socket has been closed */
const belongs = (name) => `This ${name} belongs to an object that is closing.`;
const CLOSED_BEFORE_TLS = "The connection was closed before startTls could be started.";
const NO_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";

/** What the handler of a connection is told when the other side is gone. */
const DISCONNECTED = "Can't read from request stream because client disconnected.";

const NOT_OPEN =
  "A Socket can only be serialized after it has opened. Await `socket.opened` before transferring the socket over RPC.";

const doNothing = () => {};

/** What a connection that failed is for the code that holds it. @typedef {(cause: any) => any} Failure */

/** @type {Failure} */
function disconnected(cause) {
  const error = new TypeError(DISCONNECTED, { cause });
  /** @type {any} */ (error).retryable = true;
  return error;
}

/** The error of a socket that came over RPC. @type {Failure} */
const asItCame = (cause) => cause;

/** A promise whose failure nobody has to look at. */
function quietly() {
  const made = PromiseWithResolvers();
  PromisePrototypeThen(made.promise, undefined, doNothing);
  return made;
}

/** Waits until all that the speaking object has written is durable. */
async function outputGate() {
  const handle = currentHandle();
  if (handle !== null && !op_output_open(handle)) await op_output_wait(handle);
}

/**
 * A socket for a connection within the process that is being opened.
 * @type {(address: import("./tcp_address.js").Address, options: import("./tcp_address.js").Options, connection: Promise<any>) => Socket}
 */
export let openWithin;
/** A socket for the handler of such a connection. @type {(address: import("./tcp_address.js").Address, native: any) => Socket} */
export let acceptWithin;
/** @type {(socket: Socket) => Promise<void>} */
export let finish;
/** @typedef {{ address: import("./tcp_address.js").Address, options: import("./tcp_address.js").Options, isIncoming: boolean }} Described */
/** What a socket's receiver is told; from then on its streams are the receiver's. @type {(socket: Socket) => Described & { readable: any, writable: any }} */
export let passOn;
/** The receiver's socket. @type {(described: Described, streams: PassedStreams) => Socket} */
export let receivePassed;

/** A connection, or one that is being opened. */
export class Socket {
  #address;
  #options;
  #upgraded;
  #opened = quietly();
  #closed = quietly();
  /** The open connection. @type {Promise<any>} */ #connection;
  /** @type {any} */ #native = null;
  #readable;
  #writable;
  /** @type {any} */ #reads;
  /** @type {any} */ #writes;
  /** What a read that is under way ends with. @type {Promise<any> | null} */ #reading = null;
  #isOver = false;
  #isHandedOn = false;
  #isDropped = false;
  /** The event of the worker with which it ends. @type {WorkerEvent | null} */ #event;
  #ending = () => this.#drop();
  #isOpen = false;
  #isClosedHere = false;
  /** Whether its streams went to another object, or came from one. */
  #isPassed = false;
  /** Of a socket that was passed on, the directions that have ended. */
  #directionsEnded = 0;
  /** What a connection to the network has and one within the process has not. */
  #canSecure = true;
  /** Whether somebody else opened it. */
  #isIncoming = false;
  /** @type {Failure} */ #failure = connectionLost;

  /**
   * @param {symbol} token
   * @param {import("./tcp_address.js").Address} address
   * @param {import("./tcp_address.js").Options} options
   * @param {boolean} upgraded
   * @param {Promise<any>} connection
   */
  constructor(token, address, options, upgraded, connection) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#address = address;
    this.#options = options;
    this.#upgraded = upgraded;
    this.#readable = new ReadableStream({
      type: "bytes",
      start: (/** @type {any} */ controller) => void (this.#reads = controller),
      pull: () => this.#pull(),
      cancel: () => this.#endReading(),
    }, { highWaterMark: 0 });
    const { highWaterMark } = options;
    this.#writable = new WritableStream({
      start: (/** @type {any} */ controller) => void (this.#writes = controller),
      write: (/** @type {any} */ chunk) => this.#write(chunk),
      close: () => this.#endWriting(),
      abort: () => this.#endWriting(),
    }, highWaterMark === undefined ? {} : { highWaterMark, size: sizeOf });
    this.#connection = this.#open(connection);
    PromisePrototypeThen(this.#connection, undefined, doNothing);
    const context = currentContext();
    this.#event = context instanceof WorkerEvent ? context : null;
    this.#event?.addEnding(this.#ending);
  }

  get readable() {
    return this.#readable;
  }

  get writable() {
    return this.#writable;
  }

  get closed() {
    return this.#closed.promise;
  }

  get opened() {
    return this.#opened.promise;
  }

  get upgraded() {
    return this.#upgraded;
  }

  get secureTransport() {
    return this.#options.secureTransport;
  }

  /** Closes both directions. */
  async close() {
    this.#isClosedHere = true;
    if (this.#isOver) return;
    this.#readsFail(new TypeError(this.#reading === null ? belongs("ReadableStream") : CLOSED));
    this.#writes.error(new TypeError(this.#writable.locked ? CLOSED : belongs("WritableStream")));
    this.#isOver = true;
    await PromisePrototypeThen(this.#connection, undefined, doNothing);
    this.#drop();
    this.#closed.resolve(undefined);
  }

  /**
   * Goes on with TLS. What follows is said on the socket that is returned.
   * @param {{ expectedServerHostname?: string }} [options]
   */
  startTls(options) {
    if (options !== undefined && (typeof options !== "object" || options === null)) {
      throw new TypeError(
        "Failed to execute 'startTls' on 'Socket': parameter 1 is not of type 'TlsOptions'.",
      );
    }
    if (this.secureTransport === "on") throw new TypeError("Cannot startTls on a TLS socket.");
    const isElsewhere = this.#isHandedOn || this.#isPassed;
    if (isElsewhere && this.#isClosedHere) throw new TypeError(CLOSED_BEFORE_TLS);
    if (isElsewhere) {
      throw new TypeError(
        "startTls has already been called on this socket, or the socket was transferred over RPC.",
      );
    }
    if (this.secureTransport !== "starttls") {
      throw new TypeError(
        "The `secureTransport` socket option must be set to 'starttls' for startTls to be used.",
      );
    }
    if (this.#isOver) {
      throw new TypeError(CLOSED_BEFORE_TLS);
    }
    this.#isHandedOn = true;
    const secure = { ...this.#options, secureTransport: /** @type {const} */ ("on") };
    if (!this.#canSecure) return Socket.#refused(this.#address, secure);
    const host = options?.expectedServerHostname;
    const secured = this.#secure(host === undefined ? this.#address.host : `${host}`);
    return new Socket(INTERNAL, this.#address, secure, false, secured);
  }

  /** @param {string} host */
  async #secure(host) {
    const native = await this.#connection;
    // What was written before goes out as it is.
    if (!this.#writable.locked) await this.#writable.close().catch(doNothing);
    stopReading(native);
    if (this.#reading !== null) await this.#reading;
    this.#isOver = true;
    this.#closed.resolve(undefined);
    return await resumeAfter(op_tcp_secure(native, host));
  }

  /** @param {Promise<any>} connection */
  async #open(connection) {
    try {
      const native = await connection;
      this.#native = native;
      this.#isOpen = true;
      if (this.#isDropped) closeConnection(native);
      const { text } = this.#address;
      this.#opened.resolve(this.#isIncoming ? { localAddress: text } : { remoteAddress: text });
      return native;
    } catch (error) {
      const failure = unreachable(this.#address, error);
      this.#isOver = true;
      this.#opened.reject(failure);
      this.#closed.reject(failure);
      if (this.#reading === null) this.#endReads();
      else this.#readsFail(new Error("Stream was cancelled."));
      this.#writes.error(failure);
      throw failure;
    }
  }

  #drop() {
    this.#isDropped = true;
    this.#event?.removeEnding(this.#ending);
    if (this.#native !== null) closeConnection(this.#native);
  }

  async #pull() {
    const reading = quietly();
    this.#reading = reading.promise;
    try {
      const native = await this.#connection;
      const bytes = native instanceof PassedStreams ? await native.read() : await resumeAfter(op_tcp_read(native));
      if (this.#isOver) return;
      if (bytes !== null) return this.#reads.enqueue(bytes);
      this.#endReads();
      if (!this.#isHandedOn && !this.#options.allowHalfOpen) await this.#endBoth();
    } catch (error) {
      if (this.#isOver) return;
      this.#isOver = true;
      this.#readsFail(this.#failure(error));
      this.#writes.error(this.#failure(error));
      this.#closed.resolve(undefined);
      this.#drop();
    } finally {
      this.#reading = null;
      reading.resolve(undefined);
    }
  }

  #endReads() {
    try {
      this.#reads.close();
      this.#reads.byobRequest?.respond(0);
    } catch {
      // It was cancelled.
    }
  }

  /** @param {any} error */
  #readsFail(error) {
    try {
      this.#reads.error(error);
    } catch {
      // It has ended.
    }
  }

  /** The other side has ended: so does this one, after what was written. */
  async #endBoth() {
    if (this.#isOver) return;
    await writableStreamClose(this.#writable).catch(doNothing);
    this.#isOver = true;
    this.#drop();
    this.#closed.resolve(undefined);
  }

  async #endReading() {
    await PromisePrototypeThen(this.#connection, stopReading, doNothing);
    this.#endDirection();
  }

  /** Nobody else ends the connection of a socket that was passed on. */
  #endDirection() {
    this.#directionsEnded++;
    if (this.#isPassed && this.#directionsEnded === 2) this.#drop();
  }

  /** @param {any} chunk */
  async #write(chunk) {
    if (chunk === undefined) return;
    const bytes = bytesOf(chunk);
    if (bytes === null) throw new TypeError(NO_BYTES);
    const native = await this.#connection;
    await outputGate();
    try {
      if (native instanceof PassedStreams) await native.write(bytes);
      else if (bytes.byteLength > 0) await resumeAfter(op_tcp_write(native, bytes));
    } catch (error) {
      throw this.#isOver ? new TypeError(CLOSED) : this.#failure(error);
    }
  }

  async #endWriting() {
    const native = await this.#connection;
    if (this.#isHandedOn) return;
    await outputGate();
    const ended = native instanceof PassedStreams ? native.shutdown() : op_tcp_shutdown(native);
    await ended.catch(doNothing);
    this.#endDirection();
  }

  /** Ends a connection whose handler has ended: nobody answers it any more. */
  async #finish() {
    await outputGate().catch(doNothing);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#readsFail(disconnected(undefined));
    this.#writes.error(disconnected(undefined));
    this.#drop();
    this.#closed.resolve(undefined);
  }

  /**
   * @param {import("./tcp_address.js").Address} address
   * @param {import("./tcp_address.js").Options} options
   */
  static #refused(address, options) {
    const failure = new Error("startTls() is not supported on this connection.");
    const socket = new Socket(INTERNAL, address, options, false, new Promise(doNothing));
    socket.#isOver = true;
    socket.#opened.reject(failure);
    socket.#closed.reject(failure);
    socket.#readsFail(failure);
    socket.#writes.error(failure);
    return socket;
  }

  static {
    openWithin = (address, options, connection) => {
      const socket = new Socket(INTERNAL, address, options, false, connection);
      socket.#canSecure = false;
      return socket;
    };
    acceptWithin = (address, native) => {
      const options = { secureTransport: /** @type {const} */ ("off"), allowHalfOpen: true, highWaterMark: undefined };
      const socket = new Socket(INTERNAL, address, options, false, PromiseResolve(native));
      socket.#isIncoming = true;
      socket.#failure = disconnected;
      return socket;
    };
    finish = (socket) => socket.#finish();
    passOn = (socket) => {
      if (!socket.#isOpen) throw dataCloneError(NOT_OPEN);
      const { readable, writable } = socket;
      const isUsed = socket.#isOver || isReadableStreamDisturbed(readable);
      if (isUsed && !readable.locked) throw new TypeError("This ReadableStream is disturbed.");
      if (!readable.locked && !writable.locked) socket.#isPassed = true;
      return { address: socket.#address, options: socket.#options, isIncoming: socket.#isIncoming, readable, writable };
    };
    receivePassed = ({ address, options, isIncoming }, streams) => {
      const socket = new Socket(INTERNAL, address, options, false, PromiseResolve(streams));
      socket.#isPassed = true;
      socket.#isIncoming = isIncoming;
      socket.#failure = asItCame;
      return socket;
    };
  }
}
refuseCloning(Socket, () => streamError("Socket"));
tagClass(Socket);

/** @param {any} native */
function stopReading(native) {
  if (native instanceof PassedStreams) native.stopReading();
  else op_tcp_read_stop(native);
}

/** @param {any} native */
function closeConnection(native) {
  if (native instanceof PassedStreams) native.close();
  else op_tcp_close(native);
}

/** @param {any} chunk */
function sizeOf(chunk) {
  return bytesOf(chunk)?.byteLength ?? 0;
}

/**
 * Opens a connection.
 * @param {any} address
 * @param {any} [options]
 */
function connect(address, options) {
  requireHandler();
  const parsed = parseAddress(address);
  const how = parseOptions(options, "SocketsModule");
  return new Socket(INTERNAL, parsed, how, false, dial(parsed, how.secureTransport === "on"));
}

/**
 * @param {import("./tcp_address.js").Address} address
 * @param {boolean} isSecure
 */
async function dial({ host, port }, isSecure) {
  await outputGate();
  return await resumeAfter(op_tcp_open(currentHandle(), host, port, isSecure));
}

function internalNewHttpClient() {
  throw new Error("internalNewHttpClient() is not implemented in Stead yet.");
}

internals.cloudflareSockets = { connect, internalNewHttpClient };
