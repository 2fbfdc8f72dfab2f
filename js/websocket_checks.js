// @ts-check
/// <reference path="./types.d.ts" />

// What WebSockets refuse of what they are given, in the platform's words.

import { isOn } from "ext:stead/compatibility.js";
import { toInteger } from "ext:stead/arguments.js";
import { DOMException } from "ext:stead/clone.js";

const REASON_BYTES_MAX = 123;
/** Of an automatic answer's request and of its response. */
const AUTO_BYTES_MAX = 2048;

const encoder = new TextEncoder();

/**
 * @param {string} what
 * @param {string} text
 */
export function checkAutoText(what, text) {
  const { length } = encoder.encode(text);
  if (length > AUTO_BYTES_MAX) {
    throw new RangeError(
      `${what} cannot be larger than ${AUTO_BYTES_MAX} bytes. A ${what.toLowerCase()} of size ${length} was provided.`,
    );
  }
  return text;
}

/** @param {string} url */
export function checkUrl(url) {
  let parsed;
  try {
    parsed = new URL(url);
  } catch {
    throw new DOMException("WebSocket Constructor: The url is invalid.", "SyntaxError");
  }
  if (parsed.protocol !== "ws:" && parsed.protocol !== "wss:") {
    throw new DOMException(
      "WebSocket Constructor: The url scheme must be ws or wss.",
      "SyntaxError",
    );
  }
  if (parsed.href.includes("#")) {
    throw new DOMException(
      "WebSocket Constructor: The url fragment must be empty.",
      "SyntaxError",
    );
  }
}

const TOKEN = /^[!#$%&'*+\-.^_`|~\w]+$/;

/** @param {any} protocols */
export function checkProtocols(protocols) {
  if (protocols === undefined) return [];
  const several = Array.isArray(protocols);
  const list = several ? protocols.map(String) : [`${protocols}`];
  if (new Set(list).size !== list.length) {
    throw new DOMException(
      "WebSocket Constructor: The protocols header cannot have repeating values.",
      "SyntaxError",
    );
  }
  if (list.some((protocol) => !TOKEN.test(protocol))) {
    const which = several ? "One of the protocol header tokens" : "The protocol header token";
    throw new DOMException(`WebSocket Constructor: ${which} is invalid.`, "SyntaxError");
  }
  return list;
}

/**
 * @param {any} code
 * @param {any} reason
 * @returns {number | undefined} the code as a number
 */
export function checkClose(code, reason) {
  if (code === undefined) {
    if (reason !== undefined) {
      throw new DOMException(
        "If you specify a WebSocket close reason, you must also specify a code.",
        "InvalidAccessError",
      );
    }
    return undefined;
  }
  const number = toInteger(code);
  const reserved = number === 1004 || number === 1005 || number === 1006 || number === 1015;
  if (!(number >= 1000 && number <= 4999) || reserved) {
    throw new DOMException(`Invalid WebSocket close code: ${number}.`, "InvalidAccessError");
  }
  const isBounded = isOn("websocket_close_reason_byte_limit");
  if (isBounded && reason !== undefined && encoder.encode(`${reason}`).length > REASON_BYTES_MAX) {
    throw new DOMException(
      "WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.",
      "SyntaxError",
    );
  }
  return number;
}
