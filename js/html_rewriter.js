// @ts-check
/// <reference path="./types.d.ts" />

// HTMLRewriter: what handlers are given, and the stream that runs them.
// https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/

import { core } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { defineClasses } from "ext:stead/globals.js";
import { Response } from "ext:stead/http.js";
import { guardReceiver } from "ext:stead/receiver.js";
import { tagClass } from "ext:stead/scope.js";
import { bytesOf } from "ext:stead/streams.js";

const { op_html_check_selector, Rewriter } = core.ops;
const { ReadableStream, readableStreamDisturb } = core.loadExtScript(
  "ext:deno_web/06_streams.js",
);

/** What the rewriter says when it needs input. */
const NEEDS_INPUT = -1;
/** Numbers from here on are of streams to be inserted; smaller ones of handlers. */
const FIRST_STREAM = 1 << 24;

/** Tells our own calls of the constructors from those of user code. */
const INTERNAL = Symbol("internal");

const LOCKED = "The ReadableStream has been locked to a reader.";

/** One document that is being rewritten. */
class Rewriting {
  /** The handlers by their numbers. @type {((token: any) => any)[]} */
  #calls = [];
  /** Those numbers whose handlers have run and do not run again. @type {number[]} */
  #free = [];
  /** The streams to be inserted by their numbers. @type {any[]} */
  #streams = [];
  #reader;
  /** What the handler that runs was given. @type {Token | null} */
  current = null;

  /**
   * @param {string} encoding
   * @param {Registration[]} registrations
   * @param {any} reader
   */
  constructor(encoding, registrations, reader) {
    this.#reader = reader;
    const numbered = registrations.map(({ selector, handlers, functions }) => {
      /** @type {Record<string, any>} */
      const numbers = { selector };
      for (const kind of Object.keys(functions)) {
        const Kind = TOKENS[kind];
        numbers[kind] = this.#calls.push(() => {
          this.current = new Kind(INTERNAL, this);
          return Reflect.apply(functions[kind], handlers, [this.current]);
        }) - 1;
      }
      return numbers;
    });
    this.native = new Rewriter(encoding, numbered);
  }

  /**
   * The number of a handler of an element's end.
   * @param {(tag: EndTag) => any} callback
   */
  addEndTag(callback) {
    const number = this.#free.pop() ?? this.#calls.length;
    this.#calls[number] = () => {
      const tag = new EndTag(INTERNAL, this);
      this.current = tag;
      this.#free.push(number);
      return callback(tag);
    };
    return number;
  }

  /** @param {any} reader */
  addStream(reader) {
    return this.#streams.push(reader) - 1;
  }

  /** The rewritten document, piece by piece. */
  async *run() {
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        const bytes = done ? null : bytesOf(value);
        if (!done && bytes === null) throw new TypeError("This ReadableStream did not return bytes.");
        let number = bytes === null ? this.native.end() : this.native.write(bytes);
        while (number >= 0) {
          if (number >= FIRST_STREAM) yield* this.#insert(this.#streams[number - FIRST_STREAM]);
          else yield* this.#handle(number);
          number = this.native.handled();
        }
        const output = this.native.output();
        if (output.byteLength > 0) yield output;
        if (number !== NEEDS_INPUT) return;
      }
    } catch (error) {
      this.#reader.cancel(error).catch(() => {});
      throw error;
    } finally {
      this.current = null;
      this.native.abandon();
    }
  }

  /**
   * Runs a handler. What was rewritten before goes out if the handler waits.
   * @param {number} number
   */
  async *#handle(number) {
    const result = this.#calls[number](undefined);
    if (result !== null && typeof result === "object" && typeof result.then === "function") {
      const output = this.native.output();
      if (output.byteLength > 0) yield output;
      await result;
    }
    this.current = null;
  }

  /** @param {any} reader */
  async *#insert(reader) {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const bytes = bytesOf(value);
      if (bytes === null) throw new TypeError("This ReadableStream did not return bytes.");
      this.native.writeStream(bytes);
      const output = this.native.output();
      if (output.byteLength > 0) yield output;
    }
  }
}

/** What a handler is given. It is of no use once the handler has ended. */
class Token {
  #rewriting;

  /**
   * @param {symbol} token
   * @param {Rewriting} rewriting
   */
  constructor(token, rewriting) {
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#rewriting = rewriting;
  }

  /** @param {any} token */
  static rewriting(token) {
    const rewriting = token.#rewriting;
    if (rewriting.current !== token) {
      throw new TypeError(
        "This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.",
      );
    }
    return rewriting;
  }
}

