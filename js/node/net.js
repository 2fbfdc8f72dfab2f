// @ts-check

// The module `node:net`. There are no sockets yet.
// https://nodejs.org/api/net.html

import base from "unenv/node/net";
import { isIP, isIPv4, isIPv6 } from "./addresses.js";
import { missing } from "./errors.js";
import { notImplementedClass } from "./unenv.js";

export * from "unenv/node/net";
export { isIP, isIPv4, isIPv6 };
export const BoundSocket = notImplementedClass("net.BoundSocket");
/** Their likes in the shapes that are there do nothing and say nothing. */
export const connect = missing("net.connect()");
export const createConnection = missing("net.createConnection()");
export default { .../** @type {any} */ (base), BoundSocket, connect, createConnection, isIP, isIPv4, isIPv6 };
