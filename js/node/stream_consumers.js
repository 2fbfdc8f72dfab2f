// @ts-check

// The module `node:stream/consumers`: a whole stream, of Node or of the web, as one value.
// https://nodejs.org/api/webstreams.html#utility-consumers

import { Buffer } from "node:buffer";

/** @param {AsyncIterable<any>} stream */
export async function blob(stream) {
  const parts = [];
  for await (const chunk of stream) parts.push(chunk);
  return new Blob(parts);
}

/** @param {AsyncIterable<any>} stream */
export async function arrayBuffer(stream) {
  return (await blob(stream)).arrayBuffer();
}

/** @param {AsyncIterable<any>} stream */
export async function buffer(stream) {
  return Buffer.from(await arrayBuffer(stream));
}

/** @param {AsyncIterable<any>} stream */
export async function text(stream) {
  const decoder = new TextDecoder();
  let all = "";
  for await (const chunk of stream) all += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return all + decoder.decode();
}

/** @param {AsyncIterable<any>} stream */
export async function json(stream) {
  return JSON.parse(await text(stream));
}

export default { arrayBuffer, blob, buffer, json, text };
