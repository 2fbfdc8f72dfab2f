// node:stream, with its promises, its consumers and its bridges to the streams of the web.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import Stream, { Duplex, PassThrough, Readable, Transform, Writable, finished, pipeline } from "node:stream";
// @ts-ignore: the same
import * as promises from "node:stream/promises";
// @ts-ignore: the same
import * as consumers from "node:stream/consumers";
// @ts-ignore: the same
import * as web from "node:stream/web";

import { assert, assertEquals, assertRejects } from "./assert";

function collect(into: string[]) {
  return new Writable({
    write(chunk: Uint8Array, _: string, callback: () => void) {
      into.push(String(chunk));
      callback();
    },
  });
}

const upper = () =>
  new Transform({
    transform(chunk: Uint8Array, _: string, callback: (error: unknown, text?: string) => void) {
      callback(null, String(chunk).toUpperCase());
    },
  });

export const reading = {
  async test() {
    const seen: unknown[] = [];
    for await (const chunk of Readable.from(["a", "b", 1])) seen.push(chunk);
    assertEquals(seen, ["a", "b", 1]);
    let left = 3;
    const counter = new Readable({
      read() {
        this.push(left === 0 ? null : String(left--));
      },
    });
    counter.setEncoding("utf8");
    let text = "";
    counter.on("data", (chunk: string) => (text += chunk));
    await promises.finished(counter);
    assertEquals([text, counter.readableEnded, counter.destroyed], ["321", true, true]);
    assertEquals(await Readable.from([1, 2, 3]).map((n: number) => n * 2).filter((n: number) => n > 2).toArray(), [4, 6]);
  },
};

export const writing = {
  async test() {
    const seen: string[] = [];
    const sink = collect(seen);
    assertEquals([sink.write("a"), sink.write(Buffer.from("b"))], [true, true]);
    sink.end("c");
    await promises.finished(sink);
    assertEquals([seen, sink.writableFinished], [["a", "b", "c"], true]);
    const small = new Writable({ highWaterMark: 2, write: (_: unknown, __: unknown, callback: () => void) => queueMicrotask(callback) });
    assertEquals(small.write("abc"), false);
    await new Promise((resolve) => small.once("drain", resolve));
    const late = new Writable({ write: (_: unknown, __: unknown, callback: () => void) => callback() });
    late.end();
    const error = new Promise<any>((resolve) => late.on("error", resolve));
    late.write("x");
    assertEquals((await error).code, "ERR_STREAM_WRITE_AFTER_END");
  },
};

export const pipelines = {
  async test() {
    const seen: string[] = [];
    await promises.pipeline(Readable.from(["a", "b"]), upper(), collect(seen));
    assertEquals(seen.join(""), "AB");
    await assertRejects(
      promises.pipeline(Readable.from(["a"]), async function* () {
        throw new Error("broken");
      }, collect([])),
      "Error: broken",
    );
    const done = new Promise((resolve) => pipeline(Readable.from(["x"]), new PassThrough(), collect(seen), resolve));
    assertEquals(await done, undefined);
    const piped: string[] = [];
    const sink = Readable.from(["p"]).pipe(upper()).pipe(collect(piped));
    await new Promise((resolve) => sink.on("finish", resolve));
    assertEquals(piped, ["P"]);
    const destroyed = new PassThrough();
    const ended = new Promise<any>((resolve) => finished(destroyed, resolve));
    destroyed.destroy();
    assertEquals((await ended).code, "ERR_STREAM_PREMATURE_CLOSE");
  },
};

export const duplexes = {
  async test() {
    const echo = new Duplex({
      read() {},
      write(this: any, chunk: unknown, _: string, callback: () => void) {
        this.push(chunk);
        callback();
      },
      final(this: any, callback: () => void) {
        this.push(null);
        callback();
      },
    });
    echo.end("hi");
    assertEquals(await consumers.text(echo), "hi");
    assert(Stream.Readable === Readable && Stream.promises.pipeline === promises.pipeline && new PassThrough() instanceof Stream);
  },
};

export const consuming = {
  async test() {
    assertEquals(await consumers.json(Readable.from(['{"a":', "1}"])), { a: 1 });
    assertEquals((await consumers.buffer(Readable.from([Buffer.from("ab")]))).toString(), "ab");
    assertEquals((await consumers.arrayBuffer(Readable.from([Buffer.from("ab")]))).byteLength, 2);
    assertEquals(await consumers.text(new Response("web").body!), "web");
  },
};

export const bridges = {
  async test() {
    assertEquals(await new Response(Readable.toWeb(Readable.from([Buffer.from("to"), Buffer.from("web")]))).text(), "toweb");
    assertEquals(await consumers.text(Readable.fromWeb(new Response("from web").body!)), "from web");
    const { readable, writable } = new TransformStream();
    const sink = Writable.fromWeb(writable);
    sink.end("written");
    assertEquals(await consumers.text(readable), "written");
    const seen: string[] = [];
    const writer = Writable.toWeb(collect(seen)).getWriter();
    await writer.write("w");
    await writer.close();
    assertEquals(seen, ["w"]);
    assert(web.ReadableStream === ReadableStream && web.TransformStream === TransformStream);
  },
};
