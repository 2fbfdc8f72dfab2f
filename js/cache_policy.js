// @ts-check
/// <reference path="./types.d.ts" />

// Whether a response may be kept in a cache that everybody shares, and for how long.
// https://www.rfc-editor.org/rfc/rfc9111

/** Statuses that are kept without being asked to. */
const BY_DEFAULT = new Set([200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501]);
/** Statuses that are kept when a header allows it. */
const WHEN_ALLOWED = new Set([...BY_DEFAULT, 302, 303, 307]);
/** Headers that are about one connection. */
const OF_CONNECTIONS = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];
/** How long what never changes is fresh, in seconds, if nothing else is said. */
const IMMUTABLE_S = 24 * 60 * 60;
/** The part of the time since the last change for which a response counts as fresh. */
const HEURISTIC = 0.1;

/**
 * The directives of a Cache-Control header; those without a value are true.
 * @param {string | null} header
 * @returns {Map<string, string | true>}
 */
function directives(header) {
  const found = new Map();
  for (const [, name, quoted, plain] of (header ?? "").matchAll(/([^\s,=]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,]*)))?/g)) {
    found.set(name.toLowerCase(), quoted ?? plain ?? true);
  }
  return found;
}

/** @param {unknown} value */
function seconds(value) {
  const number = Number.parseInt(String(value), 10);
  return Number.isFinite(number) && number > 0 ? number : 0;
}

/**
 * @typedef {object} Policy
 * @property {boolean} storable
 * @property {number} lifetimeMs how long it may be kept
 * @property {Headers} headers those that are kept
 */

/**
 * @param {Headers} asked the request's headers
 * @param {number} status
 * @param {Headers} answered the response's
 * @param {number} nowMs
 * @returns {Policy}
 */
export function policyOf(asked, status, answered, nowMs) {
  const headers = new Headers(answered);
  const control = directives(headers.get("cache-control"));
  if (/^set-cookie$/i.test(String(control.get("private")))) {
    // https://developers.cloudflare.com/workers/runtime-apis/cache/#headers
    headers.delete("set-cookie");
    control.delete("private");
    const rest = [...control].map(([name, value]) => value === true ? name : `${name}=${value}`);
    headers.set("cache-control", rest.join(", "));
  }
  const isStorable = storable(asked, status, headers, control);
  const age = ageOf(headers, nowMs);
  const left = freshness(headers, control, nowMs) - age;
  const stale = Math.max(seconds(control.get("stale-if-error")), seconds(control.get("stale-while-revalidate")));
  for (const name of (headers.get("connection") ?? "").split(",")) {
    if (/^[\w-]+$/.test(name.trim())) headers.delete(name.trim());
  }
  for (const name of OF_CONNECTIONS) headers.delete(name);
  headers.set("age", `${age}`);
  if (!headers.has("date")) headers.set("date", new Date(nowMs).toUTCString());
  return { storable: isStorable, lifetimeMs: Math.max(0, left + stale) * 1000, headers };
}

/**
 * @param {Headers} asked
 * @param {number} status
 * @param {Headers} headers
 * @param {Map<string, string | true>} control
 */
function storable(asked, status, headers, control) {
  if (control.has("no-store") || control.has("private") || headers.has("set-cookie")) return false;
  const isForAll = ["must-revalidate", "public", "s-maxage"].some((name) => control.has(name));
  if (asked.has("authorization") && !isForAll) return false;
  const isAllowed = headers.has("expires") ||
    ["max-age", "public", "s-maxage"].some((name) => control.has(name));
  return (isAllowed ? WHEN_ALLOWED : BY_DEFAULT).has(status);
}

/**
 * How old a response is, in seconds.
 * @param {Headers} headers
 * @param {number} nowMs
 */
function ageOf(headers, nowMs) {
  const made = Date.parse(headers.get("date") ?? "");
  const apparent = Number.isNaN(made) ? 0 : Math.max(0, Math.floor((nowMs - made) / 1000));
  return Math.max(apparent, seconds(headers.get("age")));
}

/**
 * For how many seconds a response is fresh from when it was made.
 * @param {Headers} headers
 * @param {Map<string, string | true>} control
 * @param {number} nowMs
 */
function freshness(headers, control, nowMs) {
  const isOld = !headers.has("cache-control") && /no-cache/i.test(headers.get("pragma") ?? "");
  if (isOld || control.has("no-cache") || control.has("proxy-revalidate")) return 0;
  if (control.has("s-maxage")) return seconds(control.get("s-maxage"));
  if (control.has("max-age")) return seconds(control.get("max-age"));
  const least = control.has("immutable") ? IMMUTABLE_S : 0;
  const made = Date.parse(headers.get("date") ?? "");
  const date = Number.isNaN(made) ? nowMs : made;
  if (headers.has("expires")) {
    const expires = Date.parse(/** @type {string} */ (headers.get("expires")));
    return Number.isNaN(expires) ? 0 : Math.max(least, (expires - date) / 1000);
  }
  const changed = Date.parse(headers.get("last-modified") ?? "");
  if (changed < date) return Math.max(least, (date - changed) / 1000 * HEURISTIC);
  return least;
}
