// @ts-check
/// <reference path="./types.d.ts" />

// Bodies as text, JSON and forms, with what the platform does: a byte order mark is not part of the
// text, and what is no form is told in its words.

import { core, primordials } from "ext:core/mod.js";
import { isOn } from "ext:stead/compatibility.js";
import { defineMember } from "ext:stead/scope.js";

const {
  JSONParse,
  RegExpPrototypeTest,
  TypeError,
  PromisePrototypeThen,
  ReflectApply,
  ReflectOwnKeys,
  StringPrototypeCharCodeAt,
  StringPrototypeSlice,
} = primordials;
const { Blob } = core.loadExtScript("ext:deno_web/09_file.js");
const mimesniff = core.loadExtScript("ext:deno_web/01_mimesniff.js");
const { TextDecoder } = core.loadExtScript("ext:deno_web/08_text_encoding.js");
const { FormData } = core.loadExtScript("ext:deno_fetch/21_formdata.js");
const { Request } = core.loadExtScript("ext:deno_fetch/23_request.js");
const { Response } = core.loadExtScript("ext:deno_fetch/23_response.js");

const MARK = 0xfeff;

/** @param {string} text */
function withoutMark(text) {
  return StringPrototypeCharCodeAt(text, 0) === MARK ? StringPrototypeSlice(text, 1) : text;
}

/** @param {ArrayBuffer} buffer */
function withMark(buffer) {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(buffer);
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

/** The type of a blob, kept under deno's own symbol. */
const TYPE = /** @type {symbol} */ (
  ReflectOwnKeys(new Blob()).find((/** @type {string | symbol} */ key) => typeof key === "symbol" && key.description === "Type")
);

/**
 * Gives the blob of a body the type that its message names.
 * @param {any} message
 * @param {any} blob
 */
function typed(message, blob) {
  const named = message.headers.get("content-type");
  if (named === null) return blob;
  const parsed = isOn("blob_standard_mime_type") ? mimesniff.parseMimeType(named) : undefined;
  if (parsed === undefined) blob[TYPE] = named;
  else if (parsed === null) blob[TYPE] = "";
  else blob[TYPE] = parsed.subtype === "form-data" ? named : mimesniff.serializeMimeType(parsed);
  return blob;
}

/**
 * A form whose files are the texts in them.
 * @param {FormData} form
 */
async function withoutFiles(form) {
  const made = new FormData();
  for (const [name, value] of form) made.append(name, typeof value === "string" ? value : await value.text());
  return made;
}

const { arrayBuffer } = Blob.prototype;
defineMember(Blob.prototype, {
  /** A byte order mark is part of the text here. @this {any} */
  text() {
    return PromisePrototypeThen(ReflectApply(arrayBuffer, this, []), withMark);
  },
}.text);

for (const { prototype } of [Request, Response]) {
  const standard = prototype.text;
  const { arrayBuffer: bytes, blob, formData: form } = prototype;
  const members = {
    /** @this {any} */
    text() {
      if (!isOn("strip_bom_in_read_all_text")) return PromisePrototypeThen(ReflectApply(bytes, this, []), withMark);
      return PromisePrototypeThen(ReflectApply(standard, this, []), withoutMark);
    },
    /** @this {any} */
    json() {
      if (!isOn("strip_bom_in_read_all_text")) return PromisePrototypeThen(this.text(), JSONParse);
      return PromisePrototypeThen(ReflectApply(standard, this, []), parse);
    },
    /** @this {any} */
    formData() {
      const parsed = isOn("formdata_parser_supports_files") ? undefined : withoutFiles;
      return PromisePrototypeThen(ReflectApply(form, this, []), parsed, (/** @type {any} */ error) =>
        refuseForm(this, error));
    },
    /** @this {any} */
    blob() {
      return PromisePrototypeThen(ReflectApply(blob, this, []), (/** @type {any} */ made) => typed(this, made));
    },
  };
  for (const name of /** @type {const} */ (["blob", "text", "json", "formData"])) {
    defineMember(prototype, members[name]);
  }
}
