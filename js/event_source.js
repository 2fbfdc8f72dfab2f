// @ts-check
/// <reference path="./types.d.ts" />

// Server-sent events, from an address or from a stream.
// https://developers.cloudflare.com/workers/runtime-apis/eventsource/

import { core } from "ext:core/mod.js";
import { AbortController } from "ext:stead/abort.js";
import { defineClasses } from "ext:stead/globals.js";
import { requireHandler } from "ext:stead/global_scope.js";
import { fetch } from "ext:stead/http.js";
import { tagClass } from "ext:stead/scope.js";
import { bytesOf } from "ext:stead/streams.js";
import { clearTimeout, setTimeout } from "ext:stead/timers.js";

const { ErrorEvent, Event, EventTarget, MessageEvent } = core.loadExtScript("ext:deno_web/02_event.js");
const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { TextDecoder } = core.loadExtScript("ext:deno_web/08_text_encoding.js");
const { ReadableStream } = core.loadExtScript("ext:deno_web/06_streams.js");

const STATES = { CONNECTING: 0, OPEN: 1, CLOSED: 2 };
/** How long to wait before another attempt if the server does not say. */
const RECONNECT_MS = 2000;
/** What one event may have before it ends. */
const EVENT_CHARACTERS_MAX = 16 * 1024 * 1024;

/** Shown by `EventSource.from()`. */
const OF_STREAM = Symbol("of a stream");

/** Takes a stream of text apart into events. */
class Parser {
  #rest = "";
  #isFirst = true;
  #type = "";
  /** @type {string[]} */
  #data = [];
  #size = 0;
  lastId = "";
  /** What the server said. @type {number | null} */
  waitMs = null;

  /**
   * @param {string} text
   * @returns {Generator<{ type: string, data: string, lastEventId: string }>}
   */
  *push(text) {
    if (this.#isFirst && text !== "") {
      this.#isFirst = false;
      if (text[0] === "\uFEFF") text = text.slice(1);
    }
    this.#rest += text;
    for (;;) {
      const { index, 0: end } = /\r\n|\n|\r(?!$)/.exec(this.#rest) ?? { index: -1, 0: "" };
      if (index < 0) break;
      const line = this.#rest.slice(0, index);
      this.#rest = this.#rest.slice(index + end.length);
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0) yield this.#take();
      else this.#type = "";
    }
    if (this.#rest.length + this.#size > EVENT_CHARACTERS_MAX) {
      throw new RangeError("an event of an EventSource is too large");
    }
  }

  #take() {
    const event = { type: this.#type || "message", data: this.#data.join("\n"), lastEventId: this.lastId };
    this.#type = "";
    this.#data = [];
    this.#size = 0;
    return event;
  }

  /** @param {string} line */
  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") this.#type = value;
    else if (name === "data") {
      this.#data.push(value);
      this.#size += value.length;
    } else if (name === "id" && !value.includes("\0")) this.lastId = value;
    else if (name === "retry" && /^\d+$/.test(value)) this.waitMs = Number(value);
  }
}

export class EventSource extends EventTarget {
  #url = "";
  #state = STATES.CONNECTING;
  #lastId = "";
  #waitMs = RECONNECT_MS;
  #aborter = new AbortController();
  /** @type {any} */
  #fetcher = null;
  /** @type {number | undefined} */
  #timer;
  /** What is assigned to `onopen` and the like. @type {Record<string, any>} */
  #assigned = { open: null, message: null, error: null };

