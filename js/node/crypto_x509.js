// @ts-check

// Certificates.
// https://nodejs.org/api/crypto.html#class-x509certificate

import { Buffer } from "node:buffer";
import { bytesOf, bytesOfKey } from "./crypto_bytes.js";
import { hash } from "./crypto_hash.js";
import { KeyObject, make, publicOf } from "./crypto_key.js";
import { fromPem, items, toPem } from "./der.js";
import { coded, expectString, invalidType } from "./errors.js";
import { matchesAddress, matchesEmail, matchesHost } from "./x509_match.js";
import { canonical, dotted, lines, nameObject, parseCertificate } from "./x509_parse.js";

const { op_node_verify } = __bootstrap.core.ops;
/** How certificates are signed, in the words of the ops. */
const SCHEMES = {
  "1.2.840.113549.1.1.5": "rsa-sha1", "1.2.840.113549.1.1.11": "rsa-sha256", "1.2.840.113549.1.1.12": "rsa-sha384",
  "1.2.840.113549.1.1.13": "rsa-sha512", "1.2.840.10045.4.3.2": "ec-sha256", "1.2.840.10045.4.3.3": "ec-sha384",
  "1.2.840.10045.4.3.4": "ec-sha512", "1.3.101.112": "ed25519",
};
const NIST = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" };
/** The padding of RSA. */
const PKCS1 = 1;
/** Of the bits of a key's usage: it may sign certificates. */
const SIGNS_CERTIFICATES = 0x04;

/** @param {any} input */
function parse(input) {
  if (typeof input !== "string" && !ArrayBuffer.isView(input)) throw invalidType("buffer", ["string", "Buffer", "TypedArray", "DataView"], input);
  const bytes = Buffer.from(bytesOf("buffer", input));
  try {
    const text = bytes.toString("latin1");
    const pem = text.includes("-----BEGIN ") ? fromPem(text, (label) => /^(?:X509 |TRUSTED )?CERTIFICATE$/.test(label)) : undefined;
    return parseCertificate(pem?.der ?? bytes);
  } catch {
    const { inspect } = __bootstrap.internals.node.require("util");
    throw coded(TypeError, "ERR_INVALID_ARG_VALUE", `The argument 'buffer' is not a valid certificate. Received ${inspect(bytes)}`);
  }
}

/** @param {any} options */
function checkOptions(options) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object") throw invalidType("options", "object", options);
  const { subject = "default", wildcards = true } = options;
  for (const name of ["wildcards", "partialWildcards", "multiLabelWildcards", "singleLabelSubdomains"]) {
    if (options[name] !== undefined && typeof options[name] !== "boolean") throw invalidType(`options.${name}`, "boolean", options[name]);
  }
  expectString("options.subject", subject);
  if (!["default", "always", "never"].includes(subject)) throw new Error("Invalid subject option");
  return { never: subject === "never", wildcards };
}

/** @param {any} key @param {"private" | "public"} type */
function expectKey(key, type) {
  if (!(key instanceof KeyObject) || key.type !== type) throw invalidType("pkey", "KeyObject", key);
}

export class X509Certificate {
  #parsed;
  /** @type {any} */
  #key;

  /** @param {any} buffer PEM or DER */
  constructor(buffer) {
    this.#parsed = parse(buffer);
  }

