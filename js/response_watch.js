// @ts-check

// Who asked for which response. Only tests want to know, to name the bodies that nobody has read.

import { currentHandle } from "ext:stead/record.js";

/** Hears of the responses that the worker's own code gets; tests want to know. @type {((made: any, asked: Error) => void) | null} */
let watcher = null;

/** @param {(made: any, asked: Error) => void} told with each response, and an error whose stack says who asked for it */
export function watchResponses(told) {
  watcher = told;
}

/**
 * Called where a response is asked for.
 * @returns {(made: any) => any} to be called with the response
 */
export function expectResponse() {
  const told = watcher;
  if (told === null || currentHandle() !== null) return PASS;
  const asked = new Error("asked for here");
  return (made) => {
    told(made, asked);
    return made;
  };
}

const PASS = (/** @type {any} */ made) => made;
