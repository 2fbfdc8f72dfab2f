// @ts-check
/// <reference path="./types.d.ts" />

// The JavaScript classes of errors that ops return. Without an entry here an op's error would
// arrive as an `Error` whose class is lost.

import { core } from "ext:core/mod.js";

const { DOMException, QuotaExceededError } = core.loadExtScript(
  "ext:deno_web/01_dom_exception.js",
);

const domExceptions = [
  "AbortError",
  "DataCloneError",
  "DataError",
  "IndexSizeError",
  "InvalidAccessError",
  "InvalidCharacterError",
  "InvalidStateError",
  "NetworkError",
  "NotSupportedError",
  "OperationError",
  "SyntaxError",
  "TimeoutError",
  "TypeMismatchError",
];
for (const name of domExceptions) {
  core.registerErrorBuilder(
    `DOMException${name}`,
    (/** @type {string} */ message) => new DOMException(message, name),
  );
}
core.registerErrorBuilder(
  "DOMExceptionQuotaExceededError",
  (/** @type {string} */ message) => new QuotaExceededError(message),
);

// Failures of the machine. The platform has no classes for them.
const machineErrors = [
  "AddrInUse",
  "AddrNotAvailable",
  "AlreadyExists",
  "BrokenPipe",
  "Busy",
  "ConnectionAborted",
  "ConnectionRefused",
  "ConnectionReset",
  "FilesystemLoop",
  "Http",
  "InvalidData",
  "IsADirectory",
  "NetworkUnreachable",
  "NotADirectory",
  "NotConnected",
  "NotFound",
  "NotSupported",
  "PermissionDenied",
  "TimedOut",
  "UnexpectedEof",
  "WouldBlock",
  "WriteZero",
];
for (const name of machineErrors) core.registerErrorClass(name, Error);
