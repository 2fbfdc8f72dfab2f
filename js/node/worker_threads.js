// @ts-check

// The module `node:worker_threads`. A worker is a thread of its own, and begins no others.
// https://nodejs.org/api/worker_threads.html

import base from "unenv/node/worker_threads";
import { refused } from "./errors.js";

export * from "unenv/node/worker_threads";
export const Worker = refused("Worker");
export default { .../** @type {any} */ (base), Worker };
