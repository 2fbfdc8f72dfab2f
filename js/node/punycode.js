// @ts-check

// The module `node:punycode`.

import punycode from "punycode/";

export const { decode, encode, toASCII, toUnicode, ucs2, version } = punycode;
export default punycode;
