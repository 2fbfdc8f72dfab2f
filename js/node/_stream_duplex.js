// @ts-check

// The module `node:_stream_duplex`.

import { Duplex } from "node:stream";

export { Duplex };
export default Duplex;
