// WebSockets: pairs, sockets that an object accepts, and the object's handlers.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

type Entry = (string | number | boolean | number[])[];

export class Room extends DurableObject {
  #log: Entry[] = [];

  // ?tag=…&name=…: the tags and the attachment of the socket.
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const [client, server] = Object.values(new WebSocketPair());
    if (pathname === "/standard") {
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`echo ${data}`));
      server.addEventListener("close", ({ code, reason, wasClean }) => {
        this.#log.push(["close", code, reason, wasClean]);
      });
    } else {
      this.ctx.acceptWebSocket(server, searchParams.getAll("tag"));
      server.serializeAttachment({ name: searchParams.get("name") });
      if (searchParams.has("hello")) server.send("hello");
    }
    return new Response(null, { status: 101, webSocket: client, headers: { "X-Room": "yes" } });
  }

  async webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    const { name } = ws.deserializeAttachment();
    if (typeof message !== "string") {
      this.#log.push(["bytes", name, message instanceof ArrayBuffer, [...new Uint8Array(message)]]);
      return ws.send(message);
    }
    this.#log.push(["text", name, message]);
    const [verb, argument] = message.split(" ");
    switch (verb) {
      case "close":
        return ws.close(4001, "as you wish");
      case "all":
        for (const other of this.ctx.getWebSockets()) other.send(`to all from ${name}`);
        return;
      case "only":
        for (const other of this.ctx.getWebSockets(argument)) other.send(`to ${argument}`);
        return;
      case "throw":
        throw new Error("thrown by webSocketMessage");
      case "store":
        await this.ctx.storage.put("stored", argument);
        return ws.send(`stored ${argument}`);
      case "burst":
        for (let i = 0; i < 100; i++) ws.send(String(i));
        return;
      case "tags":
        return ws.send(JSON.stringify(this.ctx.getTags(ws)));
      case "attach":
        ws.serializeAttachment({ name: argument });
        return ws.send("attached");
    }
    ws.send(message);
  }

  async webSocketClose(ws: WebSocket, code: number, reason: string, wasClean: boolean) {
    this.#log.push(["close", code, reason, wasClean, ws.deserializeAttachment().name]);
    ws.close(code === 1005 ? 1000 : code, reason);
  }

  log(): Entry[] {
    return this.#log;
  }

  names(tag?: string): string[] {
    return this.ctx.getWebSockets(tag).map((ws) => ws.deserializeAttachment().name);
  }

  broadcast(text: string) {
    for (const ws of this.ctx.getWebSockets()) ws.send(text);
  }

  sameSocket() {
    return this.ctx.getWebSockets()[0] === this.ctx.getWebSockets()[0];
  }
}

interface Env {
  Room: DurableObjectNamespace<Room>;
}

// One end of a socket, as a test uses it.
class Client {
  received: unknown[] = [];
  closed: Promise<unknown[]>;
  #waiting: (() => void)[] = [];

