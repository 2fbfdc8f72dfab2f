// What the platform says to arguments of the wrong kind, for the converters of deno_webidl, which
// say it in other words. Asked only when something is about to be thrown.

(function () {
const { primordials } = __bootstrap;
const { RegExpPrototypeExec, SafeRegExp } = primordials;

/**
 * The types of a call's parameters, by class and method; `?` marks those that may be left out.
 * Methods of the global scope stand alone.
 */
const PARAMETERS = {
  __proto__: null,
  "AbortSignal.any": ["Array"],
  "AbortSignal.timeout": ["number"],
  "Blob.slice": ["number?", "number?", "string?"],
  "ByteLengthQueuingStrategy.new": ["QueuingStrategyInit"],
  "Blob.new": ["Array?", "Options?"],
  "CloseEvent.new": ["string", "Initializer?"],
  "CompressionStream.new": ["string"],
  "CountQueuingStrategy.new": ["QueuingStrategyInit"],
  "CustomEvent.new": ["string", "CustomEventInit?"],
  "DecompressionStream.new": ["string"],
  "ErrorEvent.new": ["string", "ErrorEventInit?"],
  "Event.new": ["string", "Init?"],
  "EventTarget.addEventListener": ["string", "function or HandlerObject"],
  "EventTarget.dispatchEvent": ["Event"],
  "EventTarget.removeEventListener": ["string", "Object"],
  "File.new": ["Array?", "string", "Options?"],
  "FormData.append": ["string", "File or Blob or string", "string?"],
  "FormData.delete": ["string"],
  "FormData.forEach": ["function"],
  "FormData.get": ["string"],
  "FormData.getAll": ["string"],
  "FormData.has": ["string"],
  "FormData.set": ["string", "File or Blob or string", "string?"],
  "Headers.append": ["string", "string"],
  "Headers.delete": ["string"],
  "Headers.forEach": ["function"],
  "Headers.get": ["string"],
  "Headers.has": ["string"],
  "Headers.new": ["Headers or Sequence or object?"],
  "Headers.set": ["string", "string"],
  "MessageEvent.new": ["string", "Initializer?"],
  "MessagePort.postMessage": ["Value", "Array or PostMessageOptions?"],
  "Performance.getEntriesByName": ["string", "string?"],
  "Performance.getEntriesByType": ["string"],
  "Performance.mark": ["string"],
  "Performance.measure": ["string"],
  "Performance.setResourceTimingBufferSize": ["unsigned integer"],
  "PerformanceMark.new": ["string"],
  "PerformanceObserver.new": ["Value"],
  "ReadableByteStreamController.enqueue": ["BufferSource"],
  "ReadableStream.from": ["AsyncGenerator"],
  "ReadableStream.getReader": ["GetReaderOptions?"],
  "ReadableStream.new": ["UnderlyingSource?", "StreamQueuingStrategy?"],
  "ReadableStream.pipeThrough": ["Transform", "PipeToOptions?"],
  "ReadableStream.pipeTo": ["WritableStream", "PipeToOptions?"],
  "ReadableStreamBYOBReader.new": ["ReadableStream"],
  "ReadableStreamBYOBReader.read": ["ArrayBufferView"],
  "ReadableStreamDefaultReader.new": ["ReadableStream"],
  "TextDecoder.decode": ["Array?", "DecodeOptions?"],
  "TextDecoder.new": ["string?", "ConstructorOptions?"],
  "TextDecoderStream.new": ["string?", "TextDecoderStreamInit?"],
  "TextEncoder.encodeInto": ["String", "Uint8Array"],
  "TransformStream.new": ["Transformer?", "StreamQueuingStrategy?", "StreamQueuingStrategy?"],
  "URL.canParse": ["USVString", "USVString?"],
  "URL.new": ["USVString", "USVString?"],
  "URL.parse": ["USVString", "USVString?"],
  "URLSearchParams.append": ["USVString", "USVString"],
  "URLSearchParams.delete": ["USVString"],
  "URLSearchParams.forEach": ["function"],
  "URLSearchParams.get": ["USVString"],
  "URLSearchParams.getAll": ["USVString"],
  "URLSearchParams.has": ["USVString"],
  "URLSearchParams.set": ["USVString", "USVString"],
  "WritableStream.new": ["UnderlyingSink?", "StreamQueuingStrategy?"],
  "WritableStreamDefaultWriter.new": ["WritableStream"],
  atob: ["string"],
  btoa: ["String"],
};

/** Dictionaries and members that have other names here. */
const DICTIONARIES = {
  __proto__: null,
  QueuingStrategy: "StreamQueuingStrategy",
  ReadableWritablePair: "Transform",
  RequestInit: "RequestInitializerDict",
};

/** What is said of a string that is none of those that are known. @type {any} */
const CHOICES = {
  __proto__: null,
  CompressionFormat: () =>
    "The compression format must be either 'deflate', 'deflate-raw' or 'gzip'.",
  ReadableStreamReaderMode: () => "mode must be undefined or 'byob' in call to getReader().",
  ReadableStreamType: (/** @type {string} */ value) =>
    `"${value}" is not a valid type of ReadableStream.`,
};

const CALL = new SafeRegExp("^Failed to (?:construct|execute) '([\\w.]+)'(?: on '(\\w+)')?$");
const ARGUMENT = new SafeRegExp("^(?:Argument (\\d+)|underlyingSource|underlyingSink|transformer)$");
const ELEMENT = new SafeRegExp("^Argument \\d+, index (\\d+)$");
const FIELD = new SafeRegExp("^'(\\w+)' of '(\\w+)'");
const TYPE = new SafeRegExp("^is not (?:of type |an? )(\\w+)");
const REQUIRED = new SafeRegExp("because '(\\w+)' is required in '(\\w+)'");

/**
 * Which call it is: its parameters, and how the sentence begins.
 * @param {string} prefix
 */
function callOf(prefix) {
  const found = RegExpPrototypeExec(CALL, prefix);
  if (found === null) return undefined;
  let { 1: method, 2: owner } = found;
  if (prefix[10] === "c") {
    const start = `Failed to construct '${method}': constructor parameter`;
    return { parameters: PARAMETERS[`${method}.new`], start };
  }
  const parts = primordials.StringPrototypeSplit(method, ".");
  if (parts.length === 2) ({ 0: owner, 1: method } = parts);
  const parameters = PARAMETERS[owner === undefined ? method : `${owner}.${method}`];
  const start = `Failed to execute '${method}' on '${owner ?? "ServiceWorkerGlobalScope"}': parameter`;
  return { parameters, start };
}

/**
 * @param {string} name of a type, perhaps with its `?`
 */
function bare(name) {
  return name[name.length - 1] === "?" ? primordials.StringPrototypeSlice(name, 0, -1) : name;
}

/**
 * The text about too few arguments, if the platform has one.
 * @param {string} prefix
 * @param {number} count of those that are there
 */
function missingArgument(prefix, count) {
  const call = callOf(prefix);
  if (call?.parameters === undefined) return undefined;
  const { parameters, start } = call;
  for (let i = count; i < parameters.length; i++) {
    if (parameters[i] === bare(parameters[i])) {
      return `${start} ${i + 1} is not of type '${parameters[i]}'.`;
    }
  }
}

/**
 * The text about an argument, or a part of one, that cannot be converted.
 * @param {string} prefix
 * @param {string} context what cannot be converted
 * @param {string} message why
 */
function wrongArgument(prefix, context, message) {
  if (prefix === undefined || context === undefined) return undefined;
  if (message === "Length must be non-zero") return "Cannot enqueue a zero-length ArrayBuffer.";
  if (prefix === "Failed to construct 'Response'" && context === "Argument 2") {
    return `Incorrect type for the 'headers' field on 'InitializerDict': the provided value is not of type '${typeOfField("headers")}'.`;
  }
  if (context === "chunk" && prefix === "Failed to construct 'TextDecoderStream'") {
    return "This TransformStream is being used as a byte stream, but received a value that is not a BufferSource.";
  }
  const field = RegExpPrototypeExec(FIELD, context) ?? RegExpPrototypeExec(REQUIRED, message);
  if (field !== null) {
    const type = RegExpPrototypeExec(TYPE, message)?.[1] ?? typeOfField(field[1]);
    if (type === undefined) return undefined;
    const owner = DICTIONARIES[field[2]] ?? field[2];
    return `Incorrect type for the '${field[1]}' field on '${owner}': the provided value is not of type '${type}'.`;
  }
  const element = RegExpPrototypeExec(ELEMENT, context);
  if (element !== null) {
    const type = RegExpPrototypeExec(TYPE, message)?.[1];
    if (type !== undefined) {
      return `Incorrect type for array element ${element[1]}: the provided value is not of type '${type}'.`;
    }
    return message === "can not be converted to sequence."
      ? "Incorrect type: the provided value is not of type 'Sequence'."
      : undefined;
  }
  const argument = RegExpPrototypeExec(ARGUMENT, context);
  if (argument === null || message === "is not a valid ByteString") return undefined;
  const call = callOf(prefix);
  const position = argument[1] === undefined ? 1 : +argument[1];
  const type = call?.parameters?.[position - 1];
  if (type === undefined) return undefined;
  return `${call.start} ${position} is not of type '${bare(type)}'.`;
}

/** @param {string} name */
function typeOfField(name) {
  if (name === "headers") return "Headers or Sequence or object";
  if (name === "readable") return "ReadableStream";
  if (name === "writable") return "WritableStream";
}

/**
 * @param {string} kind
 * @param {string} value
 */
function wrongChoice(kind, value) {
  return CHOICES[kind]?.(value);
}

return { missingArgument, wrongArgument, wrongChoice };
})();
