//! The platform's words for what the classes of the deno packages refuse.
//!
//! These classes are the platform's, but what they say when they are used wrongly is deno's. Their scripts get the
//! platform's texts while the snapshot is made, so nothing is added to a call that is right. What a script says more
//! generally, of arguments that it cannot convert, is asked of `js/stubs/refusals.js`.

/// A piece of a script, and what stands in its place.
pub type Replacement = (&'static str, &'static str);

const STREAM_LOCKED: &str = r#""This ReadableStream is currently locked to a reader.""#;
const READER_RELEASED: &str = r#""This ReadableStream reader has been released.""#;
const WRITER_RELEASED: &str = r#""This WritableStream writer has been released.""#;
const WRITER_LOCKED: &str = r#""This WritableStream is currently locked to a writer.""#;
const WRITABLE_CLOSED: &str = r#""This WritableStream has been closed.""#;
const BYTES_CLOSED: &str = r#""This ReadableByteStreamController is closed.""#;
const READABLE_CLOSED: &str = r#""This ReadableStream is closed.""#;

const SCRIPTS: &[(&str, &[Replacement])] = &[
    ("ext:deno_webidl/00_webidl.js", CONVERTERS),
    ("ext:deno_web/00_url.js", URLS),
    ("ext:deno_web/01_urlpattern.js", PATTERNS),
    ("ext:deno_web/02_event.js", EVENTS),
    ("ext:deno_web/05_base64.js", BASE64),
    ("ext:deno_web/06_streams.js", STREAMS),
    ("ext:deno_web/08_text_encoding.js", ENCODINGS),
    ("ext:deno_web/09_file.js", FILES),
    ("ext:deno_web/14_compression.js", COMPRESSION),
    ("ext:deno_web/15_performance.js", TIMING),
    ("ext:deno_fetch/20_headers.js", HEADERS),
    ("ext:deno_fetch/21_formdata.js", FORMS),
    ("ext:deno_fetch/23_request.js", REQUESTS),
    ("ext:deno_fetch/23_response.js", RESPONSES),
    ("ext:deno_fetch/26_fetch.js", FETCH),
];

const CONVERTERS: &[Replacement] = &[
    // Headers may hold any text.
    (
        "if (!isByteString(x)) {\n    throw makeException(",
        "if (prefix === undefined && !isByteString(x)) {\n    throw makeException(",
    ),
    (
        "function requiredArguments(length, required, prefix, argNames) {\n  if (length < required) {\n",
        "const { missingArgument, wrongArgument, wrongChoice } = core.loadExtScript(\"ext:stead/refusals.js\");\n\
         function requiredArguments(length, required, prefix, argNames) {\n  if (length < required) {\n    \
         const text = missingArgument(prefix, length);\n    if (text !== undefined) throw new TypeError(text);\n",
    ),
    (
        "const err = new ErrorType(\n    `${prefix",
        "const err = new ErrorType(\n    wrongArgument(prefix, context, message) ?? `${prefix",
    ),
    (
        "const err = new TypeError(\n        `${\n          prefix",
        "const err = new TypeError(\n        wrongChoice(name, S) ?? `${\n          prefix",
    ),
    (
        "`The \"callback\" argument must be",
        "missingArgument(`Failed to execute 'forEach' on '${name}'`, 0) ?? `The \"callback\" argument must be",
    ),
    (
        "? \"Illegal invocation\"\n      : `Value of \"this\" must be of type ${interfaceName}`",
        "? ILLEGAL_INVOCATION\n      : ILLEGAL_INVOCATION",
    ),
    (
        "function assertBranded(",
        "const ILLEGAL_INVOCATION = \"Illegal invocation: function called with incorrect `this` reference. See \
         https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.\";\n\
         function assertBranded(",
    ),
];