  constructor(readonly ws: WebSocket) {
    ws.accept();
    ws.binaryType = "arraybuffer";
    ws.addEventListener("message", ({ data }) => {
      this.received.push(data);
      for (const wake of this.#waiting.splice(0)) wake();
    });
    this.closed = new Promise((resolve) => {
      ws.addEventListener("close", ({ code, reason, wasClean }) => resolve([code, reason, wasClean]));
    });
  }

  async next(count = 1) {
    while (this.received.length < count) await new Promise<void>((wake) => this.#waiting.push(wake));
    const messages = this.received.splice(0, count);
    return count === 1 ? messages[0] : messages;
  }

  async ask(message: string | Uint8Array) {
    this.ws.send(message);
    return await this.next();
  }
}

type Join = (query?: string, path?: string) => Promise<Client>;

// A test with a room of its own, whose sockets are closed at the end.
function withRoom(steps: (join: Join, room: DurableObjectStub<Room>) => Promise<void>) {
  const position = ++withRoom.tests;
  return {
    async test(_: unknown, env: Env) {
      const room = env.Room.getByName(`room ${position}`);
      const clients: Client[] = [];
      try {
        await steps(async (query = "", path = "/") => {
          const response = await room.fetch(`http://room${path}?${query}`, { headers: { Upgrade: "websocket" } });
          const client = new Client(response.webSocket!);
          clients.push(client);
          return client;
        }, room);
      } finally {
        for (const { ws } of clients) ws.close(1000, "the test has ended");
      }
    },
  };
}
withRoom.tests = 0;

export const aPairHasTwoEnds = inside(() => {
  const pair = new WebSocketPair();
  assertEquals(Object.keys(pair), ["0", "1"]);
  const [client, server] = Object.values(pair);
  assert(client instanceof WebSocket && server instanceof WebSocket);
  assert(pair[0] === client && pair[1] === server);
});

export const thePairsEndsSpeakToEachOther = inside(async () => {
  const [one, other] = Object.values(new WebSocketPair()).map((ws) => new Client(ws));
  one.ws.send("to the other");
  other.ws.send(new Uint8Array([1, 2]));
  assertEquals(await other.next(), "to the other");
  assertEquals(await one.next(), new Uint8Array([1, 2]).buffer);
  one.ws.close(4000, "done");
  assertEquals(await other.closed, [4000, "done", true]);
});

export const readyStatesHaveNames = inside(() => {
  assertEquals([WebSocket.CONNECTING, WebSocket.OPEN, WebSocket.CLOSING, WebSocket.CLOSED], [0, 1, 2, 3]);
  assertEquals(
    [WebSocket.READY_STATE_CONNECTING, WebSocket.READY_STATE_OPEN, WebSocket.READY_STATE_CLOSING, WebSocket.READY_STATE_CLOSED],
    [0, 1, 2, 3],
  );
});

export const theResponseIsASwitchOfProtocols = {
  async test(_: unknown, env: Env) {
    const response = await env.Room.getByName("response").fetch("http://room/", { headers: { Upgrade: "websocket" } });
    assertEquals([response.status, response.headers.get("X-Room")], [101, "yes"]);
    assert(response.webSocket instanceof WebSocket);
    response.webSocket.accept();
    response.webSocket.close(1000, "");
  },
};

export const aSocketNeedsARequestThatAsksForIt = {
  async test(_: unknown, env: Env) {
    const room = env.Room.getByName("no upgrade");
    await assertRejects(
      () => room.fetch("http://room/standard"),
      "TypeError: Worker tried to return a WebSocket in a response to a request which did not contain the header " +
        '"Upgrade: websocket".',
    );
  },
};

export const aStandardSocketHasListeners = withRoom(async (join, room) => {
  const client = await join("", "/standard");
  assertEquals(await client.ask("hi"), "echo hi");
  client.ws.close(4002, "bye");
  assertEquals(await client.closed, [4002, "bye", true]);
  assertEquals(await room.log(), [["close", 4002, "bye", true]]);
});

export const textReachesTheHandlerAndReturns = withRoom(async (join, room) => {
  const client = await join("name=ann");
  assertEquals(await client.ask("hi 🦀"), "hi 🦀");
  assertEquals(await room.log(), [["text", "ann", "hi 🦀"]]);
});

export const bytesReachTheHandlerAsAnArrayBuffer = withRoom(async (join, room) => {
  const client = await join("name=ann");
  assertEquals(await client.ask(new Uint8Array([1, 2, 255])), new Uint8Array([1, 2, 255]).buffer);
  assertEquals(await room.log(), [["bytes", "ann", true, [1, 2, 255]]]);
});

export const anEmptyMessageIsAMessage = withRoom(async (join) => {
  assertEquals(await (await join()).ask(""), "");
});

export const aMessageSentBeforeTheResponseArrives = withRoom(async (join) => {
  assertEquals(await (await join("hello")).next(), "hello");
});

export const messagesKeepTheirOrder = withRoom(async (join) => {
  const client = await join();
  for (let i = 0; i < 50; i++) client.ws.send(`m${i}`);
  assertEquals(await client.next(50), Array.from({ length: 50 }, (_, i) => `m${i}`));
  client.ws.send("burst");
  assertEquals(await client.next(100), Array.from({ length: 100 }, (_, i) => String(i)));
});

export const aLargeMessagePasses = withRoom(async (join) => {
  const text = "x".repeat(500_000);
  assertEquals(await (await join()).ask(text), text);
});

export const aHandlerMayStore = withRoom(async (join) => {
  assertEquals(await (await join()).ask("store value"), "stored value");
});

export const aSocketSurvivesAThrowingHandler = withRoom(async (join) => {
  const client = await join();
  client.ws.send("throw");
  assertEquals(await client.ask("still here?"), "still here?");
});

export const everySocketIsReached = withRoom(async (join) => {
  const clients = [await join("name=ann"), await join("name=bob"), await join("name=cid")];
  clients[1].ws.send("all");
  for (const client of clients) assertEquals(await client.next(), "to all from bob");
});

export const socketsAreReachedByRpc = withRoom(async (join, room) => {
  const clients = [await join(), await join()];
  await room.broadcast("news");
  for (const client of clients) assertEquals(await client.next(), "news");
});

export const socketsAreReachedByTag = withRoom(async (join) => {
  const ann = await join("name=ann&tag=red");
  const bob = await join("name=bob&tag=blue");
  ann.ws.send("only blue");
  assertEquals(await bob.next(), "to blue");
  assertEquals(await ann.ask("nothing before this"), "nothing before this");
});

export const getTagsReturnsTheTagsOnceEach = withRoom(async (join) => {
  assertEquals(await (await join("tag=b&tag=a&tag=b")).ask("tags"), '["b","a"]');
  assertEquals(await (await join()).ask("tags"), "[]");
});

export const allSocketsAreListedNewestFirst = withRoom(async (join, room) => {
  for (const name of ["ann", "bob", "cid"]) await join(`name=${name}&tag=t`);
  assertEquals(await room.names(), ["cid", "bob", "ann"]);
});

export const socketsOfATagAreListedOldestFirst = withRoom(async (join, room) => {
  for (const name of ["ann", "bob", "cid"]) await join(`name=${name}&tag=t`);
  await join("name=dee");
  assertEquals(await room.names("t"), ["ann", "bob", "cid"]);
  assertEquals(await room.names("unknown"), []);
});

export const theSameSocketIsListedEachTime = withRoom(async (join, room) => {
  await join();
  assertEquals(await room.sameSocket(), true);
});

export const anAttachmentCanBeReplaced = withRoom(async (join, room) => {
  const client = await join("name=before");
  assertEquals(await client.ask("attach after"), "attached");
  assertEquals(await room.names(), ["after"]);
});

export const theObjectCloses = withRoom(async (join, room) => {
  const client = await join("name=ann");
  client.ws.send("close");
  assertEquals(await client.closed, [4001, "as you wish", true]);
  assertEquals(client.ws.readyState, WebSocket.CLOSED);
  assertEquals(await room.names(), []);
});

export const theClientCloses = withRoom(async (join, room) => {
  const client = await join("name=ann");
  client.ws.close(4005, "I am leaving");
  assertEquals(await client.closed, [4005, "I am leaving", true]);
  assertEquals(await room.log(), [["close", 4005, "I am leaving", true, "ann"]]);
  assertEquals(await room.names(), []);
});

export const aCloseWithoutACodeIsCode1005 = withRoom(async (join, room) => {
  const client = await join("name=ann");
  client.ws.close();
  assertEquals(await client.closed, [1000, "", true]);
  assertEquals(await room.log(), [["close", 1005, "", true, "ann"]]);
});

export const aSocketThatLeftIsNotListed = withRoom(async (join, room) => {
  const ann = await join("name=ann&tag=t");
  await join("name=bob&tag=t");
  ann.ws.close(1000, "bye");
  await ann.closed;
  assertEquals(await room.names(), ["bob"]);
  assertEquals(await room.names("t"), ["bob"]);
});

export const sendIsRefusedBeforeAccept = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  assertThrows(
    () => ws.send("x"),
    "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.",
  );
});

