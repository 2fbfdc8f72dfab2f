// @ts-check
/// <reference path="./types.d.ts" />

// What older compatibility dates bring back of streams, where it takes more than a field of
// stubs/former.js.

import { core, primordials } from "ext:core/mod.js";
import { defineMember } from "ext:stead/scope.js";
import { standFor } from "ext:stead/stand_in.js";

const {
  PromisePrototypeThen,
  ReflectApply,
  ReflectConstruct,
  SafeWeakSet,
  TypedArrayPrototypeGetByteLength,
  TypeError,
} = primordials;
const { ReadableStream, ReadableStreamBYOBReader } = core.loadExtScript("ext:deno_web/06_streams.js");

/**
 * The last read of the platform's own streams into a buffer gives nothing; that of streams which
 * code makes itself gives the buffer back.
 */
export function giveNothingAtTheEnd() {
  const ofCode = new SafeWeakSet();
  /** @param {any[]} args */
  function Standing(...args) {
    if (new.target === undefined) {
      throw new TypeError("Class constructor ReadableStream cannot be invoked without 'new'");
    }
    const made = ReflectConstruct(ReadableStream, args, new.target);
    ofCode.add(made);
    return made;
  }
  Standing.from = ReadableStream.from;
  /** @type {any} */ (globalThis).ReadableStream = standFor(Standing, ReadableStream, 0);

  const own = new SafeWeakSet();
  const { getReader } = ReadableStream.prototype;
  const { read, readAtLeast } = ReadableStreamBYOBReader.prototype;
  /** @param {any} reader @param {Promise<any>} reading */
  const ending = (reader, reading) =>
    own.has(reader)
      ? PromisePrototypeThen(reading, (/** @type {any} */ result) => {
        const isEnd = result.done && result.value !== undefined &&
          TypedArrayPrototypeGetByteLength(result.value) === 0;
        return isEnd ? { done: true, value: undefined } : result;
      })
      : reading;
  const members = {
    /** @this {any} @param {any[]} args */
    getReader(...args) {
      const reader = ReflectApply(getReader, this, args);
      if (!ofCode.has(this)) own.add(reader);
      return reader;
    },
    /** @this {any} @param {any[]} args */
    read(...args) {
      return ending(this, ReflectApply(read, this, args));
    },
    /** @this {any} @param {any[]} args */
    readAtLeast(...args) {
      return ending(this, ReflectApply(readAtLeast, this, args));
    },
  };
  defineMember(ReadableStream.prototype, members.getReader);
  defineMember(ReadableStreamBYOBReader.prototype, members.read);
  defineMember(ReadableStreamBYOBReader.prototype, members.readAtLeast);
}
