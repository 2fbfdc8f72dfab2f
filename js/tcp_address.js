// @ts-check
/// <reference path="./types.d.ts" />

// The arguments of `connect()`: where to, and how.
// https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/#connect

import { primordials } from "ext:core/mod.js";

const { BigInt, Error, NumberIsInteger, TypeError } = primordials;

const NOT_VALID =
  "Specified address is empty string, contains unsupported characters or is too long.";
const ADDRESS_LENGTH_MAX = 255;
const PORT_MAX = 65_535;
const NOT_INTEGER = "The value cannot be converted because it is not an integer.";

/**
 * @typedef {object} Address
 * @property {string} text as it was given
 * @property {string} host
 * @property {number} port
 * @property {boolean} isWeb whether HTTP servers listen on such ports
 */

/** @param {any} address @returns {Address} */
export function parseAddress(address) {
  if (address === undefined || address === null) {
    throw new TypeError(
      "Cannot initialize SocketAddress with required members from an undefined or null value.",
    );
  }
  return typeof address === "object" ? fromParts(address) : fromText(`${address}`);
}

/** @param {string} text @returns {Address} */
function fromText(text) {
  if (text === "") throw new TypeError("Specified address is missing hostname.");
  let url;
  try {
    // No scheme that has a port of its own.
    url = new URL(`tcp://${text}`);
    // Hosts are those of the web.
    new URL(`https://${text}`);
  } catch {
    throw new TypeError("Specified address could not be parsed.");
  }
  if (url.hostname === "") throw new TypeError("Specified address is missing hostname.");
  if (url.port === "") throw new TypeError("Specified address is missing port.");
  return checked(text, url.hostname, Number(url.port));
}

/** @param {{ hostname?: any, port?: any }} parts @returns {Address} */
function fromParts({ hostname, port }) {
  const number = Number(port);
  if (!NumberIsInteger(number)) throw new TypeError(NOT_INTEGER);
  if (number > PORT_MAX) {
    throw new TypeError(`Value out of range. Must be less than or equal to ${PORT_MAX}.`);
  }
  if (number < 0) {
    throw new TypeError(
      "The value cannot be converted because it is negative and this API expects a positive number.",
    );
  }
  return checked(`${hostname}:${number}`, `${hostname}`, number);
}

/**
 * @param {string} text
 * @param {string} host
 * @param {number} port
 */
function checked(text, host, port) {
  if (text.length > ADDRESS_LENGTH_MAX || !/^[\w\-.[\]:]+$/.test(text)) {
    throw new TypeError(NOT_VALID);
  }
  return { text, host, port, isWeb: port === 80 || port === 443 };
}

/**
 * @typedef {object} Options
 * @property {"off" | "on" | "starttls"} secureTransport
 * @property {boolean} allowHalfOpen
 * @property {number | undefined} highWaterMark bytes
 */

/**
 * @param {any} options
 * @param {string} owner whose `connect()` is called
 * @returns {Options}
 */
export function parseOptions(options, owner) {
  if (options === null) {
    throw new TypeError(
      "Cannot initialize SocketOptions with required members from an undefined or null value.",
    );
  }
  if (options !== undefined && typeof options !== "object" && typeof options !== "function") {
    throw new TypeError(
      `Failed to execute 'connect' on '${owner}': parameter 2 is not of type 'SocketOptions'.`,
    );
  }
  const secureTransport = options?.secureTransport === undefined ? "off" : `${options.secureTransport}`;
  if (secureTransport !== "off" && secureTransport !== "on" && secureTransport !== "starttls") {
    throw new TypeError(`Unsupported value in secureTransport socket option: ${secureTransport}`);
  }
  return {
    secureTransport,
    allowHalfOpen: Boolean(options?.allowHalfOpen),
    highWaterMark: toBytes(options?.highWaterMark),
  };
}

/** @param {any} value */
function toBytes(value) {
  if (value === undefined) return undefined;
  const number = typeof value === "bigint" ? value : Number(value);
  if (typeof number === "number" && !NumberIsInteger(number)) throw new TypeError(NOT_INTEGER);
  if (BigInt(number) < 0n) {
    throw new TypeError(
      "The value cannot be converted because it is negative and this API expects a positive bigint.",
    );
  }
  return Number(number);
}

/** What is said of an address to which there is no connection. @param {Address} address @param {any} cause */
export function unreachable({ isWeb }, cause) {
  const hint = isWeb
    ? ". It looks like you might be trying to connect to a HTTP-based service \u2014 consider using fetch instead"
    : "";
  const text = `proxy request failed, cannot connect to the specified address${hint}`;
  return new Error(text, { cause });
}