  /**
   * @param {any} url
   * @param {any} [init]
   */
  constructor(url, init) {
    super();
    if (arguments.length === 0) {
      throw new TypeError(
        "Failed to construct 'EventSource': constructor parameter 1 is not of type 'string'.",
      );
    }
    for (const type of Object.keys(this.#assigned)) {
      this.addEventListener(type, (/** @type {any} */ event) => this.#assigned[type]?.call(this, event));
    }
    if (url === OF_STREAM) return;
    requireHandler();
    if (!URL.canParse(`${url}`)) {
      throw new DOMException(
        `Cannot open an EventSource to '${url}'. The URL is invalid.`,
        "SyntaxError",
      );
    }
    if (init?.withCredentials) {
      throw new DOMException(
        "The init.withCredentials option is not supported. It must be false or undefined.",
        "NotSupportedError",
      );
    }
    this.#url = new URL(`${url}`).href;
    this.#fetcher = init?.fetcher ?? null;
    this.#connect();
  }

  /**
   * The events of a stream.
   * @param {any} stream
   */
  static from(stream) {
    if (!(stream instanceof ReadableStream)) {
      throw new TypeError(
        "Failed to execute 'from' on 'EventSource': parameter 1 is not of type 'JsReadableStream'.",
      );
    }
    const source = /** @type {any} */ (new EventSource(OF_STREAM));
    source.#state = STATES.OPEN;
    source.#readOnce(stream);
    return source;
  }

  get url() {
    return this.#url;
  }

  get readyState() {
    return this.#state;
  }

  get withCredentials() {
    return false;
  }

  get onopen() {
    return this.#assigned.open;
  }

  set onopen(callback) {
    this.#assigned.open = callback;
  }

  get onmessage() {
    return this.#assigned.message;
  }

  set onmessage(callback) {
    this.#assigned.message = callback;
  }

  get onerror() {
    return this.#assigned.error;
  }

  set onerror(callback) {
    this.#assigned.error = callback;
  }

  close() {
    this.#state = STATES.CLOSED;
    this.#aborter.abort();
    if (this.#timer !== undefined) clearTimeout(this.#timer);
  }

  [Symbol.dispose]() {
    this.close();
  }

  /** Asks the server, and again when the connection ends, until somebody closes this. */
  async #connect() {
    const headers = { accept: "text/event-stream", "cache-control": "no-cache" };
    if (this.#lastId !== "") Object.assign(headers, { "last-event-id": this.#lastId });
    const init = { headers, signal: this.#aborter.signal };
    try {
      const answer = this.#fetcher === null ? await fetch(this.#url, init) : await this.#fetcher.fetch(this.#url, init);
      const type = answer.headers.get("content-type") ?? "";
      if (answer.status !== 200 || !/^text\/event-stream\b/i.test(type) || answer.body === null) {
        answer.body?.cancel().catch(() => {});
        return this.#fail("The server did not answer with a stream of events.");
      }
      if (this.#state === STATES.CLOSED) return;
      this.#state = STATES.OPEN;
      this.dispatchEvent(new Event("open"));
      await this.#read(answer.body);
    } catch {
      // The connection is lost, or was never made: another one follows.
    }
    if (this.#state === STATES.CLOSED) return;
    this.#state = STATES.CONNECTING;
    this.dispatchEvent(new ErrorEvent("error"));
    if (this.#state === STATES.CLOSED) return;
    this.#timer = setTimeout(() => this.#connect(), this.#waitMs);
  }

  /** @param {any} stream */
  async #readOnce(stream) {
    let message = "";
    try {
      await this.#read(stream);
    } catch (error) {
      message = String(/** @type {any} */ (error)?.message ?? error);
    }
    if (this.#state !== STATES.CLOSED) this.#fail(message);
  }

  /** @param {string} message */
  #fail(message) {
    this.#state = STATES.CLOSED;
    this.dispatchEvent(new ErrorEvent("error", { message }));
  }

  /** @param {any} stream */
  async #read(stream) {
    const reader = stream.getReader();
    const decoder = new TextDecoder();
    const parser = new Parser();
    parser.lastId = this.#lastId;
    const origin = this.#url === "" ? "" : new URL(this.#url).origin;
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      if (this.#state === STATES.CLOSED) return void reader.cancel().catch(() => {});
      for (const { type, data, lastEventId } of parser.push(decoder.decode(bytesOf(value), { stream: true }))) {
        this.#lastId = lastEventId;
        this.dispatchEvent(new MessageEvent(type, { data, lastEventId, origin }));
      }
      if (parser.waitMs !== null) this.#waitMs = parser.waitMs;
    }
  }
}
for (const target of [EventSource, EventSource.prototype]) {
  for (const [name, value] of Object.entries(STATES)) {
    Object.defineProperty(target, name, { value, enumerable: true });
  }
}
tagClass(EventSource);
defineClasses({ EventSource });
