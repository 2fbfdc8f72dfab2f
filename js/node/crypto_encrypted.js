// @ts-check

// Private keys behind a passphrase: PKCS#8 with PBES2, and the older form of PEM.
// https://www.rfc-editor.org/rfc/rfc8018, https://www.rfc-editor.org/rfc/rfc1421

import { Buffer } from "node:buffer";
import { bytesOf } from "./crypto_bytes.js";
import { hash } from "./crypto_hash.js";
import { randomBytes } from "./crypto_random.js";
import { encode, items, NULL, oid, toPem, unreadable } from "./der.js";

const { NodeCipher, op_node_pbkdf2_sync, op_node_triple_des } = __bootstrap.core.ops;
const SEQUENCE = 0x30;
const INTEGER = 0x02;
const OCTETS = 0x04;
const PBES2 = "2a864886f70d01050d";
const PBKDF2 = "2a864886f70d01050c";
const HMAC_SHA256 = "2a864886f70d0209";
const HASHES = { "2a864886f70d0207": "sha1", "2a864886f70d0208": "sha224", [HMAC_SHA256]: "sha256", "2a864886f70d020a": "sha384", "2a864886f70d020b": "sha512" };
/** The names are those of PEM. */
const CIPHERS = {
  "AES-128-CBC": { id: "608648016503040102", keyBytes: 16, ivBytes: 16 },
  "AES-192-CBC": { id: "608648016503040116", keyBytes: 24, ivBytes: 16 },
  "AES-256-CBC": { id: "60864801650304012a", keyBytes: 32, ivBytes: 16 },
  "DES-EDE3-CBC": { id: "2a864886f70d0307", keyBytes: 24, ivBytes: 8 },
};
/** What the platform writes. */
const ITERATIONS = 2048;
const SALT_BYTES = 16;
/** What it reads at most: a key from elsewhere must not hold up the thread for as long as it likes. */
const ITERATIONS_MAX = 10_000_000;

/** @param {string} name @param {boolean} encrypts @param {any} key @param {any} iv @param {any} data */
function transform(name, encrypts, key, iv, data) {
  if (name === "DES-EDE3-CBC") return Buffer.from(op_node_triple_des(encrypts, key, iv, data));
  const cipher = new NodeCipher("cbc", encrypts, key, iv);
  return Buffer.concat([cipher.update(data), cipher.finish()]);
}

/** @param {any} passphrase */
function secretBytes(passphrase) {
  return Buffer.from(bytesOf("passphrase", passphrase));
}

/** The cipher of that name, in the case that Node writes it in; undefined if keys cannot be in it. @param {string} name */
function cipherNamed(name) {
  const upper = name.toUpperCase();
  return Object.hasOwn(CIPHERS, upper) ? { name: upper, ...CIPHERS[/** @type {"AES-128-CBC"} */ (upper)] } : undefined;
}

/** @param {any} item of DER */
function numberOf({ tag, content }) {
  if (tag !== INTEGER || content.length === 0 || content.length > 5) throw unreadable();
  return content.readUIntBE(0, content.length);
}

/** A private key that was in PKCS#8 with a passphrase, as PKCS#8 without. Throws if the passphrase is not its own. @param {any} der @param {any} passphrase */
export function decryptPkcs8(der, passphrase) {
  const [scheme, data] = items(der);
  const [id, parameters] = items(scheme.whole);
  if (id.content.toString("hex") !== PBES2) throw unreadable();
  const [derivation, encryption] = items(parameters.whole).map((one) => items(one.whole));
  if (derivation[0].content.toString("hex") !== PBKDF2) throw unreadable();
  const [salt, count, ...others] = items(derivation[1].whole);
  const iterations = numberOf(count);
  if (iterations < 1 || iterations > ITERATIONS_MAX) throw unreadable();
  const named = others.find(({ tag }) => tag === SEQUENCE);
  const hashId = named === undefined ? "2a864886f70d0207" : items(named.whole)[0].content.toString("hex");
  const digest = HASHES[/** @type {"2a864886f70d0207"} */ (hashId)];
  const found = Object.entries(CIPHERS).find(([, { id }]) => id === encryption[0].content.toString("hex"));
  if (digest === undefined || found === undefined) throw unreadable();
  const [name, { keyBytes, ivBytes }] = found;
  const iv = encryption[1].content;
  if (iv.length !== ivBytes) throw unreadable();
  const key = op_node_pbkdf2_sync(secretBytes(passphrase), salt.content, iterations, keyBytes, digest);
  return transform(name, false, key, iv, data.content);
}

