// ctx.abort() and what code was waiting for: nothing of what an ended event, or a reset object, had begun goes on.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { assertEquals } from "./assert.ts";

let ran: string[] = [];

export class Slow extends DurableObject {
  async wait(): Promise<number> {
    await scheduler.wait(30);
    return 7;
  }

  // The second half of the body comes later.
  override async fetch(): Promise<Response> {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const write = async () => {
      await writer.write(new Uint8Array([1]));
      await scheduler.wait(30);
      await writer.write(new Uint8Array([2]));
      await writer.close();
    };
    this.ctx.waitUntil(write().catch(() => {}));
    return new Response(readable);
  }
}

async function beginIo(slow: any): Promise<void> {
  const body = async () => (await slow.fetch("http://slow/")).body;
  const [text, bytes, chunks] = [await body(), await body(), await body()];
  const reader = chunks.getReader();
  await reader.read();
  const algorithm = { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 1000 };
  const key = await crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
  const begun: Record<string, PromiseLike<unknown>> = {
    timer: new Promise((resolve) => setTimeout(resolve, 30)),
    wait: scheduler.wait(30),
    signal: new Promise((resolve) => AbortSignal.timeout(30).addEventListener("abort", resolve)),
    call: slow.wait(),
    fetch: slow.fetch("http://slow/"),
    text: new Response(text).text(),
    bytes: new Request("http://slow/", { method: "POST", body: bytes }).arrayBuffer(),
    chunk: reader.read(),
    crypto: crypto.subtle.deriveBits(algorithm, key, 256),
  };
  for (const [name, io] of Object.entries(begun)) {
    io.then(() => ran.push(name), (error) => ran.push(`${name}: ${error}`));
  }
}

export class Worker extends WorkerEntrypoint<any> {
  async begin() {
    await beginIo(this.env.SLOW.getByName("a"));
    (this.ctx as any).abort("ended");
  }
}

export class Resetting extends DurableObject<any> {
  async begin() {
    await beginIo(this.env.SLOW.getByName("a"));
    this.ctx.storage.put("a", 1);
    this.ctx.storage.sync().then(() => ran.push("sync"), () => ran.push("sync failed"));
    this.ctx.abort("ended");
  }
}

export class Streaming extends WorkerEntrypoint<any> {
  override async fetch(): Promise<Response> {
    const slow = await this.env.SLOW.getByName("a").fetch("http://slow/");
    const reader = slow.body.getReader();
    const body = new ReadableStream({
      type: "bytes",
      async pull(controller) {
        const { done, value } = await reader.read();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    setTimeout(() => (this.ctx as any).abort("ended"), 10);
    return new Response(body);
  }
}

const whatRanOn = async (begin: () => Promise<unknown>): Promise<string[]> => {
  ran = [];
  await begin().then(() => ran.push("ended well"), () => {});
  await scheduler.wait(200);
  return ran;
};

export const nothingThatAnEndedEventAwaitsGoesOn = {
  async test(_: unknown, __: unknown, ctx: any) {
    assertEquals(await whatRanOn(() => ctx.exports.Worker.begin()), []);
  },
};

export const nothingThatAResetObjectAwaitsGoesOn = {
  async test(_: unknown, env: any) {
    assertEquals(await whatRanOn(() => env.RESETTING.getByName("a").begin()), []);
  },
};

export const aBodyThatAnEndedEventStreamsBreaksOff = {
  async test(_: unknown, __: unknown, ctx: any) {
    const answer = await ctx.exports.Streaming.fetch("http://streaming/");
    const outcome = await answer.arrayBuffer().then(() => "whole", () => "broken off");
    assertEquals(outcome, "broken off");
  },
};
