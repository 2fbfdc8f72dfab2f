// @ts-check

// The module `node:dns/promises`.
// https://nodejs.org/api/dns.html#dns-promises-api

import base from "unenv/node/dns/promises";

export * from "unenv/node/dns/promises";
export const [ADDRCONFIG, V4MAPPED, ALL] = [1024, 2048, 256];
export default { .../** @type {any} */ (base), ADDRCONFIG, ALL, V4MAPPED };
