// @ts-check
/// <reference path="./types.d.ts" />

// WebSockets: pairs, the sockets of objects, and client connections.
// https://developers.cloudflare.com/workers/runtime-apis/websockets/

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { checkOptions, refuseArgument } from "ext:stead/arguments.js";
import { checkAutoText, checkClose, checkProtocols, checkUrl } from "ext:stead/websocket_checks.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { tagClass } from "ext:stead/scope.js";
import { deserialize, DOMException, serialize } from "ext:stead/clone.js";
import { currentContext } from "ext:stead/context.js";
import { currentHandle, resumeAfter } from "ext:stead/record.js";
import { WorkerEvent } from "ext:stead/worker_event.js";
import { reportUncaught } from "ext:stead/errors.js";
import { dispatchWatched } from "ext:stead/listeners.js";

const { CloseEvent, ErrorEvent, Event, EventTarget, MessageEvent } = core.loadExtScript(
  "ext:deno_web/02_event.js",
);
const { Blob } = core.loadExtScript("ext:deno_web/09_file.js");

let {
  op_object_socket_attach,
  op_object_socket_attachment,
  op_object_socket_close,
  op_object_socket_close_sent,
  op_object_socket_send,
  op_socket_accept,
  op_socket_attach,
  op_socket_attachment,
  op_socket_close,
  op_socket_connect,
  op_socket_drop,
  op_socket_next,
  op_socket_pair,
  op_socket_send,
} = core.ops;
bindOps((ops) =>
  ({
    op_object_socket_attach,
    op_object_socket_attachment,
    op_object_socket_close,
    op_object_socket_close_sent,
    op_object_socket_send,
    op_socket_accept,
    op_socket_attach,
    op_socket_attachment,
    op_socket_close,
    op_socket_connect,
    op_socket_drop,
    op_socket_next,
    op_socket_pair,
    op_socket_send,
  } = ops)
);

/** Tells our own calls of the constructor from those of user code. */
const INTERNAL = Symbol("internal");

const CONNECTING = 0;
const OPEN = 1;
const CLOSING = 2;
const CLOSED = 3;

/** What has become of a socket; each is decided once. */
const FRESH = 0; // made, and not yet anybody's
const ACCEPTED = 1; // accept() was called: events go to listeners
const OWNED = 2; // an object accepted it: events go to its handlers
const RETURNED = 3; // returned in a response
const CLIENT = 4; // made by `new WebSocket(url)`

/** What the close() of a socket that went away without a Close frame reports. */
const LOST_CODE = 1006;
const NO_STATUS_CODE = 1005;

// The shim's way into the private parts of WebSocket, set by its static block.
/** A socket for one end. @type {(end: any) => WebSocket} */
export let makeSocket;
/** @type {() => [WebSocket, WebSocket]} */
let makePair;
/** Makes a socket one of an object's. @type {(socket: any, owner: any, number: number) => void} */
export let ownSocket;
/** One of an object's sockets as a new JavaScript value. @type {(owner: any, number: number) => WebSocket} */
export let restoreSocket;
/** @type {(socket: any) => any} */
export let endForObject;
/** @type {(socket: any) => any} */
export let endForResponse;
/** The number of an object's socket; -1 for any other value. @type {(socket: any, owner: any) => number} */
export let socketNumber;
/** @type {(value: any) => boolean} */
export let isSocket;
/** @type {(socket: any, frame: any) => { code: number, reason: string, wasClean: boolean }} */
export let receiveClose;
/** Answers a Close frame that nobody has answered. @type {(socket: any, code: number, reason: string) => void} */
export let replyToClose;
/** @type {(value: any) => boolean} */
export let isAutoResponse;
/** Whether something has become of a socket. @type {(value: any) => boolean} */
export let wasAccepted;

export class WebSocket extends EventTarget {
  #kind = FRESH;
  #readyState = OPEN;
  /** The end of a pair, for all sockets but an object's. @type {any} */
  #end = null;
  /** The other end of the pair, while both are in this isolate. @type {WebSocket | null} */
  #peer = null;
  /** The object and the number of the socket, for an object's sockets. @type {any} */
  #owner = null;
  #number = -1;
  #closeSent = false;
  #closeReceived = false;
  /** Whether a Close frame is left to the code to answer. */
  #halfOpen = false;
  #url = "";
  #protocol = "";
  #binaryType = isOn("websocket_standard_binary_type") ? "blob" : "arraybuffer";

