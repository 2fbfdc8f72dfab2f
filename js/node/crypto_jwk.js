// @ts-check

// Keys as JSON.
// https://www.rfc-editor.org/rfc/rfc7517, https://www.rfc-editor.org/rfc/rfc8037

import { Buffer } from "node:buffer";
import { sizeOf } from "./crypto_point.js";
import { CURVES, encode, items, NULL, oid, OIDS } from "./der.js";

const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
const BITS = 0x03;
const EDWARDS = { ed25519: "Ed25519", x25519: "X25519" };
const RSA_PUBLIC = ["n", "e"];
const RSA_PRIVATE = ["n", "e", "d", "p", "q", "dp", "dq", "qi"];

const bits = (/** @type {any} */ bytes) => encode(BITS, Buffer.from([0]), bytes);

/** A number of DER. @param {any} bytes */
function integer(bytes) {
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start += 1;
  const plain = bytes.subarray(start);
  return encode(INTEGER, plain[0] > 127 ? Buffer.concat([Buffer.from([0]), plain]) : plain);
}

/** A public key. @param {Uint8Array[]} algorithm @param {any} key */
const spki = (algorithm, key) => encode(SEQUENCE, encode(SEQUENCE, ...algorithm), bits(key));

/** A private key. @param {Uint8Array[]} algorithm @param {any} key */
const pkcs8 = (algorithm, key) => encode(SEQUENCE, integer(Buffer.from([0])), encode(SEQUENCE, ...algorithm), encode(OCTETS, key));

/** The form of private keys of curves that came before PKCS#8. @param {string} curve @param {any} number @param {any} point @param {boolean} named */
export function sec1(curve, number, point, named) {
  const name = named ? [encode(0xa0, oid(CURVES[/** @type {"P-256"} */ (curve)]))] : [];
  return encode(SEQUENCE, integer(Buffer.from([1])), encode(OCTETS, number), ...name, encode(0xa1, bits(point)));
}

/** @param {string} kind of `ed25519` and `x25519` @param {any} bytes */
export function edwardsSpki(kind, bytes) {
  return spki([oid(OIDS[/** @type {"x25519"} */ (kind)])], bytes);
}

/** @param {string} kind of `ed25519` and `x25519` @param {any} bytes */
export function edwardsPkcs8(kind, bytes) {
  return pkcs8([oid(OIDS[/** @type {"x25519"} */ (kind)])], encode(OCTETS, bytes));
}

/** A key of DER in its parts: numbers, and points that are not compressed. @param {any} der @param {any} description @param {boolean} isPrivate @returns {any} */
export function partsOf(der, { kind, curve }, isPrivate) {
  const content = items(der)[isPrivate ? 2 : 1].content;
  if (kind === "rsa" || kind === "rsa-pss") {
    const numbers = items(isPrivate ? content : content.subarray(1)).map((one) => one.content);
    const names = isPrivate ? RSA_PRIVATE : RSA_PUBLIC;
    const plain = (/** @type {any} */ bytes) => bytes[0] === 0 ? bytes.subarray(1) : bytes;
    return Object.fromEntries(names.map((name, at) => [name, plain(numbers[at + (isPrivate ? 1 : 0)])]));
  }
  if (!isPrivate) return { public: content.subarray(1) };
  if (kind !== "ec") return { private: items(encode(SEQUENCE, content))[0].content };
  const found = items(content);
  const point = found.find(({ tag }) => tag === 0xa1);
  return {
    private: found[1].content,
    public: point === undefined ? undefined : items(encode(SEQUENCE, point.content))[0].content.subarray(1),
    curve,
  };
}

/** @param {any} parts @param {any} description */
export function toJwk(parts, { kind, curve }) {
  const text = (/** @type {any} */ bytes) => Buffer.from(bytes).toString("base64url");
  if (kind === "rsa" || kind === "rsa-pss") {
    return Object.fromEntries([["kty", "RSA"], ...Object.entries(parts).map(([name, bytes]) => [name, text(bytes)])]);
  }
  const secret = parts.private === undefined ? {} : { d: text(parts.private) };
  if (kind !== "ec") {
    const crv = EDWARDS[/** @type {"x25519"} */ (kind)];
    return { kty: "OKP", ...(kind === "ed25519" ? { alg: "EdDSA" } : {}), crv, x: text(parts.public), ...secret };
  }
  const half = (parts.public.length + 1) / 2;
  return { kty: "EC", crv: curve, x: text(parts.public.subarray(1, half)), y: text(parts.public.subarray(half)), ...secret };
}

/** The DER of a key. @param {any} jwk @param {"private" | "public"} wanted @returns {any} */
export function fromJwk(jwk, wanted) {
  const family = jwk.kty;
  if (!["EC", "OKP", "RSA"].includes(family)) throw new Error(`JWK ${wanted} key import is not implemented for this key type`);
  const part = (/** @type {string} */ name) => {
    if (typeof jwk[name] !== "string") throw new Error(`${family} JWK missing ${name} parameter`);
    return Buffer.from(jwk[name], "base64url");
  };
  const isPrivate = wanted === "private";
  if (family === "RSA") {
    const algorithm = [oid(OIDS.rsa), NULL];
    const numbers = (isPrivate ? RSA_PRIVATE : RSA_PUBLIC).map((name) => integer(part(name)));
    return isPrivate
      ? pkcs8(algorithm, encode(SEQUENCE, integer(Buffer.from([0])), ...numbers))
      : spki(algorithm, encode(SEQUENCE, ...numbers));
  }
  if (family === "OKP") {
    const kind = Object.keys(EDWARDS).find((name) => EDWARDS[/** @type {"x25519"} */ (name)] === jwk.crv);
    if (kind === undefined) throw new Error("Unsupported JWK OKP curve");
    return isPrivate ? edwardsPkcs8(kind, part("d")) : edwardsSpki(kind, part("x"));
  }
  const curve = jwk.crv;
  if (!Object.hasOwn(CURVES, curve) || curve === "secp256k1") throw new Error("Unsupported JWK EC curve");
  const size = sizeOf(curve);
  const padded = (/** @type {any} */ bytes) => Buffer.concat([Buffer.alloc(Math.max(0, size - bytes.length)), bytes]);
  const point = Buffer.concat([Buffer.from([4]), padded(part("x")), padded(part("y"))]);
  const algorithm = [oid(OIDS.ec), oid(CURVES[/** @type {"P-256"} */ (curve)])];
  return isPrivate ? pkcs8(algorithm, sec1(curve, padded(part("d")), point, false)) : spki(algorithm, point);
}
