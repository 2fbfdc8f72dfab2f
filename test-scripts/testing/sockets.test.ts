// Sockets across tests: those that can sleep were opened once, in beforeAll, and are there in each test.

import { DurableObject } from "cloudflare:workers";
import { afterAll, beforeAll, clock, describe, env, expect, runInDurableObject, SELF, test } from "stead:test";

export class Room extends DurableObject {
  async fetch(request: Request) {
    const [client, server] = Object.values(new WebSocketPair());
    if (request.headers.has("awake")) {
      server.accept();
      server.addEventListener("message", ({ data }) => server.send(`awake ${data}`));
    } else {
      this.ctx.acceptWebSocket(server, ["guest"]);
      server.serializeAttachment({ heard: 0 });
    }
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket: WebSocket, message: string) {
    const heard = socket.deserializeAttachment().heard + 1;
    socket.serializeAttachment({ heard });
    await this.ctx.storage.put("last", message);
    socket.send(`${message}, heard ${heard}, of ${this.ctx.getWebSockets("guest").length}`);
  }

  async last() {
    return await this.ctx.storage.get<string>("last");
  }
}

export default {
  fetch(request: Request, env: Record<string, DurableObjectNamespace<Room>>) {
    return env.Room.getByName("room").fetch(request);
  },
};

const room = () => (env as unknown as { Room: DurableObjectNamespace<Room> }).Room.getByName("room");

class Guest {
  said: string[] = [];
  closed: number | null = null;
  socket: WebSocket;

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.accept();
    socket.addEventListener("message", ({ data }) => this.said.push(data as string));
    socket.addEventListener("close", ({ code }) => (this.closed = code));
  }

  async say(text: string) {
    this.socket.send(text);
    await clock.advance(1);
    return this.said.splice(0);
  }
}

async function enter(headers: Record<string, string> = {}) {
  const response = await SELF.fetch("https://example.com/", { headers: { Upgrade: "websocket", ...headers } });
  return new Guest(response.webSocket!);
}

describe("a socket that beforeAll has opened", () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await enter();
    expect(await guest.say("before")).toEqual(["before, heard 1, of 1"]);
  });

  for (const round of [1, 2]) {
    test(`is there with the attachment of then, round ${round}`, async () => {
      expect(await room().last()).toBe("before");
      expect(await guest.say(`round ${round}`)).toEqual([`round ${round}, heard 2, of 1`]);
      expect(guest.closed).toBeNull();
    });
  }

  test("has company that goes with the test", async () => {
    const other = await enter();
    expect(await other.say("hello")).toEqual(["hello, heard 1, of 2"]);
    expect(await guest.say("hello")).toEqual(["hello, heard 2, of 2"]);
  });

  test("is alone again", async () => {
    expect(await runInDurableObject(room(), (_, state) => state.getWebSockets().length)).toBe(1);
  });

  describe("and an inner suite uses", () => {
    beforeAll(async () => void (await guest.say("inner")));

    test("has what the inner hook has left", async () => {
      expect(await guest.say("test")).toEqual(["test, heard 3, of 1"]);
    });
  });

  test("is as before after the inner suite", async () => {
    expect(await guest.say("after")).toEqual(["after, heard 2, of 1"]);
  });

  afterAll(() => guest.socket.close());
});

describe("a socket with listeners in the object", () => {
  let guest: Guest;

  beforeAll(async () => {
    guest = await enter({ awake: "yes" });
    expect(await guest.say("before")).toEqual(["awake before"]);
  });

  test("goes with the object's memory, and its client hears of it", async () => {
    await clock.advance(1);
    expect(guest.closed).toBe(1006);
  });
});
