// @ts-check

// The module `node:_stream_writable`.

import { Writable } from "node:stream";

export { Writable };
export default Writable;
