// @ts-check

// The module `node:string_decoder`: bytes in pieces to text, without tearing characters.
// https://nodejs.org/api/string_decoder.html

import { Buffer } from "node:buffer";
import { normalize, toText } from "./encodings.js";
import { invalidType, unknownEncoding } from "./errors.js";

/** How many bytes at the end are the beginning of a character. @param {any} bytes @param {string} encoding */
function incomplete(bytes, encoding) {
  const { length } = bytes;
  switch (encoding) {
    case "utf8":
      for (let back = 1; back <= Math.min(3, length); back++) {
        const byte = bytes[length - back];
        if ((byte & 0xc0) === 0x80) continue;
        const needs = byte >= 0xf0 && byte <= 0xf4 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 1;
        return byte < 0xf5 && needs > back ? back : 0;
      }
      return 0;
    case "utf16le": {
      const odd = length % 2;
      const last = length - odd >= 2 ? bytes[length - odd - 1] : 0;
      return last >= 0xd8 && last <= 0xdb ? odd + 2 : odd;
    }
    case "base64":
    case "base64url":
      return length % 3;
    default:
      return 0;
  }
}

/** @this {any} @param {any} encoding */
export function StringDecoder(encoding) {
  const known = normalize(encoding);
  if (known === undefined) throw unknownEncoding(encoding);
  this.encoding = known;
  this._rest = Buffer.alloc(0);
}

/** @param {any} input */
StringDecoder.prototype.write = function write(input) {
  if (typeof input === "string") return input;
  if (!ArrayBuffer.isView(input)) throw invalidType("buf", ["Buffer", "TypedArray", "DataView"], input);
  const bytes = new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
  const all = this._rest.length === 0 ? bytes : Buffer.concat([this._rest, bytes]);
  const whole = all.length - incomplete(all, this.encoding);
  this._rest = Buffer.from(all.subarray(whole));
  return whole === 0 ? "" : toText(all.subarray(0, whole), this.encoding);
};

/** @param {any} [input] */
StringDecoder.prototype.end = function end(input) {
  const text = input === undefined ? "" : this.write(input);
  const rest = this._rest;
  this._rest = Buffer.alloc(0);
  return rest.length === 0 ? text : text + toText(rest, this.encoding);
};

/** @param {any} input @param {number} offset */
StringDecoder.prototype.text = function text(input, offset) {
  this._rest = Buffer.alloc(0);
  return this.write(input.subarray(offset));
};

export default { StringDecoder };
