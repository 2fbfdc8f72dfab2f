// @ts-check

// The module `node:v8`. What it would measure is not told, as on the platform.
// https://nodejs.org/api/v8.html

import base from "unenv/node/v8";
import { refused } from "./errors.js";

export * from "unenv/node/v8";
export const isStringOneByteRepresentation = refused("isStringOneByteRepresentation");
export function getCppHeapStatistics() {
  return { committed_size_bytes: 0, resident_size_bytes: 0, used_size_bytes: 0, space_statistics: [], type_names: [], detail_level: "detailed" };
}
export const serialize = refused("serialize");
export const deserialize = refused("deserialize");
export default { .../** @type {any} */ (base), deserialize, getCppHeapStatistics, isStringOneByteRepresentation, serialize };
