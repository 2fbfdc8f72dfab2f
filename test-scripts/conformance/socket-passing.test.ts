// Sockets as arguments and results of calls.
import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertRejects, assertThrows } from "./assert.ts";

const ADDRESS = "database.example:5432";
const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const settled = (promise: Promise<unknown>) => promise.then(() => "fulfilled", String);

/** Says something and reads what comes back. */
async function ask(socket: any, text: string): Promise<string> {
  const writer = socket.writable.getWriter();
  const reader = socket.readable.getReader();
  // Here and there, a write may wait for whoever reads it.
  const read = reader.read();
  await writer.write(encode(text));
  const { value } = await read;
  writer.releaseLock();
  reader.releaseLock();
  return decode(value);
}

export class Echo extends DurableObject {
  async connect(socket: any) {
    const writer = socket.writable.getWriter();
    for await (const chunk of socket.readable) await writer.write(chunk);
    await writer.close();
  }
}

export class Greeting extends DurableObject {
  async connect(socket: any) {
    const writer = socket.writable.getWriter();
    await writer.write(encode("welcome"));
    await writer.close();
  }
}

interface Env {
  Echo: DurableObjectNamespace<Echo>;
  Greeting: DurableObjectNamespace<Greeting>;
  User: DurableObjectNamespace<User>;
}

export class User extends DurableObject<Env> {
  #kept: any;

  async ask(socket: any) {
    return await ask(socket, "over there");
  }

  async askInside(value: any) {
    return await ask(value.sockets[0], "inside");
  }

  async describe(socket: any) {
    const { remoteAddress } = await socket.opened;
    return [Object.prototype.toString.call(socket), remoteAddress, socket.upgraded, socket.secureTransport];
  }

  async keep(socket: any) {
    this.#kept = socket;
  }

  async askKept() {
    return await ask(this.#kept, "kept");
  }

  async upgrade(socket: any) {
    socket.startTls();
  }

  async closes(socket: any) {
    await socket.close();
    await socket.closed;
    const texts = [socket.readable.getReader().read(), socket.writable.getWriter().write(encode("x"))];
    return await Promise.all(texts.map(settled));
  }

  async open(name: "Echo" | "Greeting") {
    const socket = (this.env[name] as any).getByName("passed").connect(ADDRESS);
    await socket.opened;
    return socket;
  }

  async store() {
    await this.ctx.storage.put("socket", await this.open("Echo"));
  }
}

const opened = async (env: Env, options?: object) => {
  const socket = (env.Echo as any).getByName("passed").connect(ADDRESS, options);
  await socket.opened;
  return socket;
};

export const aSocketIsAnArgument = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("argument") as any;
    assertEquals(await user.ask(await opened(env)), "over there");
    assertEquals(await user.askInside({ sockets: [await opened(env)] }), "inside");
    const described = await user.describe(await opened(env, { allowHalfOpen: true }));
    assertEquals(described, ["[object Socket]", ADDRESS, false, "off"]);
  },
};

export const aSocketIsAResult = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("result") as any;
    const socket = await user.open("Echo");
    assertEquals(await ask(socket, "and back"), "and back");
    await socket.close();
    await socket.closed;
    const greeting = await user.open("Greeting");
    const reader = greeting.readable.getReader();
    assertEquals(decode((await reader.read()).value), "welcome");
    assertEquals((await reader.read()).done, true);
    await greeting.closed;
  },
};

export const aSocketIsKeptByItsReceiver = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("keeps") as any;
    await user.keep(await opened(env));
    assertEquals(await user.askKept(), "kept");
  },
};

export const whatWasWrittenBeforeGoesFirst = {
  async test(_: unknown, env: Env) {
    const socket = await opened(env);
    const writer = socket.writable.getWriter();
    void writer.write(encode("before"));
    writer.releaseLock();
    assertEquals((await (env.User.getByName("after") as any).ask(socket)).slice(0, 6), "before");
  },
};

export const theSenderHasNoStreamsAnyMore = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("sender") as any;
    const socket = await opened(env);
    await user.ask(socket);
    assertEquals([socket.readable.locked, socket.writable.locked], [true, true]);
    await assertRejects(() => user.ask(socket), "TypeError: The ReadableStream has been locked to a reader.");
    await socket.close();
    assertThrows(() => socket.startTls(), "TypeError: The connection was closed before startTls could be started.");
  },
};

export const socketsThatCannotBeSent = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("refused") as any;
    const early = (env.Echo as any).getByName("passed").connect(ADDRESS);
    await assertRejects(
      () => user.ask(early),
      "DataCloneError: A Socket can only be serialized after it has opened. Await `socket.opened` before transferring the socket over RPC.",
    );
    await early.opened;
    await early.close();
    await assertRejects(() => user.ask(early), "TypeError: This ReadableStream is disturbed.");
    const read = await opened(env);
    read.readable.getReader();
    await assertRejects(() => user.ask(read), "TypeError: The ReadableStream has been locked to a reader.");
    const written = await opened(env);
    written.writable.getWriter();
    await assertRejects(() => user.ask(written), "TypeError: This WritableStream is currently locked to a writer.");
    await assertRejects(() => user.store(), "DataCloneError: Socket can only be serialized for RPC.");
    assertThrows(() => structuredClone(written), "DataCloneError: Socket can only be serialized for RPC.");
    for (const socket of [read, written]) await socket.close();
  },
};

export const aReceiverDoesNotUpgrade = {
  async test(_: unknown, env: Env) {
    const user = env.User.getByName("upgrades") as any;
    const text = "TypeError: startTls has already been called on this socket, or the socket was transferred over RPC.";
    await assertRejects(async () => user.upgrade(await opened(env, { secureTransport: "starttls" })), text);
  },
};

export const aReceiverCloses = {
  async test(_: unknown, env: Env) {
    const texts = await (env.User.getByName("closes") as any).closes(await opened(env));
    assertEquals(texts, [
      "TypeError: This ReadableStream belongs to an object that is closing.",
      "TypeError: This WritableStream belongs to an object that is closing.",
    ]);
  },
};
