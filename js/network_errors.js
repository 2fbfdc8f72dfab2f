// @ts-check
/// <reference path="./types.d.ts" />

// What code is told when another machine cannot be reached, or leaves in the middle.
// https://developers.cloudflare.com/durable-objects/best-practices/error-handling/

/**
 * The error of a connection that failed: the platform's, with the machine's reason as its cause.
 * @param {any} cause
 */
export function connectionLost(cause) {
  const error = new Error("Network connection lost.", { cause });
  /** @type {any} */ (error).retryable = true;
  return error;
}

/**
 * What deno_fetch failed with, in the platform's words.
 * @param {any} error
 */
export function fetchFailure(error) {
  const isTransport = error instanceof TypeError && error.message === "fetch failed" && error.cause;
  return isTransport ? connectionLost(error.cause) : error;
}

/** Refuses what cannot be fetched. @param {string} url */
export function checkScheme(url) {
  if (!/^(https?|data):/.test(url)) throw new TypeError(`Fetch API cannot load: ${url}`);
}
