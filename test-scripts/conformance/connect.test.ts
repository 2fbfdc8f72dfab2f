// connect() of stubs, and the connect() handlers of objects and entrypoints.
import { DurableObject, exports, WorkerEntrypoint } from "cloudflare:workers";
import { assert, assertEquals, assertThrows } from "./assert.ts";

const own = exports as any;
const ADDRESS = "database.example:5432";
const UNREACHABLE = "Error: proxy request failed, cannot connect to the specified address";
const DISCONNECTED = "TypeError: Can't read from request stream because client disconnected.";
const encode = (text: string) => new TextEncoder().encode(text);
const outcome = (promise: Promise<unknown>) =>
  promise.then((value) => ["ok", value] as const, (error) => ["failed", String(error)] as const);

async function textOf(readable: ReadableStream<Uint8Array>): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of readable as any) text += decoder.decode(chunk, { stream: true });
  return text;
}

/** Says something, ends that, and reads the whole answer. */
async function exchange(socket: any, said: string): Promise<string> {
  const answer = textOf(socket.readable);
  const writer = socket.writable.getWriter();
  await writer.write(encode(said));
  await writer.close();
  return await answer;
}

async function echo(socket: any) {
  const writer = socket.writable.getWriter();
  await writer.write(encode(`echo: ${await textOf(socket.readable)}`));
  await writer.close();
}

/** What became of sockets in a handler, for those who ask later. */
const noted: string[] = [];
let wake = () => {};
function note(text: string) {
  noted.push(text);
  wake();
}
async function nextNote(): Promise<string> {
  while (noted.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  return noted.shift()!;
}

export class Echo extends DurableObject {
  async connect(socket: any) {
    await echo(socket);
  }
}

export class Described extends DurableObject {
  async connect(socket: any, ...rest: unknown[]) {
    const { localAddress, remoteAddress } = await socket.opened;
    const described = [
      localAddress,
      remoteAddress,
      socket.upgraded,
      socket.secureTransport,
      Object.prototype.toString.call(socket),
      rest[0],
    ];
    await socket.writable.getWriter().write(encode(JSON.stringify(described)));
  }
}

export class Writer extends DurableObject {
  async connect(socket: any) {
    await this.ctx.storage.put("count", ((await this.ctx.storage.get<number>("count")) ?? 0) + 1);
    await socket.writable.getWriter().write(encode(`${await this.ctx.storage.get("count")}`));
  }
}

export class Watcher extends DurableObject {
  async connect(socket: any) {
    const reader = socket.readable.getReader();
    for (;;) {
      const read: any = await outcome(reader.read());
      if (read[0] === "failed") return note(read[1]);
      if (read[1].done) return note("end");
      note(new TextDecoder().decode(read[1].value));
    }
  }
}

export class Thrower extends DurableObject {
  async connect() {
    throw new RangeError("thrown by connect");
  }
}

export class Leaver extends DurableObject {
  connect(socket: any) {
    // The connection ends with the handler, whatever its object holds.
    (this as any).socket = socket;
  }
}

export class Aborter extends DurableObject {
  async connect(socket: any) {
    const writer = socket.writable.getWriter();
    await writer.write(encode("ready"));
    await socket.readable.getReader().read();
    this.ctx.abort("reset by connect");
  }
}

export class Closer extends DurableObject {
  async connect(socket: any) {
    const writer = socket.writable.getWriter();
    await writer.write(encode("last words"));
    writer.releaseLock();
    await socket.close();
  }
}

export class Broken extends DurableObject {
  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as any);
    throw new Error("thrown by the constructor");
  }
  connect() {}
}

export class Assigned extends DurableObject {
  connect: any;

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env as any);
    this.connect = async (socket: any) => {
      this.connect = undefined;
      await socket.writable.getWriter().write(encode("assigned"));
    };
  }
}

export class Silent extends DurableObject {}

export class Entry extends WorkerEntrypoint {
  async connect(socket: any) {
    const writer = socket.writable.getWriter();
    await writer.write(encode(`${typeof this.env}, ${await textOf(socket.readable)}`));
    await writer.close();
  }
}

export class SilentEntry extends WorkerEntrypoint {}

export class Caller extends DurableObject {
  async ask(text: string) {
    return await exchange(own.Echo.getByName("called").connect(ADDRESS), text);
  }
}

export default {
  async connect(socket: any, env: unknown, ctx: unknown) {
    const writer = socket.writable.getWriter();
    const kind = `${typeof env} ${Object.prototype.toString.call(ctx)}`;
    await writer.write(encode(`${kind}, ${await textOf(socket.readable)}`));
    await writer.close();
  },
};

export const anObjectAnswers = {
  async test() {
    const socket = own.Echo.getByName("one").connect(ADDRESS);
    assertEquals(Object.prototype.toString.call(socket), "[object Socket]");
    assertEquals([socket.upgraded, socket.secureTransport], [false, "off"]);
    assertEquals(await exchange(socket, "hello"), "echo: hello");
    assertEquals((await socket.opened).remoteAddress, ADDRESS);
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
  },
};

export const theHandlersSocket = {
  async test() {
    const socket = own.Described.getByName("one").connect({ hostname: "database.example", port: 5432 });
    assertEquals(JSON.parse(await textOf(socket.readable)), [ADDRESS, null, false, "off", "[object Socket]", null]);
  },
};

export const anEntrypointAnswers = {
  async test() {
    assertEquals(await exchange(own.Entry.connect(ADDRESS), "hi"), "object, hi");
  },
};

