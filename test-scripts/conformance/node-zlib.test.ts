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

const fox = Buffer.from("the quick brown fox jumps over the lazy dog ".repeat(200));
const dictionary = Buffer.from("the quick brown fox jumps over the lazy dog");

export const dictionariesAreShared = {
  test() {
    for (const [pack, unpack] of [["deflate", "inflate"], ["deflateRaw", "inflateRaw"], ["deflate", "unzip"]]) {
      const packed = zlib[`${pack}Sync`](fox, { dictionary });
      assert(packed.length < zlib[`${pack}Sync`](fox).length, pack);
      assertEquals(zlib[`${unpack}Sync`](packed, { dictionary }).equals(fox), true);
    }
    const packed = zlib.deflateSync(fox, { dictionary: new Uint8Array(dictionary).buffer });
    assertThrows(() => zlib.inflateSync(packed), "Error: Missing dictionary");
    assertThrows(() => zlib.inflateSync(packed, { dictionary: Buffer.from("other") }), "Error: Bad dictionary");
    assertEquals(zlib.inflateSync(zlib.deflateSync(fox), { dictionary }).equals(fox), true);
    // gzip has none.
    assertEquals(zlib.gunzipSync(zlib.gzipSync(fox, { dictionary })).equals(fox), true);
    assertThrows(() => zlib.deflateSync(fox, { dictionary: "x" }), /Incorrect type for the 'dictionary' field on 'Options'/);
  },
};

export const whatCompressesIsChosen = {
  test() {
    const length = (options: object) => {
      const packed = zlib.deflateSync(fox, options);
      assertEquals(zlib.inflateSync(packed).equals(fox), true);
      return packed.length;
    };
    const usual = length({});
    // Without looking for what repeats, the same text takes far more room.
    assert(length({ strategy: zlib.constants.Z_HUFFMAN_ONLY }) > usual * 10);
    for (const options of [{ strategy: 1 }, { strategy: 3 }, { strategy: 4 }, { memLevel: 1 }, { memLevel: 9 }, { windowBits: 8 }, { windowBits: 9, level: 9 }]) length(options);
    assert(length({ level: 0 }) > fox.length);
    assertThrows(() => length({ strategy: 5 }), "Error: invalid strategy");
    assertThrows(() => length({ memLevel: 10 }), /The value of "options.memLevel" is out of range. It must be >= 1 and <= 9. Received 10/);
    assertThrows(() => length({ level: 10 }), /The value of "options.level" is out of range. It must be >= -1 and <= 9. Received 10/);
    assertThrows(() => zlib.createGzip({ windowBits: 8 }), /The value of "options.windowBits" is out of range. It must be >= 9 and <= 15. Received 8/);
    assertThrows(() => zlib.inflateSync(zlib.deflateSync(fox, { windowBits: 15 }), { windowBits: 9 }), "Error: invalid window size");
    const { constants: c } = zlib;
    for (const params of [{ [c.BROTLI_PARAM_MODE]: 1 }, { [c.BROTLI_PARAM_QUALITY]: 4 }, { [c.BROTLI_PARAM_LGWIN]: 10 }, { [c.BROTLI_PARAM_SIZE_HINT]: 1000 }]) {
      assertEquals(zlib.brotliDecompressSync(zlib.brotliCompressSync(fox, { params })).equals(fox), true);
    }
    for (const params of [{ [c.ZSTD_c_compressionLevel]: 19 }, { [c.ZSTD_c_windowLog]: 12 }, { [c.ZSTD_c_strategy]: 3 }, { [c.ZSTD_c_checksumFlag]: 1 }, { [c.ZSTD_c_hashLog]: 12, [c.ZSTD_c_minMatch]: 4 }]) {
      assertEquals(zlib.zstdDecompressSync(zlib.zstdCompressSync(fox, { params, pledgedSrcSize: fox.length })).equals(fox), true);
    }
    assertThrows(() => zlib.zstdCompressSync(fox, { params: { 9999: 1 } }), "Error: Unsupported Zstd compression parameter: 9999");
    assertThrows(() => zlib.zstdCompressSync(fox, { params: { [c.ZSTD_c_windowLog]: -12 } }), "Error: Setting parameter failed: Parameter is out of bound");
    assertThrows(() => zlib.zstdCompressSync(fox, { params: { [c.ZSTD_c_windowLog]: 99 } }), "Error: Setting parameter failed: Parameter is out of bound");
  },
};

export const whatIsWrongIsTold = {
  test() {
    const packed = zlib.gzipSync(fox);
    const broken = (at: number, xor: number) => {
      const bytes = Buffer.from(packed);
      bytes[(at + bytes.length) % bytes.length] ^= xor;
      return bytes;
    };
    assertThrows(() => zlib.gunzipSync(broken(-1, 1)), "Error: incorrect length check");
    assertThrows(() => zlib.gunzipSync(broken(-6, 1)), "Error: incorrect data check");
    assertThrows(() => zlib.gunzipSync(broken(2, 15)), "Error: unknown compression method");
    assertThrows(() => zlib.inflateRawSync(Buffer.from([7, 0])), "Error: invalid block type");
    assertThrows(() => zlib.inflateRawSync(Buffer.from([1, 1, 0, 1, 0])), "Error: invalid stored block lengths");
  },
};

export const aLevelIsChecked = {
  async test() {
    const deflate = zlib.createDeflate({ level: 9 });
    assertThrows(() => deflate.params(10, 0), /The value of "level" is out of range. It must be >= -1 and <= 9. Received 10/);
    assertThrows(() => deflate.params(9, 5), /The value of "strategy" is out of range. It must be >= 0 and <= 4. Received 5/);
    assertThrows(() => deflate.params("x", 0), /The "level" argument must be of type number/);
    await new Promise<void>((resolve) => deflate.params(9, 0, () => resolve()));
    assertEquals(zlib.createBrotliCompress().params, undefined);
  },
};