/** @param {any} token */
function nativeOf(token) {
  return Token.rewriting(token).native;
}

/**
 * @param {any} token
 * @param {string} method
 * @param {string} place
 * @param {any} content
 * @param {{ html?: boolean } | undefined} options
 */
function insert(token, method, place, content, options) {
  if (content === undefined) {
    const owner = token.constructor.name;
    refuseArgument(owner, method, 1, "string or JsReadableStream or Response");
  }
  const rewriting = Token.rewriting(token);
  const html = Boolean(options?.html);
  const source = content instanceof Response ? content.body ?? "" : content;
  if (source instanceof ReadableStream) {
    if (source.locked) throw new TypeError(LOCKED);
    rewriting.native.insertStream(place, rewriting.addStream(source.getReader()), html);
  } else {
    rewriting.native.insert(place, `${source}`, html);
  }
  return token;
}

/**
 * @param {string} method
 * @param {string} [place]
 */
function inserter(method, place = method) {
  return {
    /** @this {any} @param {any} content @param {any} [options] */
    [method](content, options) {
      return insert(this, method, place, content, options);
    },
  }[method];
}

/**
 * @param {{ prototype: object }} constructor
 * @param {Record<string, Function>} members
 */
function define({ prototype }, members) {
  for (const name of Object.keys(members)) {
    Object.defineProperty(prototype, name, {
      value: members[name],
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}

/** @this {any} */
function remove() {
  nativeOf(this).remove();
  return this;
}

class Element extends Token {
  get tagName() {
    return nativeOf(this).tagName();
  }

  set tagName(name) {
    nativeOf(this).setTagName(`${name}`);
  }

  get attributes() {
    return new AttributesIterator(INTERNAL, this, nativeOf(this).attributes());
  }

  get removed() {
    return nativeOf(this).removed();
  }

  get namespaceURI() {
    return nativeOf(this).namespaceUri();
  }

  /** @param {string} name */
  getAttribute(name) {
    if (arguments.length < 1) refuseArgument("Element", "getAttribute", 1, "string");
    return nativeOf(this).attribute(`${name}`);
  }

  /** @param {string} name */
  hasAttribute(name) {
    if (arguments.length < 1) refuseArgument("Element", "hasAttribute", 1, "string");
    return nativeOf(this).hasAttribute(`${name}`);
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  setAttribute(name, value) {
    const { length } = arguments;
    if (length < 2) refuseArgument("Element", "setAttribute", length + 1, "string");
    nativeOf(this).setAttribute(`${name}`, `${value}`);
    return this;
  }

  /** @param {string} name */
  removeAttribute(name) {
    if (arguments.length < 1) refuseArgument("Element", "removeAttribute", 1, "string");
    nativeOf(this).removeAttribute(`${name}`);
    return this;
  }

  removeAndKeepContent() {
    nativeOf(this).removeAndKeepContent();
    return this;
  }

  /** @param {(tag: EndTag) => any} callback */
  onEndTag(callback) {
    if (typeof callback !== "function") refuseArgument("Element", "onEndTag", 1, "function");
    const rewriting = Token.rewriting(this);
    rewriting.native.onEndTag(rewriting.addEndTag(callback));
  }
}
define(Element, {
  before: inserter("before"),
  after: inserter("after"),
  prepend: inserter("prepend"),
  append: inserter("append"),
  replace: inserter("replace"),
  setInnerContent: inserter("setInnerContent", "inner"),
  remove,
});

class AttributesIterator extends /** @type {any} */ (Iterator) {
  #element;
  /** Names and values in turn. */
  #list;
  #at = 0;

  /**
   * @param {symbol} token
   * @param {Element} element
   * @param {string[]} list
   */
  constructor(token, element, list) {
    super();
    if (token !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#element = element;
    this.#list = list;
  }

  next() {
    Token.rewriting(this.#element);
    if (this.#at >= this.#list.length) return { done: true, value: undefined };
    const value = [this.#list[this.#at], this.#list[this.#at + 1]];
    this.#at += 2;
    return { done: false, value };
  }
}

class EndTag extends Token {
  get name() {
    return nativeOf(this).tagName();
  }

  set name(name) {
    nativeOf(this).setTagName(`${name}`);
  }
}
define(EndTag, { before: inserter("before"), after: inserter("after"), remove });

class Comment extends Token {
  get text() {
    return nativeOf(this).text();
  }

  set text(text) {
    nativeOf(this).setComment(`${text}`);
  }

  get removed() {
    return nativeOf(this).removed();
  }
}

class Text extends Token {
  get text() {
    return nativeOf(this).text();
  }

  get lastInTextNode() {
    return nativeOf(this).lastInTextNode();
  }

  get removed() {
    return nativeOf(this).removed();
  }
}
for (const constructor of [Comment, Text]) {
  define(constructor, {
    before: inserter("before"),
    after: inserter("after"),
    replace: inserter("replace"),
    remove,
  });
}

class Doctype extends Token {
  get name() {
    return nativeOf(this).doctype()[0];
  }

  get publicId() {
    return nativeOf(this).doctype()[1];
  }

  get systemId() {
    return nativeOf(this).doctype()[2];
  }
}

class DocumentEnd extends Token {
  /**
   * @param {string} content
   * @param {{ html?: boolean }} [options]
   */
  append(content, options) {
    if (content === undefined) refuseArgument("DocumentEnd", "append", 1, "string");
    nativeOf(this).insert("append", `${content}`, Boolean(options?.html));
    return this;
  }
}

/** @type {Record<string, any>} */
const TOKENS = { element: Element, comments: Comment, text: Text, doctype: Doctype, end: DocumentEnd };
for (const constructor of [Element, EndTag, Comment, Text, Doctype, DocumentEnd, AttributesIterator]) {
  tagClass(constructor);
}

/**
 * @typedef {object} Registration
 * @property {string | null} selector none for the document
 * @property {any} handlers the object of which they are methods
 * @property {Record<string, Function>} functions
 */

/**
 * @param {any} handlers
 * @param {string} type
 * @param {string[]} kinds
 */
function functionsOf(handlers, type, kinds) {
  /** @type {Record<string, Function>} */
  const functions = {};
  for (const kind of kinds) {
    const given = handlers[kind];
    if (given === undefined) continue;
    if (typeof given !== "function") {
      throw new TypeError(
        `Incorrect type for the '${kind}' field on '${type}': the provided value is not of type 'function'.`,
      );
    }
    functions[kind] = given;
  }
  return functions;
}

/** @param {unknown} value */
function isObject(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

export class HTMLRewriter {
  /** @type {Registration[]} */
  #registrations = [];

  /**
   * @param {string} selector
   * @param {any} handlers
   */
  on(selector, handlers) {
    if (arguments.length < 1) refuseArgument("HTMLRewriter", "on", 1, "string");
    if (!isObject(handlers)) refuseArgument("HTMLRewriter", "on", 2, "ElementContentHandlers");
    const text = `${selector}`;
    op_html_check_selector(text);
    const kinds = ["element", "comments", "text"];
    const functions = functionsOf(handlers, "ElementContentHandlers", kinds);
    this.#registrations.push({ selector: text, handlers, functions });
    return this;
  }

  /** @param {any} handlers */
  onDocument(handlers) {
    if (!isObject(handlers)) {
      refuseArgument("HTMLRewriter", "onDocument", 1, "DocumentContentHandlers");
    }
    const kinds = ["doctype", "comments", "text", "end"];
    const functions = functionsOf(handlers, "DocumentContentHandlers", kinds);
    this.#registrations.push({ selector: null, handlers, functions });
    return this;
  }

  /** @param {any} response */
  transform(response) {
    if (!(response instanceof Response)) refuseArgument("HTMLRewriter", "transform", 1, "Response");
    const { body } = response;
    if (body === null) return response;
    if (response.bodyUsed || body.locked) throw new TypeError(LOCKED);
    const [, charset] = /;\s*charset\s*=\s*"?([^\s;"]+)/i.exec(response.headers.get("content-type") ?? "") ?? [];
    const reader = body.getReader();
    // Rewriting has begun, though nothing was read yet.
    readableStreamDisturb(body);
    const rewriting = new Rewriting(charset ?? "utf-8", this.#registrations, reader);
    const made = new Response(streamOf(rewriting, reader), response);
    // The length is another one.
    made.headers.delete("content-length");
    return made;
  }
}
tagClass(HTMLRewriter);
guardReceiver(HTMLRewriter);
defineClasses({ HTMLRewriter });

/**
 * @param {Rewriting} rewriting
 * @param {any} reader
 */
function streamOf(rewriting, reader) {
  const pieces = rewriting.run();
  return new ReadableStream({
    type: "bytes",
    /** @param {any} controller */
    async pull(controller) {
      const { done, value } = await pieces.next();
      if (!done) return controller.enqueue(value);
      controller.close();
      controller.byobRequest?.respond(0);
    },
    /** @param {any} reason */
    async cancel(reason) {
      pieces.return(undefined).catch(() => {});
      await reader.cancel(reason);
    },
    // Handlers begin to run before anybody reads.
  }, { highWaterMark: 1 });
}
