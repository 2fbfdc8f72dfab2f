// Bodies that an object streams while it is reset.
import { DurableObject } from "cloudflare:workers";
import { assertEquals } from "./assert.ts";

/** A stream whose first chunk comes at once, and the second when the object has been reset. */
function halfOf(ctx: DurableObjectState): ReadableStream {
  let pulls = 0;
  return new ReadableStream({
    async pull(controller) {
      if (pulls++ === 0) return controller.enqueue(new Uint8Array([1]));
      await scheduler.wait(10);
      ctx.abort("reset");
    },
  });
}

export class Speaker extends DurableObject {
  override async fetch(): Promise<Response> {
    return new Response(halfOf(this.ctx));
  }

  async stream(): Promise<ReadableStream> {
    return halfOf(this.ctx).pipeThrough(new IdentityTransformStream());
  }

  // It waits for what never comes when it is reset.
  async waiting(): Promise<ReadableStream> {
    const { readable, writable } = new IdentityTransformStream();
    const writer = writable.getWriter();
    const write = async () => {
      await writer.write(new Uint8Array([1]));
      await scheduler.wait(60_000);
      await writer.close();
    };
    this.ctx.waitUntil(write().catch(() => {}));
    return readable;
  }

  reset() {
    this.ctx.abort("reset");
  }
}

/** How the second read ends. */
async function second(body: ReadableStream, between?: () => Promise<unknown>): Promise<string> {
  const reader = body.getReader();
  assertEquals((await reader.read()).value, new Uint8Array([1]));
  const next = reader.read().then(({ done }) => (done ? "an end" : "a chunk"), () => "broken off");
  await between?.().catch(() => {});
  return await next;
}

export const aResponseBreaksOff = {
  async test(_: unknown, env: any) {
    const { body } = await env.SPEAKER.getByName("a").fetch("http://speaker/");
    assertEquals(await second(body), "broken off");
  },
};

export const aStreamOverRpcBreaksOff = {
  async test(_: unknown, env: any) {
    assertEquals(await second(await env.SPEAKER.getByName("b").stream()), "broken off");
  },
};

export const aStreamWhoseWriterWaitsBreaksOff = {
  async test(_: unknown, env: any) {
    const speaker = env.SPEAKER.getByName("c");
    assertEquals(await second(await speaker.waiting(), () => speaker.reset()), "broken off");
  },
};
