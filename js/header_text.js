// @ts-check
/// <reference path="./types.d.ts" />

// The text of headers that `fetch()` sends and receives.

import { core } from "ext:core/mod.js";

const UNUSUAL = /[^\0-\x7f]/;

/**
 * deno_fetch sends and receives headers as bytes, one for each character; they are UTF-8.
 * @param {{ headerList: [string, string][] }} inner
 * @param {(value: string) => string} recode
 */
export function recodeHeaders(inner, recode) {
  const { headerList } = inner;
  for (let i = 0; i < headerList.length; i++) {
    const [name, value] = headerList[i];
    if (UNUSUAL.test(value)) headerList[i] = [name, recode(value)];
  }
}

/** @param {string} value text */
export function toWire(value) {
  return Array.from(core.encode(value), (byte) => String.fromCharCode(byte)).join("");
}

/** @param {string} value a character for each byte */
export function fromWire(value) {
  return core.decode(Uint8Array.from(value, (character) => character.charCodeAt(0)));
}