export const sendIsRefusedAfterClose = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  ws.accept();
  ws.close(1000, "done");
  ws.close(1000, "twice is allowed");
  assertThrows(() => ws.send("x"), "TypeError: Can't call WebSocket send() after close().");
});

export const closeCodesAreChecked = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  ws.accept();
  for (const code of [5, 999, 1004, 1005, 1006, 1015, 5000]) {
    assertThrows(() => ws.close(code), `InvalidAccessError: Invalid WebSocket close code: ${code}.`);
  }
  assertThrows(
    () => ws.close(undefined, "why"),
    "InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code.",
  );
  assertThrows(
    () => ws.close(1000, "x".repeat(124)),
    "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.",
  );
});

export const aSocketIsAcceptedOneWay = inside((ctx) => {
  const [accepted, other] = Object.values(new WebSocketPair());
  accepted.accept();
  assertThrows(
    () => ctx.acceptWebSocket(accepted),
    "Error: Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`",
  );
  assertThrows(
    () => ctx.acceptWebSocket(other),
    "Error: Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
  );
  const [client, server] = Object.values(new WebSocketPair());
  ctx.acceptWebSocket(server);
  assertThrows(() => server.accept(), "TypeError: Can't accept() WebSocket after enabling hibernation.");
  client.accept();
  client.close(1000, "");
});

