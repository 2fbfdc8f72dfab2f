// Streams, blobs, requests and responses as arguments and results.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects } from "./assert.ts";

export class Service extends DurableObject {
  #kept: any;

  echo(value: any): any {
    return value;
  }

  async read(stream: any): Promise<any> {
    return await new Response(stream).text();
  }

  async write(stream: any, ...chunks: any[]): Promise<any> {
    const writer = stream.getWriter();
    for (const chunk of chunks) await writer.write(chunk);
    await writer.close();
    return "closed";
  }

  async countWrites(stream: any, count: number): Promise<any> {
    const writer = stream.getWriter();
    for (let i = 0; i < count; i++) await writer.write(new Uint8Array(1024));
    await writer.close();
  }

  async abort(stream: any) {
    await stream.abort(new RangeError("never mind"));
  }

  keep(stream: any) {
    this.#kept = stream;
  }

  writeToKept(text: string): any {
    return this.write(this.#kept, new TextEncoder().encode(text));
  }

  readKept(): any {
    return this.read(this.#kept);
  }

  ticks(count: number): any {
    let tick = 0;
    return new ReadableStream({
      async pull(controller) {
        await scheduler.wait(1);
        controller.enqueue(new TextEncoder().encode(`${++tick};`));
        if (tick === count) controller.close();
      },
    });
  }

  text(): any {
    return new ReadableStream({
      pull(controller) {
        controller.enqueue("text");
        controller.close();
      },
    });
  }

  failing(): any {
    return new ReadableStream({
      pull(controller) {
        controller.error(new RangeError("the stream failed"));
      },
    });
  }

  failingResponse(): any {
    return new Response(this.failing());
  }

  blob(): any {
    return new Blob(["some ", "text"], { type: "text/x" });
  }

  async size(blob: any): Promise<any> {
    return [blob.size, blob.type, await blob.text(), blob instanceof Blob];
  }

  response(): any {
    return new Response("made", { status: 201, statusText: "Made", headers: { "X-A": "1" } });
  }

  async describe(request: any): Promise<any> {
    return [request.method, request.url, request.headers.get("X-A"), await request.text()];
  }

  respondTo(request: any): any {
    return new Response(request.body, { headers: request.headers });
  }
}

interface Env {
  Service: DurableObjectNamespace<Service>;
}

function withService(steps: (service: any, env: Env) => Promise<void>) {
  const name = `service ${++withService.tests}`;
  return {
    test: (_: unknown, env: Env) => steps(env.Service.getByName(name), env),
  };
}
withService.tests = 0;

const text = (stream: any) => new Response(stream).text();

// A writable stream that says what becomes of it.
function recorder() {
  const events: string[] = [];
  const stream = new WritableStream({
    write(chunk) {
      events.push(`write ${new TextDecoder().decode(chunk)}`);
    },
    close() {
      events.push("close");
    },
    abort(reason) {
      events.push(`abort ${reason}`);
    },
  });
  return { events, stream };
}

const DISCONNECTED = "Error: ReadableStream received over RPC disconnected prematurely.";

export const aReadableStreamPasses = withService(async (service) => {
  assertEquals(await service.read(new Response("sent").body), "sent");
  assertEquals(await text(await service.echo(new Response("there and back").body)), "there and back");
  assertEquals(await text(await service.ticks(3)), "1;2;3;");
  assertEquals(await text(await service.text()), "text");
});

export const aLargeStreamPasses = withService(async (service) => {
  const { readable, writable } = new IdentityTransformStream();
  const chunk = new Uint8Array(64 * 1024).fill(65);
  const feed = (async () => {
    const writer = writable.getWriter();
    for (let i = 0; i < 100; i++) await writer.write(chunk);
    await writer.close();
  })();
  const [length] = await Promise.all([service.read(readable).then((text: string) => text.length), feed]);
  assertEquals(length, 100 * chunk.length);
});

export const aStreamThatFailsFailsItsReader = withService(async (service) => {
  await assertRejects(async () => await text(await service.failing()), DISCONNECTED);
  await assertRejects(async () => await (await service.failingResponse()).text(), DISCONNECTED);
});

export const aLockedStreamIsRefused = withService(async (service) => {
  const { readable, writable } = new TransformStream();
  readable.getReader();
  writable.getWriter();
  await assertRejects(() => service.echo(readable), "TypeError: The ReadableStream has been locked to a reader.");
  await assertRejects(() => service.echo(writable), "TypeError: This WritableStream is currently locked to a writer.");
});

export const aWritableStreamPasses = withService(async (service) => {
  const { events, stream } = recorder();
  assertEquals(await service.write(stream, new TextEncoder().encode("a"), "b"), "closed");
  assertEquals([events, stream.locked], [["write a", "write b", "close"], true]);
  const { readable, writable } = new IdentityTransformStream();
  const [got] = await Promise.all([text(readable), service.write(writable, new TextEncoder().encode("written"))]);
  assertEquals(got, "written");
});

export const aWritableStreamTakesBytes = withService(async (service) => {
  const { stream } = recorder();
  await assertRejects(
    () => service.write(stream, { a: 1 }),
    "TypeError: This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.",
  );
});

export const aWritersPaceIsItsReaders = withService(async (service) => {
  const { readable, writable } = new IdentityTransformStream();
  const done = service.countWrites(writable, 200);
  let bytes = 0;
  for await (const chunk of readable) {
    bytes += chunk.byteLength;
    if (bytes % 10_240 === 0) await scheduler.wait(1);
  }
  await done;
  assertEquals(bytes, 200 * 1024);
});

export const aFailedWriteFailsTheWriter = withService(async (service) => {
  const stream = new WritableStream({
    write() {
      throw new RangeError("no room");
    },
  });
  await assertRejects(() => service.write(stream, new Uint8Array(1)), "RangeError: no room");
});

export const anAbortedWritableStreamHearsOfIt = withService(async (service) => {
  const { events, stream } = recorder();
  await service.abort(stream);
  while (events.length === 0) await scheduler.wait(1);
  assertEquals(events, ["abort Error: WritableStream received over RPC was disconnected because the remote execution context has ended."]);
});

export const streamsOutliveTheCallThatPassedThem = withService(async (service) => {
  const { events, stream } = recorder();
  await service.keep(stream);
  await service.writeToKept("late");
  assertEquals(events, ["write late", "close"]);
  await service.keep(new Response("read late").body);
  assertEquals(await service.readKept(), "read late");
});

export const aBlobPasses = withService(async (service) => {
  assertEquals(await service.size(new Blob(["abc"], { type: "text/y" })), [3, "text/y", "abc", true]);
  const blob = await service.blob();
  assert(blob instanceof Blob);
  assertEquals([blob.size, blob.type, await blob.text(), await blob.slice(5).text()], [9, "text/x", "some text", "text"]);
  assertEquals((await service.echo([new Blob(), new Blob(["x"])])).map((b: Blob) => b.size), [0, 1]);
});

export const aResponsePasses = withService(async (service) => {
  const response = await service.response();
  assert(response instanceof Response);
  assertEquals([response.status, response.statusText, response.headers.get("X-A"), await response.text()], [201, "Made", "1", "made"]);
});

export const aRequestPasses = withService(async (service) => {
  const request = new Request("http://example.com/path", { method: "PUT", body: "body", headers: { "X-A": "2" } });
  assertEquals(await service.describe(request), ["PUT", "http://example.com/path", "2", "body"]);
  const response = await service.respondTo(new Request("http://example.com/", { method: "POST", body: "through", headers: { "X-A": "3" } }));
  assertEquals([response.headers.get("X-A"), await response.text()], ["3", "through"]);
});

export const severalStreamsPassInOneMessage = withService(async (service) => {
  const streams = await service.echo({ a: new Response("a").body, list: [new Response("b").body, new Response("c")] });
  assertEquals([await text(streams.a), await text(streams.list[0]), await streams.list[1].text()], ["a", "b", "c"]);
});