  get subject() {
    return lines(this.#parsed.subject) || undefined;
  }

  get subjectAltName() {
    return this.#parsed.shownNames;
  }

  get issuer() {
    return lines(this.#parsed.issuer) || undefined;
  }

  /** Only known of the certificates of a connection. */
  get issuerCertificate() {
    return undefined;
  }

  get infoAccess() {
    const { access } = this.#parsed;
    return access.length === 0 ? undefined : access.join("");
  }

  get validFrom() {
    return this.#parsed.validFrom;
  }

  get validTo() {
    return this.#parsed.validTo;
  }

  /** @param {string} name */
  #fingerprint(name) {
    return hash(name, this.#parsed.raw).toUpperCase().replace(/..(?=.)/g, "$&:");
  }

  get fingerprint() {
    return this.#fingerprint("sha1");
  }

  get fingerprint256() {
    return this.#fingerprint("sha256");
  }

  get fingerprint512() {
    return this.#fingerprint("sha512");
  }

  get keyUsage() {
    return this.#parsed.extendedUsage?.slice();
  }

  get serialNumber() {
    return this.#parsed.serialNumber;
  }

  get raw() {
    return Buffer.from(this.#parsed.raw);
  }

  get publicKey() {
    try {
      return (this.#key ??= make("public", this.#parsed.key));
    } catch {
      throw new Error("Failed to parse public key");
    }
  }

  toString() {
    return toPem("CERTIFICATE", this.#parsed.raw);
  }

  toJSON() {
    return this.toString();
  }

  /** Whether it may be that of an authority. One of the first version says nothing of it, and is if it is its own issuer. */
  get ca() {
    const { keyUsage, isAuthority, isFirstVersion, subject, issuer } = this.#parsed;
    if (keyUsage !== undefined && (keyUsage[1] & SIGNS_CERTIFICATES) === 0) return false;
    return isAuthority ?? (isFirstVersion && canonical(subject) === canonical(issuer));
  }

  /** @param {string} name @param {any} [options] */
  checkHost(name, options) {
    expectString("name", name);
    return matchesHost(this.#parsed, name, checkOptions(options));
  }

  /** @param {string} email @param {any} [options] */
  checkEmail(email, options) {
    expectString("email", email);
    return matchesEmail(this.#parsed, email, checkOptions(options));
  }

  /** @param {string} ip @param {any} [options] */
  checkIP(ip, options) {
    expectString("ip", ip);
    checkOptions(options);
    return matchesAddress(this.#parsed, ip);
  }

  /** @param {any} otherCert */
  checkIssued(otherCert) {
    if (!(otherCert instanceof X509Certificate)) throw invalidType("otherCert", "X509Certificate", otherCert);
    const [own, other] = [this.#parsed, otherCert.#parsed];
    if (canonical(own.issuer) !== canonical(other.subject)) return false;
    if (own.authorityKey !== undefined && other.subjectKey !== undefined && !own.authorityKey.equals(other.subjectKey)) return false;
    return other.keyUsage === undefined || (other.keyUsage[1] & SIGNS_CERTIFICATES) !== 0;
  }

  /** @param {any} pkey */
  checkPrivateKey(pkey) {
    expectKey(pkey, "private");
    return publicOf(pkey).equals(this.publicKey);
  }

  /** @param {any} pkey */
  verify(pkey) {
    expectKey(pkey, "public");
    const { isSchemeSigned, signatureScheme, signed, signature } = this.#parsed;
    if (!isSchemeSigned) return false;
    const id = dotted(items(signatureScheme)[0].content);
    const scheme = SCHEMES[/** @type {"1.3.101.112"} */ (id)];
    if (scheme === undefined) throw new Error(`A certificate signed by the algorithm ${id} is not implemented in Stead yet.`);
    const kind = pkey.asymmetricKeyType;
    if (kind !== scheme.split("-")[0]) return false;
    return op_node_verify(scheme.split("-")[1] ?? "", pkey[bytesOfKey](), signed, signature, PKCS1, 0);
  }

  toLegacyObject() {
    const { access, subject, issuer, raw } = this.#parsed;
    /** @type {Record<string, string[]>} */
    const places = Object.create(null);
    for (const line of access) {
      const [, name, value] = /^([^:]*):(.*)\n$/.exec(line) ?? ["", line, ""];
      (places[name] ??= []).push(value.startsWith('"') ? JSON.parse(value) : value);
    }
    return {
      subject: nameObject(subject),
      subjectAltName: this.subjectAltName ?? "",
      infoAccess: places,
      issuer: nameObject(issuer),
      ca: this.ca,
      ...legacyKey(this),
      valid_from: this.validFrom,
      valid_to: this.validTo,
      fingerprint: this.fingerprint,
      fingerprint256: this.fingerprint256,
      fingerprint512: this.fingerprint512,
      serialNumber: this.serialNumber,
      ...(this.keyUsage === undefined ? {} : { ext_key_usage: this.keyUsage }),
      raw: Buffer.from(raw),
    };
  }
}

/** What the older form says of a key; nothing of kinds that are not known. @param {X509Certificate} certificate */
function legacyKey(certificate) {
  let key;
  try {
    key = certificate.publicKey;
  } catch {
    return {};
  }
  const kind = key.asymmetricKeyType;
  const { modulusLength, publicExponent, namedCurve } = key.asymmetricKeyDetails;
  if (kind === "rsa") {
    const modulus = Buffer.from(key.parts().n).toString("hex").toUpperCase();
    return { modulus, bits: modulusLength, exponent: `0x${publicExponent.toString(16)}`, pubkey: Buffer.from(key[bytesOfKey]()) };
  }
  if (kind !== "ec") return {};
  const nistCurve = NIST[/** @type {"prime256v1"} */ (namedCurve)];
  return { bits: Number(nistCurve?.slice(2)), pubkey: Buffer.from(key.parts().public), asn1Curve: namedCurve, nistCurve };
}

/** @param {any} spkac @param {string} [encoding] @returns {any[] | undefined} what the signer of a challenge sent: key and challenge */
function challenge(spkac, encoding) {
  try {
    const der = Buffer.from(Buffer.from(bytesOf("spkac", spkac, encoding)).toString("latin1"), "base64");
    return items(items(der)[0].whole);
  } catch {
    return undefined;
  }
}

/** Of the element `keygen`, which no browser has any more. */
const FUNCTIONS = {
  /** @param {any} spkac @param {string} [encoding] */
  exportChallenge(spkac, encoding) {
    const found = challenge(spkac, encoding);
    return found === undefined ? Buffer.alloc(0) : Buffer.from(found[1].content);
  },

  /** @param {any} spkac @param {string} [encoding] */
  exportPublicKey(spkac, encoding) {
    const found = challenge(spkac, encoding);
    return found === undefined ? Buffer.alloc(0) : Buffer.from(toPem("PUBLIC KEY", found[0].whole));
  },

  /** Always false, as on the platform, whose signatures of this kind cannot be checked. */
  verifySpkac() {
    return false;
  },
};

/** Its functions are those of its objects, too, and it may be called without `new`. */
export const Certificate = Object.assign(function Certificate() {
  return Object.assign(Object.create(Certificate.prototype), FUNCTIONS);
}, FUNCTIONS);