const URLS: &[Replacement] = &[
    (
        "webidl.assertBranded(this, URLSearchParamsPrototype, \"URLSearchParams\");\n    const prefix = \"Failed to execute \
         'append' on 'URLSearchParams'\";\n    webidl.requiredArguments(arguments.length, 1,",
        "webidl.assertBranded(this, URLSearchParamsPrototype, \"URLSearchParams\");\n    const prefix = \"Failed to execute \
         'delete' on 'URLSearchParams'\";\n    webidl.requiredArguments(arguments.length, 1,",
    ),
    (
        "const status = opUrlParse(value);\n    this.#serialization = getSerialization(status, value);",
        "const status = opUrlParse(value);\n    if (status > 1) {\n      throw new TypeError(\"Failed to set the 'href' \
         property on 'URL': the provided value is not of type 'valid URL string'.\");\n    }\n    \
         this.#serialization = getSerialization(status, value);",
    ),
    (
        "`Invalid URL: '${href}'` +\n        (maybeBase ? ` with base '${maybeBase}'` : \"\"),",
        "\"Invalid URL string.\",",
    ),
    (
        "\"Each query pair must be an iterable [name, value] tuple\"",
        "\"Invalid URL search params sequence.\"",
    ),
];

const PATTERNS: &[Replacement] = &[
    (
        "const parsed = op_urlpattern_parse(input, baseURL, options);",
        "let parsed;\n    try {\n      parsed = op_urlpattern_parse(input, baseURL, options);\n    } catch {\n      \
         throw new TypeError(\"Failed to construct URLPattern\");\n    }",
    ),
    (
        "throw new TypeError(`${prefix}: ${key} is invalid; ${e.message}`);",
        "throw new TypeError(\"Failed to construct URLPattern\");",
    ),
];

const EVENTS: &[Replacement] = &[
    (
        "options = addEventListenerOptionsConverter(options, prefix);\n",
        "if (typeof callback !== \"function\" && callback !== null) {\n      if (typeof callback !== \"object\") {\n        \
         throw new TypeError(`${prefix}: parameter 2 is not of type 'function or HandlerObject'.`);\n      }\n      \
         if (typeof callback.handleEvent !== \"function\") {\n        throw new TypeError(\"Incorrect type for the \
         'handleEvent' field on 'HandlerObject': the provided value is not of type 'function'.\");\n      }\n    \
         }\n    options = addEventListenerOptionsConverter(options, prefix);\n",
    ),
    (
        "// This is an optimization to avoid creating an event listener\n    // on each startup.",
        "if (!ObjectPrototypeIsPrototypeOf(EventPrototype, event)) {\n      throw new TypeError(\"Failed to execute \
         'dispatchEvent' on 'EventTarget': parameter 1 is not of type 'Event'.\");\n    }",
    ),
    (
        "this[_attributes] = {\n      type,",
        "if (eventInitDict === null) eventInitDict = { __proto__: null };\n    if (typeof eventInitDict !== \"object\" \
         && typeof eventInitDict !== \"function\") {\n      throw new TypeError(\"Failed to construct 'Event': \
         constructor parameter 2 is not of type 'Init'.\");\n    }\n    this[_attributes] = {\n      type,",
    ),
];

const TIMING: &[Replacement] = &[(
    "getEntriesByType(type) {\n    webidl.assertBranded(this, PerformancePrototype);\n    const prefix = \"Failed to \
     execute 'getEntriesByName'",
    "getEntriesByType(type) {\n    webidl.assertBranded(this, PerformancePrototype);\n    const prefix = \"Failed to \
     execute 'getEntriesByType'",
)];

const BASE64: &[Replacement] = &[
    (
        "if (ObjectPrototypeIsPrototypeOf(TypeErrorPrototype, e)) {",
        "{",
    ),
    (
        "\"Failed to decode base64: invalid character\"",
        "\"atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to \
         two terminal '=' signs when the input data length is divisible by 4 are allowed.)\"",
    ),
    (
        "\"Cannot encode string: string contains characters outside of the Latin1 range\"",
        "\"btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.\"",
    ),
];

