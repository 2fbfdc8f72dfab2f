// @ts-check

// The module `node:stream/promises`.

import Stream from "node:stream";

export const { finished, pipeline } = /** @type {any} */ (Stream).promises;
export default { finished, pipeline };