/** @param {any} der PKCS#8 @param {string} cipherName @param {any} passphrase */
export function encryptPkcs8(der, cipherName, passphrase) {
  const { name, id, keyBytes, ivBytes } = writable(cipherName);
  const [salt, iv] = [randomBytes(SALT_BYTES), randomBytes(ivBytes)];
  const key = op_node_pbkdf2_sync(secretBytes(passphrase), salt, ITERATIONS, keyBytes, "sha256");
  const count = Buffer.from([ITERATIONS >> 8, ITERATIONS & 0xff]);
  const derivation = encode(SEQUENCE, encode(OCTETS, salt), encode(INTEGER, count), encode(SEQUENCE, oid(HMAC_SHA256), NULL));
  const parameters = encode(SEQUENCE, encode(SEQUENCE, oid(PBKDF2), derivation), encode(SEQUENCE, oid(id), encode(OCTETS, iv)));
  const scheme = encode(SEQUENCE, oid(PBES2), parameters);
  return encode(SEQUENCE, scheme, encode(OCTETS, transform(name, true, key, iv, der)));
}

/** @param {string} cipherName */
function writable(cipherName) {
  const cipher = cipherNamed(cipherName);
  if (cipher !== undefined) return cipher;
  // What it knows, but not as a cipher of keys.
  throw new Error(/^aes-(128|192|256)-(ctr|ecb|gcm|ofb)$/i.test(cipherName) ? "Failed to export key" : `Unknown cipher: ${cipherName}`);
}

/** The key of PEM's older form, by which the passphrase is hashed until there are enough bytes. @param {any} passphrase @param {any} salt @param {number} keyBytes */
function pemKey(passphrase, salt, keyBytes) {
  const secret = secretBytes(passphrase);
  let last = Buffer.alloc(0);
  let key = last;
  while (key.length < keyBytes) {
    last = hash("md5", Buffer.concat([last, secret, salt]), "buffer");
    key = Buffer.concat([key, last]);
  }
  return key.subarray(0, keyBytes);
}

/** What was below the headers of PEM. @param {any} data @param {string} info the header `DEK-Info` @param {any} passphrase */
export function decryptPem(data, info, passphrase) {
  const [, name, hex] = /^([A-Za-z0-9-]+),([0-9A-Fa-f]+)$/.exec(info.trim()) ?? [];
  const cipher = name === undefined ? undefined : cipherNamed(name);
  const iv = Buffer.from(hex ?? "", "hex");
  if (cipher === undefined || iv.length !== cipher.ivBytes) throw unreadable();
  return transform(cipher.name, false, pemKey(passphrase, iv.subarray(0, 8), cipher.keyBytes), iv, data);
}

/** @param {string} label @param {any} der @param {string} cipherName @param {any} passphrase */
export function encryptPem(label, der, cipherName, passphrase) {
  const { name, keyBytes, ivBytes } = writable(cipherName);
  const iv = randomBytes(ivBytes);
  const data = transform(name, true, pemKey(passphrase, iv.subarray(0, 8), keyBytes), iv, der);
  return toPem(label, data, `Proc-Type: 4,ENCRYPTED\nDEK-Info: ${name},${iv.toString("hex").toUpperCase()}\n\n`);
}
