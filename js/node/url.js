// @ts-check

// The module `node:url`: the old parser, and files.
// https://nodejs.org/api/url.html

import { toUnicode } from "punycode/";
import * as legacy from "unenv/node/url";
import { coded, invalidType } from "./errors.js";

export const { URL, URLSearchParams, URLPattern } = globalThis;
export const { Url, parse, resolve, resolveObject, urlToHttpOptions } = /** @type {any} */ (legacy);

/**
 * @param {any} url
 * @param {any} [options] of a URL: which parts to show
 */
export function format(url, options) {
  if (!(url instanceof URL)) return /** @type {any} */ (legacy).format(url, options);
  const { auth = true, fragment = true, search = true, unicode = false } = options ?? {};
  const login = auth && url.username ? `${url.username}${url.password ? `:${url.password}` : ""}@` : "";
  const host = unicode ? toUnicode(url.hostname) : url.hostname;
  const authority = url.href.startsWith(`${url.protocol}//`) ? `//${login}${host}${url.port ? `:${url.port}` : ""}` : "";
  return `${url.protocol}${authority}${url.pathname}${search ? url.search : ""}${fragment ? url.hash : ""}`;
}

/** @param {string} domain */
export function domainToASCII(domain) {
  try {
    return new URL(`ws://${domain}`).hostname;
  } catch {
    return "";
  }
}

/** @param {string} domain */
export function domainToUnicode(domain) {
  const ascii = domainToASCII(domain);
  return ascii === "" ? "" : toUnicode(ascii);
}

/** @param {any} path */
export function fileURLToPath(path) {
  if (typeof path !== "string" && !(path instanceof URL)) throw invalidType("path", ["string", "URL"], path);
  const url = new URL(path);
  if (url.protocol !== "file:") throw coded(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  if (url.hostname !== "") throw coded(TypeError, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  if (/%2f/i.test(url.pathname)) throw coded(TypeError, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded / characters");
  return decodeURIComponent(url.pathname);
}

/** @param {string} path */
export function pathToFileURL(path) {
  if (typeof path !== "string") throw invalidType("path", "string", path);
  const url = new URL("file://");
  const absolute = path.startsWith("/") ? path : `/${path}`;
  url.pathname = absolute.replaceAll("%", "%25").replaceAll("\\", "%5C").replaceAll("\n", "%0A").replaceAll("\r", "%0D").replaceAll("\t", "%09").replaceAll("?", "%3F").replaceAll("#", "%23");
  return url;
}

/** @param {any} value */
export function toPathIfFileURL(value) {
  return value instanceof URL ? fileURLToPath(value) : value;
}

export default {
  URL, URLPattern, URLSearchParams, Url, domainToASCII, domainToUnicode, fileURLToPath, format, parse, pathToFileURL, resolve,
  resolveObject, toPathIfFileURL, urlToHttpOptions,
};