export const theDefaultExportAnswers = {
  async test() {
    assertEquals(await exchange(own.default.connect(ADDRESS), "hi"), "object [object ExecutionContext], hi");
  },
};

export const anObjectConnectsToAnother = {
  async test() {
    assertEquals(await own.Caller.getByName("one").ask("from an object"), "echo: from an object");
  },
};

export const muchPassesBothWays = {
  async test() {
    const much = "0123456789abcdef".repeat(64 * 1024);
    const answer = await exchange(own.Echo.getByName("much").connect(ADDRESS), much);
    assertEquals(answer.length, "echo: ".length + much.length);
    assert(answer.endsWith(much));
  },
};

export const whatAHandlerStoredIsThere = {
  async test() {
    const stub = own.Writer.getByName("one");
    assertEquals(await textOf(stub.connect(ADDRESS).readable), "1");
    assertEquals(await textOf(stub.connect(ADDRESS).readable), "2");
  },
};

export const aHandlerIsTakenOnceAfterConstruction = {
  async test() {
    const stub = own.Assigned.getByName("one");
    assertEquals(await textOf(stub.connect(ADDRESS).readable), "assigned");
    assertEquals(await textOf(stub.connect(ADDRESS).readable), "assigned");
  },
};

export const withoutAHandler = {
  async test() {
    for (const stub of [own.Silent.getByName("one"), own.SilentEntry, own.Broken.getByName("one")]) {
      const socket = stub.connect(ADDRESS);
      assertEquals(await outcome(socket.opened), ["failed", UNREACHABLE]);
      assertEquals(await outcome(socket.closed), ["failed", UNREACHABLE]);
      assertEquals(await textOf(socket.readable), "");
    }
  },
};

export const aHandlerThatThrowsEndsTheConnection = {
  async test() {
    const socket = own.Thrower.getByName("one").connect(ADDRESS);
    assertEquals((await outcome(socket.opened))[0], "ok");
    assertEquals(await textOf(socket.readable), "");
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
  },
};

export const aHandlerThatReturnsEndsTheConnection = {
  async test() {
    const socket = own.Leaver.getByName("one").connect(ADDRESS, { allowHalfOpen: true });
    assertEquals(await textOf(socket.readable), "");
    const writer = socket.writable.getWriter();
    const error: any = await writer.write(encode("x")).then(() => null, (thrown: any) => thrown);
    assertEquals([String(error), error.retryable], ["Error: Network connection lost.", true]);
  },
};

export const aHandlerThatCloses = {
  async test() {
    const socket = own.Closer.getByName("one").connect(ADDRESS);
    assertEquals(await textOf(socket.readable), "last words");
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
  },
};

export const aResetEndsTheConnection = {
  async test() {
    const socket = own.Aborter.getByName("one").connect(ADDRESS);
    const reader = socket.readable.getReader();
    assertEquals(new TextDecoder().decode((await reader.read()).value), "ready");
    const rest = reader.read();
    await outcome(socket.writable.getWriter().write(encode("go")));
    assertEquals((await rest).done, true);
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
  },
};

export const aCallerThatEndsWhatItSays = {
  async test() {
    const writer = own.Watcher.getByName("one").connect(ADDRESS).writable.getWriter();
    await writer.write(encode("whole"));
    await writer.close();
    assertEquals(await nextNote(), "whole");
    assertEquals(await nextNote(), "end");
  },
};

export const aCallerThatGoesAway = {
  async test() {
    const socket = own.Watcher.getByName("one").connect(ADDRESS);
    const writer = socket.writable.getWriter();
    await writer.write(encode("half"));
    assertEquals(await nextNote(), "half");
    writer.releaseLock();
    await socket.close();
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
    assertEquals(await nextNote(), DISCONNECTED);
  },
};

export const halfOpen = {
  async test() {
    const socket = own.Echo.getByName("half").connect(ADDRESS, { allowHalfOpen: true });
    assertEquals(await exchange(socket, "hello"), "echo: hello");
    assertEquals(await Promise.race([socket.closed.then(() => "closed"), Promise.resolve("open")]), "open");
    await socket.close();
    assertEquals(await outcome(socket.closed), ["ok", undefined]);
  },
};

export const noTls = {
  async test() {
    const stub = own.Echo.getByName("tls");
    // workerd says so at once where the object is at hand, and later that there is no connection where it is not.
    const open = async () => await stub.connect(ADDRESS, { secureTransport: "on" }).opened;
    const [, text] = await outcome(open());
    assert(["Error: Incoming CONNECT with TLS not supported", UNREACHABLE].includes(text as string), `${text}`);
    const secured = stub.connect(ADDRESS, { secureTransport: "starttls" }).startTls();
    assertEquals(await outcome(secured.opened), ["failed", "Error: startTls() is not supported on this connection."]);
  },
};

export const whatItRefuses = {
  test() {
    const stub = own.Echo.getByName("refused");
    assertThrows(
      () => stub.connect(),
      "TypeError: Failed to execute 'connect' on 'Fetcher': parameter 1 is not of type 'SocketAddress or string'.",
    );
    assertThrows(() => stub.connect("nowhere"), "TypeError: Specified address is missing port.");
    assertThrows(
      () => stub.connect(ADDRESS, 5),
      "TypeError: Failed to execute 'connect' on 'Fetcher': parameter 2 is not of type 'SocketOptions'.",
    );
    assertThrows(
      () => stub.connect(ADDRESS, { secureTransport: "maybe" }),
      "TypeError: Unsupported value in secureTransport socket option: maybe",
    );
  },
};