export const tagsHaveLimits = inside((ctx) => {
  const accept = (tags: string[]) => {
    const [client, server] = Object.values(new WebSocketPair());
    ctx.acceptWebSocket(server, tags);
    client.accept();
    client.close(1000, "");
  };
  const ten = Array.from({ length: 10 }, (_, i) => `tag ${i}`);
  accept(ten);
  assertThrows(() => accept([...ten, "eleventh"]), "Error: a Hibernatable WebSocket cannot have more than 10 tags");
  accept(["x".repeat(256)]);
  const long = "x".repeat(257);
  assertThrows(() => accept([long]), `Error: "${long}" is longer than the max tag length (256 characters).`);
});

export const tagsBelongToAcceptedSockets = inside((ctx) => {
  const [ws, other] = Object.values(new WebSocketPair());
  assertThrows(
    () => ctx.getTags(other),
    "Error: you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.",
  );
  ws.accept();
  assertThrows(() => ctx.getTags(ws), "Error: only hibernatable websockets can have tags.");
});

export const attachmentsAreCopies = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  assertEquals(ws.deserializeAttachment(), null);
  const value = { a: new Map([[1, new Date(0)]]) };
  ws.serializeAttachment(value);
  value.a.clear();
  assertEquals(ws.deserializeAttachment(), { a: new Map([[1, new Date(0)]]) });
  assert(ws.deserializeAttachment() !== ws.deserializeAttachment());
});

export const attachmentsHaveALimit = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  ws.serializeAttachment("x".repeat(16_000));
  assertThrows(
    () => ws.serializeAttachment("x".repeat(17_000)),
    "Error: A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 17006 bytes.",
  );
  assertThrows(() => ws.serializeAttachment(() => 1), "DataCloneError: () => 1 could not be cloned.");
});

export const aResponseWithASocketHasStatus101 = inside(() => {
  const [ws] = Object.values(new WebSocketPair());
  assertThrows(() => new Response(null, { webSocket: ws }), "RangeError: Responses with a WebSocket must have status code 101.");
  assertThrows(
    () => new Response(null, { status: 101 }),
    "RangeError: Responses may only be constructed with status codes in the range 200 to 599, inclusive.",
  );
});