const STREAMS: &[Replacement] = &[
    (
        "underlyingSource = underlyingSource !== undefined\n      ?",
        "underlyingSource = underlyingSource !== undefined && underlyingSource !== null\n      ?",
    ),
    ("if (underlyingSinkDict.type != null) {", "if (false) {"),
    ("\"ReadableStream is locked\"", STREAM_LOCKED),
    ("\"ReadableStream is already locked\"", STREAM_LOCKED),
    ("\"ReadableStream is already locked.\"", STREAM_LOCKED),
    ("\"Cannot cancel a locked ReadableStream.\"", STREAM_LOCKED),
    (
        "\"Cannot use a BYOB reader with a non-byte stream\"",
        "\"This ReadableStream does not support BYOB reads.\"",
    ),
    ("\"The reader was released.\"", READER_RELEASED),
    ("\"Reader has no associated stream.\"", READER_RELEASED),
    (
        "\"Reader was released and can no longer be used to monitor the stream's closedness.\"",
        READER_RELEASED,
    ),
    (
        "'\"autoAllocateChunkSize\" must be greater than 0'",
        "\"The autoAllocateChunkSize option cannot be zero.\"",
    ),
    (
        "\"Cannot convert value to Uint8Array while consuming the stream\"",
        "\"This ReadableStream did not return bytes.\"",
    ),
    (
        "throw new TypeError(\"The stream controller cannot close or enqueue\");\n    }\n    \
         readableStreamDefaultControllerClose(this);",
        "throw new TypeError(\"This ReadableStream is closed.\");\n    }\n    \
         readableStreamDefaultControllerClose(this);",
    ),
    (
        "\"The stream controller cannot close or enqueue\"",
        "\"Unable to enqueue\"",
    ),
    (
        "\"ReadableByteStreamController's stream is not in a readable state\"",
        READABLE_CLOSED,
    ),
    ("\"Closed already requested.\"", READABLE_CLOSED),
    (
        "\"Cannot enqueue chunk when underlying stream is not readable\"",
        BYTES_CLOSED,
    ),
    (
        "\"Cannot enqueue chunk after a close has been requested\"",
        BYTES_CLOSED,
    ),
    (
        "\"view must have non-zero byteLength\"",
        "'You must call read() on a \"byob\" reader with a positive-sized TypedArray object.'",
    ),
    (
        "\"options.min must be non-zero\"",
        "\"Requested invalid minimum number of bytes to read (0).\"",
    ),
    (
        "new RangeError(\"options.min must be smaller or equal to view's size\")",
        "new TypeError(`Minimum bytes to read (${options.min}) exceeds size of buffer (${byteLength}).`)",
    ),
    ("\"The stream is already locked\"", WRITER_LOCKED),
    (
        "\"The writable stream is locked, therefore cannot be aborted.\"",
        WRITER_LOCKED,
    ),
    (
        "\"The writable stream is locked, therefore cannot be closed.\"",
        WRITER_LOCKED,
    ),
    (
        "\"Target WritableStream is already locked\"",
        "\"This WritableStream is currently locked to a writer.\"",
    ),
    (
        "\"destination WritableStream is already locked.\"",
        "\"This WritableStream is currently locked to a writer\"",
    ),
    ("\"Writable stream is closed or errored.\"", WRITABLE_CLOSED),
    ("\"The stream is closing or is closed.\"", WRITABLE_CLOSED),
    ("\"The writer has already been released.\"", WRITER_RELEASED),
    (
        "\"A writable stream is not associated with the writer\"",
        WRITER_RELEASED,
    ),
    (
        "\"A writable stream is not associated with the writer.\"",
        WRITER_RELEASED,
    ),
    (
        "\"A writable stream is not associate with the writer.\"",
        WRITER_RELEASED,
    ),
    (
        "\"Readable stream is unavailable\"",
        "\"The readable side of this TransformStream is no longer readable.\"",
    ),
    (
        "new RangeError(\n        `${prefix}: readableType transformers not supported`,",
        "new TypeError(\n        \"transformer.readableType must be undefined.\",",
    ),
    (
        "new RangeError(\n        `${prefix}: writableType transformers not supported`,",
        "new TypeError(\n        \"transformer.writableType must be undefined.\",",
    ),
    (
        "throw new RangeError(\n      `Expected highWaterMark to be a positive number or Infinity, got \
         \"${highWaterMark}\".`,",
        "throw new TypeError(\n      NumberIsNaN(highWaterMark)\n        ? \"The value cannot be converted because it is not an \
         integer.\"\n        : \"The value cannot be converted \
         because it is negative and this API expects a positive bigint.\",",
    ),
];

