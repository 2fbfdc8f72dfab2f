// @ts-check
/// <reference path="./types.d.ts" />

// Bodies as text, JSON and forms, with what the platform does: a byte order mark is not part of the
// text, and what is no form is told in its words.

import { core, primordials } from "ext:core/mod.js";

const {
  JSONParse,
  RegExpPrototypeTest,
  TypeError,
  ObjectDefineProperty,
  PromisePrototypeThen,
  ReflectApply,
  StringPrototypeCharCodeAt,
  StringPrototypeSlice,
} = primordials;
const { Request } = core.loadExtScript("ext:deno_fetch/23_request.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");

const MARK = 0xfeff;

/** @param {string} text */
function withoutMark(text) {
  return StringPrototypeCharCodeAt(text, 0) === MARK ? StringPrototypeSlice(text, 1) : text;
}

/** @param {string} text */
function parse(text) {
  return JSONParse(withoutMark(text));
}

const UNTYPED = "Parsing a Body as FormData requires a Content-Type header.";
/** What deno_fetch says, and what the platform says. @type {[RegExp, string][]} */
const TEXTS = [
  [
    /content type|decoded as form data/i,
    "Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded",
  ],
  [
    /must provide a boundary/,
    "No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter, e.g. 'Content-Type: multipart/form-data; boundary=\"abcd\"'. See RFC 7578, section 4.",
  ],
  [
    /Unable to parse body as form data/,
    "No initial boundary string (or you have a truncated message).",
  ],
];

/**
 * @param {any} message whose body is no form
 * @param {any} error
 * @returns {never}
 */
function refuseForm(message, error) {
  for (let i = 0; i < TEXTS.length; i++) {
    const [pattern, text] = TEXTS[i];
    if (!RegExpPrototypeTest(pattern, error?.message)) continue;
    const untyped = i === 0 && !message.headers.has("content-type");
    throw new TypeError(untyped ? UNTYPED : text);
  }
  throw error;
}

for (const { prototype } of [Request, Response]) {
  const standard = prototype.text;
  const form = prototype.formData;
  const members = {
    /** @this {any} */
    text() {
      return PromisePrototypeThen(ReflectApply(standard, this, []), withoutMark);
    },
    /** @this {any} */
    json() {
      return PromisePrototypeThen(ReflectApply(standard, this, []), parse);
    },
    /** @this {any} */
    formData() {
      return PromisePrototypeThen(ReflectApply(form, this, []), undefined, (/** @type {any} */ error) =>
        refuseForm(this, error));
    },
  };
  for (const name of /** @type {const} */ (["text", "json", "formData"])) {
    ObjectDefineProperty(prototype, name, {
      __proto__: null,
      value: members[name],
      writable: true,
      enumerable: true,
      configurable: true,
    });
  }
}
