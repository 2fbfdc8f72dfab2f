// @ts-check

// The module `node:_stream_readable`.

import { Readable } from "node:stream";

export { Readable };
export default Readable;
