// @ts-check

// Whether a certificate is for a host, an address of mail, or an IP address. No name of a certificate counts that is not
// of the kind that is asked for, and its subject only if it lists no names.
// https://www.rfc-editor.org/rfc/rfc6125#section-6

import { isIPv4, isIPv6 } from "./addresses.js";

const EMAIL = 0x81;
const DNS = 0x82;
const IP = 0x87;
const COMMON_NAME = "2.5.4.3";
const EMAIL_ADDRESS = "1.2.840.113549.1.9.1";

/** ASCII only: other letters are not the same in two cases. @param {string} text */
const lower = (text) => text.replace(/[A-Z]+/g, (letters) => letters.toLowerCase());

/** Whether a pattern's star stands for the whole first of three labels or more. @param {string} pattern */
function hasStar(pattern) {
  return /^\*(?:\.[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?){2,}$/i.test(pattern);
}

/** @param {string} pattern @param {string} host @param {boolean} wildcards */
function hostEquals(pattern, host, wildcards) {
  if (lower(pattern) === lower(host)) return true;
  if (!wildcards || !hasStar(pattern)) return false;
  const at = host.indexOf(".");
  return /^(?:[A-Za-z0-9-]+|\*)$/.test(host.slice(0, Math.max(at, 0))) && lower(host.slice(at)) === lower(pattern.slice(1));
}

/** The part before the at sign counts letter by letter. @param {string} left @param {string} right */
function emailEquals(left, right) {
  const [a, b] = [left.lastIndexOf("@"), right.lastIndexOf("@")];
  if (a !== b || a < 1) return left === right;
  return left.slice(0, a) === right.slice(0, b) && lower(left.slice(a)) === lower(right.slice(b));
}

/**
 * @param {any} certificate
 * @param {number} tag of the names that count
 * @param {string} attribute of the subject that counts where there are no names
 * @param {boolean} never whether the subject does not
 * @returns {string[]}
 */
function candidates({ names, subject }, tag, attribute, never) {
  if (names !== undefined) return names.filter((/** @type {any} */ one) => one.tag === tag).map((/** @type {any} */ { content }) => content.toString("latin1"));
  if (never) return [];
  return subject.flat().filter((/** @type {any} */ { id }) => id === attribute).map((/** @type {any} */ { text }) => text);
}

/** @param {string} name */
function expectName(name) {
  if (name.includes("\0")) throw new Error("Invalid name");
}

/** @param {any} certificate @param {string} host @param {{ never?: boolean, wildcards?: boolean }} options */
export function matchesHost(certificate, host, { never = false, wildcards = true }) {
  expectName(host);
  if (host === "") return undefined;
  return candidates(certificate, DNS, COMMON_NAME, never)
    // A common name may be anything, such as the name of a person.
    .filter((name) => certificate.names !== undefined || /^[A-Za-z0-9_*-]+(?:\.[A-Za-z0-9_-]+)*\.?$/.test(name))
    .find((name) => hostEquals(name, host, wildcards));
}

/** @param {any} certificate @param {string} email @param {{ never?: boolean }} options */
export function matchesEmail(certificate, email, { never = false }) {
  expectName(email);
  if (email === "") return undefined;
  return candidates(certificate, EMAIL, EMAIL_ADDRESS, never).some((name) => emailEquals(name, email)) ? email : undefined;
}

/** The bytes of an address in text; undefined if it is none. @param {string} text @returns {number[] | undefined} */
function addressBytes(text) {
  if (isIPv4(text)) return text.split(".").map(Number);
  if (!isIPv6(text) || text.includes("%")) return undefined;
  const url = new URL(`http://[${text}]/`);
  const [left, right] = url.hostname.slice(1, -1).split("::").map((half) => (half === "" ? [] : half.split(":")));
  const groups = right === undefined ? left : [...left, ...Array(8 - left.length - right.length).fill("0"), ...right];
  return groups.flatMap((group) => [parseInt(group, 16) >> 8, parseInt(group, 16) & 0xff]);
}

/** @param {any} certificate @param {string} ip */
export function matchesAddress({ names }, ip) {
  const bytes = addressBytes(ip);
  if (bytes === undefined) throw new Error("Invalid IP");
  const isFor = (/** @type {any} */ { tag, content }) => tag === IP && content.length === bytes.length && bytes.every((byte, at) => byte === content[at]);
  return names?.some(isFor) ? ip : undefined;
}