const ENCODINGS: &[Replacement] = &[
    (
        "if (err !== null && typeof err === \"object\" && err.code === undefined) {\n          err.code = \
         \"ERR_ENCODING_NOT_SUPPORTED\";\n        }\n        throw err;",
        "const error = new err.constructor(`\"${label}\" is not a valid encoding.`);\n        error.code = \
         \"ERR_ENCODING_NOT_SUPPORTED\";\n        throw error;",
    ),
    (
        "} finally {\n      if (!stream && this.#handle !== null)",
        "} catch (error) {\n      const invalid = error.message === \"The encoded data is not valid\";\n      throw \
         invalid ? new error.constructor(\"Failed to decode input.\") : error;\n    } finally {\n      if (!stream && \
         this.#handle !== null)",
    ),
];

/// What makes files cloneable can be taken from them.
const FILES: &[Replacement] = &[(
    "lastModified: this[_LastModified],\n    };\n  },\n  enumerable: false,\n  configurable: false,",
    "lastModified: this[_LastModified],\n    };\n  },\n  enumerable: false,\n  configurable: true,",
)];

const COMPRESSION: &[Replacement] = &[
    (
        "const output = op_compression_write(",
        "const output = write(",
    ),
    ("op_compression_finish(rid, true)", "finish(rid)"),
    (
        "class CompressionStream {",
        "function write(rid, chunk) {\n  try {\n    return op_compression_write(rid, chunk);\n  } catch (error) {\n    \
         const more = error.message === \"failed to write whole buffer\";\n    throw new TypeError(more ? \"Trailing \
         bytes after end of compressed data\" : \"Decompression failed.\");\n  }\n}\n\nfunction finish(rid) {\n  try \
         {\n    return op_compression_finish(rid, true);\n  } catch {\n    throw new TypeError(\"Called close() on a \
         decompression stream with incomplete data\");\n  }\n}\n\nclass CompressionStream {",
    ),
];

const RESPONSES: &[Replacement] = &[(
    "inner.type = \"error\";\n    const response = webidl.createBranded(Response);\n    \
     initializeResponseBase(response, inner, \"immutable\");",
    "inner.type = \"error\";\n    const response = webidl.createBranded(Response);\n    \
     initializeResponseBase(response, inner, \"response\");",
)];

