// @ts-check
/// <reference path="./types.d.ts" />

// Bodies of responses that say they are compressed. They are compressed when they leave, unless
// they are already (`encodeBody: "manual"`), and what comes from elsewhere is plain once it is read.
// https://developers.cloudflare.com/workers/runtime-apis/response/#parameters

import { core } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";

const { InnerBody } = core.loadExtScript("ext:deno_fetch/22_body.js");
const { CompressionStream, DecompressionStream } = core.loadExtScript(
  "ext:deno_web/14_compression.js",
);

/** What is compressed, and the name of its format. @type {Record<string, string>} */
const FORMATS = { __proto__: /** @type {any} */ (null), gzip: "gzip", br: "brotli" };

/**
 * The format of a body with these headers, if it is one that is compressed.
 * @param {[string, string][]} headers
 */
export function formatOf(headers) {
  for (let i = 0; i < headers.length; i++) {
    const [name, value] = headers[i];
    if (name.length === 16 && name.toLowerCase() === "content-encoding") {
      const format = FORMATS[value.trim().toLowerCase()];
      return format === "brotli" && !isOn("brotli_content_encoding") ? undefined : format;
    }
  }
  return undefined;
}

/**
 * @param {any} body an InnerBody
 * @param {string} format
 */
export function compressed(body, format) {
  return new InnerBody(body.stream.pipeThrough(new CompressionStream(format)));
}

/**
 * @param {any} stream
 * @param {string} format
 */
export function decompressed(stream, format) {
  return stream.pipeThrough(new DecompressionStream(format));
}
