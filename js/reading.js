// @ts-check
/// <reference path="./types.d.ts" />

// Reading streams. Whoever waits for a chunk does not go on when its event or its object was ended
// meanwhile.

import { core, primordials } from "ext:core/mod.js";
import { unlessEnded } from "ext:stead/record.js";
import { defineMember } from "ext:stead/scope.js";

const { ObjectGetPrototypeOf, ReflectApply } = primordials;
const {
  ReadableStream,
  ReadableStreamBYOBReader,
  ReadableStreamDefaultReader,
} = core.loadExtScript("ext:deno_web/06_streams.js");

/**
 * Has what a method promises never come once the code that waits for it was ended.
 * @param {any} target
 * @param {string} name
 */
function endWithCode(target, name) {
  const standard = target[name];
  const method = {
    /** @param {any[]} args */
    [name](...args) {
      return unlessEnded(ReflectApply(standard, this, args));
    },
  }[name];
  defineMember(target, method);
}

endWithCode(ReadableStreamDefaultReader.prototype, "read");
endWithCode(ReadableStreamBYOBReader.prototype, "read");
endWithCode(ObjectGetPrototypeOf(new ReadableStream().values()), "next");
