// node:zlib.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import zlib, { brotliCompressSync, brotliDecompressSync, constants, crc32, createGunzip, createGzip, deflateRawSync, deflateSync, gunzip, gunzipSync, gzipSync, inflateRawSync, inflateSync, unzipSync } from "node:zlib";
// @ts-ignore: the same
import { Readable } from "node:stream";
// @ts-ignore: the same
import { pipeline } from "node:stream/promises";
// @ts-ignore: the same
import { promisify } from "node:util";

import { assert, assertEquals, assertThrows } from "./assert";

const text = "some text that repeats, ".repeat(5000);

export const atOnce = {
  test() {
    const pairs: [string, (input: any, options?: any) => any, (input: any, options?: any) => any][] = [
      ["deflate", deflateSync, inflateSync],
      ["deflateRaw", deflateRawSync, inflateRawSync],
      ["gzip", gzipSync, gunzipSync],
      ["gzip", gzipSync, unzipSync],
      ["deflate", deflateSync, unzipSync],
      ["brotli", brotliCompressSync, brotliDecompressSync],
    ];
    for (const [name, compress, decompress] of pairs) {
      const small = compress(text);
      assert(small instanceof Buffer && small.length < text.length / 20, name);
      assertEquals([name, decompress(small).toString() === text, decompress(compress("")).length], [name, true, 0]);
    }
    assertEquals(inflateSync(Buffer.from("eJzLSM3JyQcABiwCFQ==", "base64")).toString(), "hello");
    assertEquals(gunzipSync(Buffer.concat([gzipSync("a"), gzipSync("b")])).toString(), "ab");
    assert(deflateSync(text, { level: 0 }).length > text.length && deflateSync(text, { level: 9 }).length < 2000);
    assertEquals(brotliDecompressSync(brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })).length, text.length);
  },
};

export const together = {
  async test() {
    assertEquals(await new Response(new Response(gzipSync(text)).body!.pipeThrough(new DecompressionStream("gzip"))).text(), text);
    const small = await new Response(new Response(text).body!.pipeThrough(new CompressionStream("deflate"))).arrayBuffer();
    assertEquals(inflateSync(small).toString(), text);
  },
};

export const wrongInput = {
  async test() {
    assertThrows(() => inflateSync(Buffer.from("not compressed")), /incorrect header check/);
    assertThrows(() => gunzipSync(gzipSync(text).subarray(0, 50)), /unexpected end of file/);
    assertThrows(() => brotliDecompressSync(Buffer.from("not compressed")), /failed/);
    assertThrows(() => gunzipSync(gzipSync(text), { maxOutputLength: 100 }), /^RangeError.*Memory limit exceeded/);
    assertThrows(() => deflateSync("a", { level: 20 }), /options.level/);
  },
};

export const later = {
  async test() {
    assertEquals((await promisify(gunzip)(gzipSync("x")) as any).toString(), "x");
    assertEquals((await promisify(zlib.brotliDecompress)(brotliCompressSync("y")) as any).toString(), "y");
    const failed = await new Promise<any>((resolve) => zlib.inflate(Buffer.from("nope"), resolve));
    assertEquals(failed.message, "incorrect header check");
  },
};

export const streams = {
  async test() {
    const parts: Uint8Array[] = [];
    await pipeline(Readable.from([text.slice(0, 1000), text.slice(1000)]), createGzip(), createGunzip(), async (source: AsyncIterable<Uint8Array>) => {
      for await (const part of source) parts.push(part);
    });
    assertEquals(Buffer.concat(parts).toString() === text, true);
    const gzip = createGzip();
    const seen: Uint8Array[] = [];
    gzip.on("data", (chunk: Uint8Array) => seen.push(chunk));
    gzip.write("first");
    await new Promise((resolve) => gzip.flush(resolve));
    await scheduler.wait(1);
    assertEquals(gunzipSync(Buffer.concat(seen), { finishFlush: constants.Z_SYNC_FLUSH }).toString(), "first");
    const broken = createGunzip();
    const error = new Promise<any>((resolve) => broken.on("error", resolve));
    broken.end("not gzip");
    assertEquals((await error).code, "Z_DATA_ERROR");
  },
};

export const checksums = {
  test() {
    assertEquals([crc32("hello"), crc32(Buffer.from("llo"), crc32("he"))], [907060870, 907060870]);
    assertEquals([constants.Z_FINISH, zlib.constants.Z_BEST_COMPRESSION], [4, 9]);
  },
};