  static CONNECTING = CONNECTING;
  static OPEN = OPEN;
  static CLOSING = CLOSING;
  static CLOSED = CLOSED;
  static READY_STATE_CONNECTING = CONNECTING;
  static READY_STATE_OPEN = OPEN;
  static READY_STATE_CLOSING = CLOSING;
  static READY_STATE_CLOSED = CLOSED;

  /**
   * @param {any} url
   * @param {any} [protocols]
   */
  constructor(url, protocols) {
    super();
    if (url === INTERNAL) {
      this.#end = protocols;
      return;
    }
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to construct 'WebSocket': constructor parameter 1 is not of type 'string'.",
      );
    }
    this.#kind = CLIENT;
    this.#readyState = CONNECTING;
    this.#url = `${url}`;
    checkUrl(this.#url);
    const offered = checkProtocols(protocols);
    requireHandler();
    this.#connect(offered);
  }

  get readyState() {
    return this.#readyState;
  }

  get url() {
    return this.#url === "" ? null : this.#url;
  }

  get protocol() {
    return this.#protocol;
  }

  get extensions() {
    return "";
  }

  get binaryType() {
    return this.#binaryType;
  }

  set binaryType(value) {
    // Any other value is ignored, as of an enumeration of the web platform.
    if (value === "blob" || value === "arraybuffer") this.#binaryType = value;
  }

  /** What was handed over counts as sent: nothing waits on this side. */
  get bufferedAmount() {
    return 0;
  }

  /** @param {{ allowHalfOpen?: boolean }} [options] */
  accept(options) {
    checkOptions("WebSocket", "accept", 1, "AcceptOptions", options);
    switch (this.#kind) {
      case CLIENT:
        throw new TypeError(
          "Websockets obtained from the 'new WebSocket()' constructor cannot call accept",
        );
      case RETURNED:
        throw new TypeError("Can't accept() WebSocket that was already used in a response.");
      case OWNED:
        throw new TypeError("Can't accept() WebSocket after enabling hibernation.");
      case ACCEPTED:
        return;
    }
    this.#kind = ACCEPTED;
    this.#halfOpen = Boolean(options?.allowHalfOpen);
    op_socket_accept(this.#end, currentHandle());
    this.#listen();
  }

  /** @param {any} data */
  send(data) {
    if (arguments.length === 0) {
      refuseArgument("WebSocket", "send", 1, "ArrayBuffer or ArrayBufferView or string");
    }
    if (this.#kind === FRESH || this.#kind === RETURNED) {
      throw new TypeError(
        "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.",
      );
    }
    if (this.#readyState === CONNECTING) {
      throw new DOMException("WebSocket is not open.", "InvalidStateError");
    }
    if (this.#closeSent) throw new TypeError("Can't call WebSocket send() after close().");
    if (this.#readyState === CLOSED) return;
    const payload = toPayload(data);
    if (this.#kind === OWNED) op_object_socket_send(this.#owner.handle, this.#number, payload);
    else op_socket_send(this.#end, payload);
  }

  /**
   * @param {number} [code]
   * @param {string} [reason]
   */
  close(code, reason) {
    code = checkClose(code, reason);
    if (this.#kind === FRESH || this.#kind === RETURNED) {
      throw new TypeError(
        "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.",
      );
    }
    if (this.#closeSent || this.#readyState === CLOSED) return;
    this.#sendClose(code ?? -1, reason === undefined ? "" : `${reason}`);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #sendClose(code, reason) {
    this.#closeSent = true;
    this.#readyState = this.#closeReceived ? CLOSED : CLOSING;
    if (this.#kind === OWNED) op_object_socket_close(this.#owner.handle, this.#number, code, reason);
    else if (this.#end !== null) op_socket_close(this.#end, code, reason);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  #replyToClose(code, reason) {
    if (!this.#closeSent) this.#sendClose(code === NO_STATUS_CODE ? -1 : code, reason);
  }

  /** @param {unknown} value */
  serializeAttachment(value) {
    if (arguments.length === 0) refuseArgument("WebSocket", "serializeAttachment", 1, "Value");
    const bytes = serialize(value);
    if (this.#kind === OWNED) op_object_socket_attach(this.#owner.handle, this.#number, bytes);
    else op_socket_attach(this.#end, bytes);
  }

  deserializeAttachment() {
    const bytes = this.#kind === OWNED
      ? op_object_socket_attachment(this.#owner.handle, this.#number)
      : op_socket_attachment(this.#end);
    return bytes === null || bytes === undefined ? null : deserialize(bytes);
  }

  /** @param {string[]} protocols */
  async #connect(protocols) {
    try {
      const connecting = op_socket_connect(this.#url, protocols, []);
      const [end, protocol] = await resumeAfter(connecting);
      op_socket_accept(end, currentHandle());
      this.#end = end;
      this.#protocol = protocol;
      this.#readyState = OPEN;
    } catch (error) {
      this.#readyState = CLOSED;
      const message = /** @type {any} */ (error).message;
      this.dispatchEvent(new ErrorEvent("error", { error, message }));
      this.dispatchEvent(
        new CloseEvent("close", {
          code: LOST_CODE,
          reason: "Failed to establish websocket connection",
        }),
      );
      return;
    }
    this.dispatchEvent(new Event("open"));
    this.#listen();
  }

  async #listen() {
    const context = currentContext();
    if (context instanceof WorkerEvent) context.hold();
    let goesOn = true;
    while (goesOn) {
      const frame = await resumeAfter(op_socket_next(this.#end));
      // The instance has ended, and its code with it.
      if (frame === undefined) return;
      try {
        goesOn = this.#dispatch(frame);
      } catch (error) {
        reportUncaught(error);
      }
    }
    if (context instanceof WorkerEvent) context.release();
  }

  /**
   * Hands one frame to the listeners; false after the last one.
   * @param {any} frame
   */
  #dispatch(frame) {
    if (typeof frame === "string") return this.#receive(frame);
    if (frame instanceof ArrayBuffer) {
      return this.#receive(this.#binaryType === "blob" ? new Blob([frame]) : frame);
    }
    const { code, reason, wasClean } = this.#receiveClose(frame);
    const replies = !this.#halfOpen && isOn("web_socket_auto_reply_to_close");
    if (wasClean && replies) this.#replyToClose(code, reason);
    if (!wasClean || this.#closeSent) this.#readyState = CLOSED;
    this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean }));
    return false;
  }

  /**
   * Hands a message to the listeners. If one of them throws, nothing more is received, and the
   * other side loses the connection.
   * @param {any} data
   */
  #receive(data) {
    const thrown = dispatchWatched(this, new MessageEvent("message", { data }));
    if (thrown === undefined) return true;
    this.#readyState = CLOSED;
    op_socket_drop(this.#end);
    const { error } = thrown;
    this.dispatchEvent(new ErrorEvent("error", { error, message: uncaughtText(error) }));
    return false;
  }

  /**
   * @param {[number, string] | null} frame
   */
  #receiveClose(frame) {
    const [code, reason] = frame ?? [-2, "WebSocket disconnected without sending Close frame."];
    if (code === -2) {
      this.#readyState = CLOSED;
      return { code: LOST_CODE, reason, wasClean: false };
    }
    this.#closeReceived = true;
    this.#readyState = this.#closeSent ? CLOSED : CLOSING;
    return { code: code === -1 ? NO_STATUS_CODE : code, reason, wasClean: true };
  }

  // What follows is for the modules of the shim: a private name cannot be seen by user code.

  /**
   * @param {any} end
   * @returns {WebSocket}
   */
  static #make(end) {
    return new WebSocket(INTERNAL, end);
  }

  /** @returns {[WebSocket, WebSocket]} */
  static #pair() {
    const [left, right] = op_socket_pair();
    const a = WebSocket.#make(left);
    const b = WebSocket.#make(right);
    a.#peer = b;
    b.#peer = a;
    return [a, b];
  }

  /**
   * @param {WebSocket} socket
   * @param {any} owner
   * @param {number} number
   */
  static #own(socket, owner, number) {
    socket.#kind = OWNED;
    socket.#owner = owner;
    socket.#number = number;
  }

  /**
   * @param {any} owner
   * @param {number} number
   */
  static #restore(owner, number) {
    const socket = WebSocket.#make(null);
    WebSocket.#own(socket, owner, number);
    if (op_object_socket_close_sent(owner.handle, number)) {
      socket.#closeSent = true;
      socket.#readyState = CLOSING;
    }
    return socket;
  }

  /** The end to give to an object. @param {any} socket */
  static #endForObject(socket) {
    if (!(#kind in socket)) throw new TypeError("acceptWebSocket() needs a WebSocket");
    if (socket.#kind === ACCEPTED || socket.#kind === CLIENT || socket.#kind === OWNED) {
      throw new Error(
        "Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`",
      );
    }
    const peer = socket.#peer;
    if (socket.#kind !== FRESH || (peer !== null && peer.#kind !== FRESH)) {
      throw new Error(
        "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
      );
    }
    return socket.#end;
  }

  /** The end to return in a response. @param {any} socket */
  static #endForResponse(socket) {
    switch (socket.#kind) {
      case ACCEPTED:
        throw new TypeError("Can't return WebSocket in a Response after calling accept().");
      case OWNED:
        throw new TypeError(
          "Can't return WebSocket in a Response after calling acceptWebSocket().",
        );
      case CLIENT:
        throw new TypeError(
          "Can't return WebSocket in a Response if it was created with `new WebSocket()`",
        );
      case RETURNED:
        throw new TypeError("Can't return WebSocket that was already used in a response.");
    }
    socket.#kind = RETURNED;
    return socket.#end;
  }

  static {
    makeSocket = WebSocket.#make;
    makePair = WebSocket.#pair;
    ownSocket = WebSocket.#own;
    restoreSocket = WebSocket.#restore;
    endForObject = WebSocket.#endForObject;
    endForResponse = WebSocket.#endForResponse;
    socketNumber = (socket, owner) =>
      typeof socket === "object" && socket !== null && #kind in socket && socket.#kind === OWNED &&
        socket.#owner === owner
        ? socket.#number
        : -1;
    isSocket = (value) => typeof value === "object" && value !== null && #kind in value;
    receiveClose = (socket, frame) => socket.#receiveClose(frame);
    replyToClose = (socket, code, reason) => socket.#replyToClose(code, reason);
    wasAccepted = (value) => isSocket(value) && value.#kind !== FRESH;
  }
}
tagClass(WebSocket);
for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
  for (const key of [name, `READY_STATE_${name}`]) {
    Object.defineProperty(WebSocket.prototype, key, { value, enumerable: true });
  }
}

/** Two connected sockets. */
export class WebSocketPair {
  constructor() {
    requireHandler();
    const [left, right] = makePair();
    this[0] = left;
    this[1] = right;
  }

  *[Symbol.iterator]() {
    yield this[0];
    yield this[1];
  }
}
tagClass(WebSocketPair);

/** A text message and the text with which the platform answers it. */
export class WebSocketRequestResponsePair {
  #request;
  #response;

  /**
   * @param {string} request
   * @param {string} response
   */
  constructor(request, response) {
    for (let index = 0; index < 2; index++) {
      if (arguments.length > index) continue;
      throw new TypeError(
        `Failed to construct 'WebSocketRequestResponsePair': constructor parameter ${index + 1} is not of type 'string'.`,
      );
    }
    this.#request = checkAutoText("Request", `${request}`);
    this.#response = checkAutoText("Response", `${response}`);
  }

  static {
    isAutoResponse = (value) => typeof value === "object" && value !== null && #request in value;
  }

  get request() {
    return this.#request;
  }

  get response() {
    return this.#response;
  }
}
tagClass(WebSocketRequestResponsePair);

/** @param {any} error something that a listener threw */
function uncaughtText(error) {
  try {
    return `Uncaught ${error}`;
  } catch {
    return "Uncaught";
  }
}

/**
 * Text as it is, bytes as a view.
 * @param {any} data
 */
function toPayload(data) {
  if (typeof data === "string" || ArrayBuffer.isView(data)) return data;
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  return `${data}`;
}