const HEADERS: &[Replacement] = &[
    // Names that no header can have are not there, if nothing in them is of ASCII and not a name's.
    (
        "if (!checkHeaderNameForHttpTokenCodePoint(name)) {\n      throw new TypeError(`Invalid header name: \
         \"${name}\"`);\n    }\n    if (this[_guard] == \"immutable\") {\n      throw new TypeError(\"Cannot change \
         headers: headers are immutable\");\n    }\n\n    const list = headerListFromHeaders(this);\n    const \
         lowerNames = ensureLowerNames(this);\n    const lowercaseName = byteLowerCase(name);\n    let writeIdx",
        "if (this[_guard] == \"immutable\") {\n      throw new TypeError(\"Cannot change headers: headers are \
         immutable\");\n    }\n    if (isNameless(name)) return;\n\n    const list = \
         headerListFromHeaders(this);\n    const lowerNames = ensureLowerNames(this);\n    const lowercaseName = \
         byteLowerCase(name);\n    let writeIdx",
    ),
    (
        "if (!checkHeaderNameForHttpTokenCodePoint(name)) {\n      throw new TypeError(`Invalid header name: \
         \"${name}\"`);\n    }\n\n    const headerGet",
        "if (isNameless(name)) return null;\n\n    const headerGet",
    ),
    (
        "if (!checkHeaderNameForHttpTokenCodePoint(name)) {\n      throw new TypeError(`Invalid header name: \
         \"${name}\"`);\n    }\n\n    const lowerNames = ensureLowerNames(this);\n    const lowercaseName = \
         byteLowerCase(name);\n    for",
        "if (isNameless(name)) return false;\n\n    const lowerNames = ensureLowerNames(this);\n    const \
         lowercaseName = byteLowerCase(name);\n    for",
    ),
    (
        "function appendHeaderToList(",
        "const NAMELESS = /^(?:[-!#$%&'*+.^_`|~A-Za-z0-9]|[^\\0-\\x7f])*$/;\n\nfunction isNameless(name) {\n  if \
         (checkHeaderNameForHttpTokenCodePoint(name)) return false;\n  if (RegExpPrototypeTest(NAMELESS, name)) return \
         true;\n  throw new TypeError(\"Invalid header name.\");\n}\n\nfunction appendHeaderToList(",
    ),
    (
        "`Invalid header name: \"${name}\"`",
        "\"Invalid header name.\"",
    ),
    (
        "`Invalid header value: \"${value}\"`",
        "\"Invalid header value.\"",
    ),
    (
        "`Invalid header: length must be 2, but is ${header.length}`",
        "\"To initialize a Headers object from a sequence, each inner sequence must have exactly two elements.\"",
    ),
];

const FORMS: &[Replacement] = &[
    (
        "\"Failed to execute 'name' on 'FormData'\"",
        "\"Failed to execute 'delete' on 'FormData'\"",
    ),
    // What else a form is made of is not looked at.
    (
        "if (form !== undefined) {\n      webidl.illegalConstructor();\n    }\n",
        "",
    ),
];

// No words, but speed: see js/stubs/inner_request.js.
const REQUESTS: &[Replacement] = &[
    (
        "function processUrlList(",
        "const { InnerRequest } = core.loadExtScript(\"ext:stead/inner_request.js\");\nfunction processUrlList(",
    ),
    (
        "request = newInnerRequest(\n        \"GET\",\n        parsedURL.href,\n        () => [],\n        null,\n        true,\n",
        "request = new InnerRequest(\n        \"GET\",\n        parsedURL.href,\n        () => [],\n        null,\n",
    ),
];

const FETCH: &[Replacement] = &[
    // The platform has no list of ports that it does not connect to, as browsers have.
    ("url.port !== \"\" && BAD_PORTS[url.port] === true", "false"),
];

/// The script with the platform's texts.
///
/// # Panics
///
/// When a text that is to be replaced is not there: the package has changed, and somebody has to look at what it says now.
pub fn reword(specifier: &str, script: String) -> String {
    replace(specifier, script, SCRIPTS)
}

/// The script with the replacements of a table.
///
/// # Panics
///
/// When a piece that is to be replaced is not there.
pub fn replace(specifier: &str, script: String, scripts: &[(&str, &[Replacement])]) -> String {
    let Some((_, replacements)) = scripts.iter().find(|(name, _)| *name == specifier) else {
        return script;
    };
    replacements.iter().fold(script, |script, (from, to)| {
        assert!(
            script.contains(from),
            "`{from}` is not in {specifier}: has the package changed?"
        );
        script.replace(from, to)
    })
}
