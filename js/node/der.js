// @ts-check

// As much of DER and PEM as keys need.
// https://www.rfc-editor.org/rfc/rfc7468

import { Buffer } from "node:buffer";
import { coded } from "./errors.js";

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;

/** What keys are, by the object identifiers in them. */
export const OIDS = { rsa: "2a864886f70d010101", "rsa-pss": "2a864886f70d01010a", ec: "2a8648ce3d0201", ed25519: "2b6570", x25519: "2b656e" };
export const CURVES = { "P-256": "2a8648ce3d030107", "P-384": "2b81040022", "P-521": "2b81040023", secp256k1: "2b8104000a" };

/** @param {number} tag @param {Uint8Array[]} parts */
export function encode(tag, ...parts) {
  const content = Buffer.concat(parts);
  const { length } = content;
  const size = length < 128 ? [length] : length < 256 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...size]), content]);
}

/**
 * The value at the beginning of some bytes.
 * @param {any} bytes
 * @returns {{ tag: number, content: any, rest: any }}
 */
export function decode(bytes) {
  const [tag, first] = bytes;
  const count = first < 128 ? 0 : first & 0x7f;
  const start = 2 + count;
  if (first === undefined || first === 128 || count > 4 || bytes.length < start) throw unreadable();
  const length = count === 0 ? first : bytes.readUIntBE(2, count);
  if (bytes.length < start + length) throw unreadable();
  return { tag, content: bytes.subarray(start, start + length), rest: bytes.subarray(start + length) };
}

/** All values in a sequence. @param {any} bytes @returns {{ tag: number, content: any, rest: any, whole: any }[]} */
export function items(bytes) {
  const { tag, content } = decode(bytes);
  if (tag !== SEQUENCE) throw unreadable();
  const found = [];
  for (let rest = content; rest.length > 0;) {
    const one = decode(rest);
    found.push({ ...one, whole: rest.subarray(0, rest.length - one.rest.length) });
    rest = one.rest;
  }
  return found;
}

export function unreadable() {
  return coded(Error, "ERR_OSSL_UNSUPPORTED", "error:1E08010C:DECODER routines::unsupported");
}

/** A private key in the form that all are kept in. @param {"rsa" | "ec"} kind @param {any} parameters @param {any} inner */
function pkcs8(kind, parameters, inner) {
  const algorithm = encode(SEQUENCE, oid(OIDS[kind]), parameters);
  return encode(SEQUENCE, Buffer.from([INTEGER, 1, 0]), algorithm, encode(OCTETS, inner));
}

export const NULL = Buffer.from([5, 0]);

/** @param {string} hex */
export const oid = (hex) => encode(0x06, Buffer.from(hex, "hex"));

/** From the older forms of private keys. @param {string} form @param {any} der */
export function toPkcs8(form, der) {
  if (form === "pkcs8") return der;
  if (form === "pkcs1") return pkcs8("rsa", NULL, der);
  // SEC 1: the curve is the first of the optional members.
  const members = items(der);
  const curve = members.find(({ tag }) => tag === 0xa0);
  if (curve === undefined) throw unreadable();
  const others = members.filter((member) => member !== curve);
  return pkcs8("ec", curve.content, encode(SEQUENCE, ...others.map(({ whole }) => whole)));
}

/** From the older form of public keys. @param {string} form @param {any} der */
export function toSpki(form, der) {
  if (form === "spki") return der;
  const algorithm = encode(SEQUENCE, oid(OIDS.rsa), NULL);
  return encode(SEQUENCE, algorithm, encode(0x03, Buffer.from([0]), der));
}

/**
 * What a key in PKCS#8 or SubjectPublicKeyInfo is.
 * @param {any} der
 * @param {boolean} isPrivate
 */
export function describe(der, isPrivate) {
  const [algorithm, content] = items(der).slice(isPrivate ? 1 : 0);
  const [oid, parameters] = items(algorithm.whole);
  const kind = Object.keys(OIDS).find((name) => OIDS[/** @type {"rsa"} */ (name)] === oid.content.toString("hex"));
  if (kind === undefined) throw unreadable();
  if (kind === "ec") {
    const found = parameters.content.toString("hex");
    const curve = Object.keys(CURVES).find((name) => CURVES[/** @type {"P-256"} */ (name)] === found);
    return { kind, curve };
  }
  const inner = isPrivate ? content.content : content.content.subarray(1);
  if (kind !== "rsa") return { kind, inner };
  const numbers = items(inner).slice(isPrivate ? 1 : 0);
  const modulus = BigInt(`0x${numbers[0].content.toString("hex")}`);
  return { kind, inner, bits: modulus.toString(2).length, exponent: BigInt(`0x${numbers[1].content.toString("hex")}`) };
}

/**
 * The first of the blocks of PEM whose label is wanted. `info` is what it says of its encryption.
 * @param {string} text
 * @param {(label: string) => boolean} isWanted
 * @returns {{ label: string, info: string | undefined, der: any } | undefined}
 */
export function fromPem(text, isWanted) {
  for (const [, label, body] of text.matchAll(/-----BEGIN ([A-Z0-9 ]+)-----([^]*?)-----END \1-----/g)) {
    if (!isWanted(label)) continue;
    const [, headers = "", data] = /** @type {RegExpExecArray} */ (/^\s*((?:[A-Za-z-]+:[^\n]*\n)*)([^]*)$/.exec(body));
    const info = /^DEK-Info:(.*)$/m.exec(headers)?.[1];
    return { label, info, der: Buffer.from(data, "base64") };
  }
  return undefined;
}

/** @param {string} label @param {any} der @param {string} [headers] with the empty line after them */
export function toPem(label, der, headers = "") {
  const lines = der.toString("base64").match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${headers}${lines.join("\n")}\n-----END ${label}-----\n`;
}
