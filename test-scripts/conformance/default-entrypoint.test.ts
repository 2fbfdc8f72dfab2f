// A class as the worker's default export.
import { WorkerEntrypoint } from "cloudflare:workers";

import { assertEquals } from "./assert.ts";

export default class Front extends WorkerEntrypoint {
  calls = 0;

  fetch(request: Request) {
    this.ctx.passThroughOnException();
    return new Response(`${++this.calls} ${new URL(request.url).pathname}`);
  }

  add(a: number, b: number) {
    return [++this.calls, a + b];
  }
}

export const aClassIsTheDefaultExport = {
  async test(_: unknown, __: unknown, ctx: any) {
    const front = ctx.exports.default;
    assertEquals(await (await front.fetch("http://example.com/a")).text(), "1 /a");
    assertEquals([await front.add(1, 2), await front.add(3, 4)], [[1, 3], [1, 7]]);
  },
};
