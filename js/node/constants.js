// @ts-check

// The module `node:constants`.

import base from "unenv/node/constants";

export * from "unenv/node/constants";
export const [O_SYMLINK, SIGINFO, defaultCipherList] = [2097152, 29, ""];
export default { .../** @type {any} */ (base), O_SYMLINK, SIGINFO, defaultCipherList };
