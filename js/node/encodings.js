// @ts-check

// Node's encodings: text to bytes and back.

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

/** How many characters String.fromCharCode takes at once. */
const CHARACTERS_MAX = 8192;

/**
 * The encoding that a name means, in any spelling; undefined if none.
 * @param {any} name
 */
export function normalize(name) {
  switch (name) {
    case undefined:
    case null:
    case "":
    case "utf8":
    case "utf-8":
      return "utf8";
    case "hex":
    case "base64":
    case "base64url":
    case "latin1":
    case "ascii":
      return name;
  }
  switch (String(name).toLowerCase()) {
    case "utf8":
    case "utf-8":
      return "utf8";
    case "ucs2":
    case "ucs-2":
    case "utf16le":
    case "utf-16le":
      return "utf16le";
    case "latin1":
    case "binary":
      return "latin1";
    case "hex":
      return "hex";
    case "base64":
      return "base64";
    case "base64url":
      return "base64url";
    case "ascii":
      return "ascii";
  }
  return undefined;
}

/** @param {string} text */
function fromHex(text) {
  const length = text.length & ~1;
  // Bytes up to the first that is none.
  const valid = /** @type {RegExpExecArray} */ (/^(?:[0-9a-f]{2})*/i.exec(text.slice(0, length)))[0];
  return /** @type {any} */ (Uint8Array).fromHex(valid);
}

/**
 * What is no letter of base64 is passed over; the padding ends the text.
 * @param {string} text
 */
function fromBase64(text) {
  try {
    return /** @type {any} */ (Uint8Array).fromBase64(text);
  } catch {
    const end = text.indexOf("=");
    let clean = (end === -1 ? text : text.slice(0, end)).replaceAll("-", "+").replaceAll("_", "/");
    clean = clean.replace(/[^A-Za-z0-9+/]/g, "");
    if (clean.length % 4 === 1) clean = clean.slice(0, -1);
    return /** @type {any} */ (Uint8Array).fromBase64(clean);
  }
}

/**
 * @param {string} text
 * @param {string} encoding a normalized one
 * @returns {Uint8Array}
 */
export function toBytes(text, encoding) {
  switch (encoding) {
    case "utf8":
      return encoder.encode(text);
    case "hex":
      return fromHex(text);
    case "base64":
    case "base64url":
      return fromBase64(text);
    case "utf16le": {
      const bytes = new Uint8Array(text.length * 2);
      for (let i = 0; i < text.length; i++) {
        const unit = text.charCodeAt(i);
        bytes[2 * i] = unit;
        bytes[2 * i + 1] = unit >> 8;
      }
      return bytes;
    }
    default: {
      const bytes = new Uint8Array(text.length);
      for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
      return bytes;
    }
  }
}

/** @param {Uint8Array} bytes @param {number} mask */
function characters(bytes, mask) {
  let text = "";
  for (let at = 0; at < bytes.length; at += CHARACTERS_MAX) {
    const part = bytes.subarray(at, at + CHARACTERS_MAX);
    text += String.fromCharCode(...(mask === 0xff ? part : Uint8Array.prototype.map.call(part, (byte) => byte & mask)));
  }
  return text;
}

/** @param {Uint8Array} bytes */
function utf16Text(bytes) {
  const even = bytes.length & ~1;
  // A lone surrogate stays one, which a decoder of the web would replace.
  let text = "";
  for (let at = 0; at < even; at += 2 * CHARACTERS_MAX) {
    const units = [];
    for (let i = at; i < Math.min(even, at + 2 * CHARACTERS_MAX); i += 2) units.push(bytes[i] | (bytes[i + 1] << 8));
    text += String.fromCharCode(...units);
  }
  return text;
}

/**
 * @param {any} bytes a Uint8Array
 * @param {string} encoding a normalized one
 * @returns {string}
 */
export function toText(bytes, encoding) {
  const plain = bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (encoding) {
    case "utf8":
      return utf8.decode(plain);
    case "hex":
      return plain.toHex();
    case "base64":
      return plain.toBase64();
    case "base64url":
      return plain.toBase64({ alphabet: "base64url", omitPadding: true });
    case "utf16le":
      return utf16Text(plain);
    case "ascii":
      return characters(plain, 0x7f);
    default:
      return characters(plain, 0xff);
  }
}

/**
 * How many bytes a text has.
 * @param {string} text
 * @param {string} encoding a normalized one
 */
export function byteCount(text, encoding) {
  switch (encoding) {
    case "utf8":
      return encoder.encode(text).length;
    case "utf16le":
      return text.length * 2;
    case "hex":
      return text.length >>> 1;
    case "base64":
    case "base64url": {
      let length = text.length;
      if (text.endsWith("==")) length -= 2;
      else if (text.endsWith("=")) length -= 1;
      return (length * 3) >>> 2;
    }
    default:
      return text.length;
  }
}


