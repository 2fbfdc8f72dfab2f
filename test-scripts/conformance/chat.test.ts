// The chat of examples/chat.ts, driven through its front door.
import chat, { ChatRoom, type Env, type Message } from "../../examples/chat.ts";
import { assert, assertEquals, assertRejects } from "./assert.ts";

export { ChatRoom };

type Call = (method: string, path: string, body?: string) => Promise<Response>;

// A test with a room of its own. Paths are those within the room.
function withRoom(steps: (call: Call, room: DurableObjectStub<ChatRoom>, name: string) => Promise<void>) {
  const name = `room ${++withRoom.tests}`;
  return {
    async test(_: unknown, env: Env) {
      const call: Call = (method, path, body) => {
        const url = `http://chat/room/${encodeURIComponent(name)}${path}`;
        return chat.fetch(new Request(url, { method, body }) as any, env);
      };
      await steps(call, env.CHAT_ROOM.getByName(name), name);
    },
  };
}
withRoom.tests = 0;

// Somebody in a room.
class Visitor {
  events: any[] = [];
  closed: Promise<number>;
  #wake = () => {};

  constructor(readonly ws: WebSocket) {
    ws.accept();
    ws.addEventListener("message", ({ data }) => {
      this.events.push(JSON.parse(data as string));
      this.#wake();
    });
    this.closed = new Promise((resolve) => ws.addEventListener("close", ({ code }) => resolve(code)));
  }

  // The next event of a type; what came before it is dropped.
  async next(type: string): Promise<any> {
    for (;;) {
      while (this.events.length) {
        const event = this.events.shift();
        if (event.type === type) return event;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }

  say(text: string, nonce?: string) {
    this.ws.send(JSON.stringify({ text, nonce }));
  }

  async leave() {
    this.ws.close(1000, "bye");
    await this.closed;
  }
}

async function enter(room: DurableObjectStub<ChatRoom>, user: string, after = 0): Promise<Visitor> {
  const url = `http://chat/websocket?user=${user}&after=${after}`;
  const response = await room.fetch(url, { headers: { Upgrade: "websocket" } });
  assertEquals(response.status, 101);
  return new Visitor(response.webSocket!);
}

const texts = (messages: Message[]) => messages.map(({ text }) => text);

export const theFrontPageLeadsToTheLobby = {
  async test(_: unknown, env: Env) {
    const response = await chat.fetch(new Request("http://chat/") as any, env);
    assertEquals([response.status, response.headers.get("Location")], [302, "http://chat/room/lobby"]);
  },
};

export const aRoomHasAPage = withRoom(async (call) => {
  const response = await call("GET", "");
  assertEquals(response.headers.get("Content-Type"), "text/html; charset=utf-8");
  assert((await response.text()).startsWith("<!doctype html>"));
});

export const otherPathsAreNotFound = withRoom(async (call) => {
  assertEquals((await call("GET", "/nothing")).status, 404);
  assertEquals((await call("PATCH", "/messages")).status, 404);
});

export const aMessageIsPostedAndRead = withRoom(async (call) => {
  const response = await call("POST", "/messages", JSON.stringify({ author: "ann", text: "hello" }));
  assertEquals(response.status, 201);
  const message = await response.json<Message>();
  assertEquals([message.id, message.author, message.text], [1, "ann", "hello"]);
  assertEquals(await (await call("GET", "/messages")).json(), [message]);
});

export const anEmptyMessageIsRefused = withRoom(async (call, room) => {
  const response = await call("POST", "/messages", JSON.stringify({ author: "ann", text: " " }));
  assertEquals([response.status, await response.json()], [400, { error: "A message needs a text" }]);
  await assertRejects(() => room.post("ann", "x".repeat(4001)), "RangeError: A message has at most 4000 characters");
});

export const severalMessagesArePostedOrNone = withRoom(async (call, room) => {
  const all = await call("POST", "/messages", '[{"author":"ann","text":"one"},{"author":"bob","text":"two"}]');
  assertEquals(await all.json(), { posted: 2 });
  const none = await call("POST", "/messages", '[{"author":"ann","text":"three"},{"author":"bob","text":""}]');
  assertEquals(none.status, 400);
  assertEquals(texts(await room.history()), ["one", "two"]);
});

export const aMessageSentTwiceIsStoredOnce = withRoom(async (_, room) => {
  assertEquals((await room.post("ann", "once", "nonce"))!.id, 1);
  assertEquals(await room.post("ann", "once", "nonce"), null);
  assertEquals(texts(await room.history()), ["once"]);
});

export const historyComesInPages = withRoom(async (call, room) => {
  for (const text of ["a", "b", "c", "d"]) await room.post("ann", text);
  assertEquals(texts(await room.history(undefined, 2)), ["c", "d"]);
  assertEquals(texts(await room.history(3, 2)), ["a", "b"]);
  assertEquals(texts(await room.since(2)), ["c", "d"]);
  assertEquals(texts(await (await call("GET", "/messages?before=3")).json()), ["a", "b"]);
});

export const searchStopsWhenItHasEnough = withRoom(async (_, room) => {
  for (let i = 0; i < 20; i++) await room.post("ann", `Message ${i}`);
  const { found, rowsRead } = await room.search("message", 3);
  assertEquals(texts(found), ["Message 19", "Message 18", "Message 17"]);
  assert(rowsRead >= 3 && rowsRead < 10, String(rowsRead));
  assertEquals((await room.search("nothing")).found, []);
});

export const historyIsExportedAsCsv = withRoom(async (call, room) => {
  await room.post("ann", 'say "hi"');
  const lines = (await (await call("GET", "/messages.csv")).text()).split("\n");
  assertEquals(lines[0], '"id","author","text","sent_at"');
  assert(/^"1","ann","say ""hi""","\d+"$/.test(lines[1]), lines[1]);
});

export const pruneKeepsTheLastMessages = withRoom(async (call, room) => {
  for (const text of ["a", "b", "c", "d"]) await room.post("ann", text);
  const { deleted } = await (await call("POST", "/prune?keep=1")).json<{ deleted: number }>();
  assert(deleted >= 3);
  assertEquals(texts(await room.history()), ["d"]);
});

export const theTopicIsKept = withRoom(async (call, room) => {
  assertEquals(await room.topic(), "");
  assertEquals(await (await call("PUT", "/topic", "tea")).json(), { topic: "tea" });
  assertEquals(await room.topic(), "tea");
  await room.setTopic("");
  assertEquals(await room.topic(), "");
});

export const statsCountWhatIsThere = withRoom(async (call, room, name) => {
  await room.post("ann", "one");
  await room.post("bob", "two");
  await room.post("bob", "three");
  await room.setTopic("numbers");
  const stats = await (await call("GET", "/stats")).json<any>();
  assertEquals([stats.room, stats.topic, stats.messages, stats.here], [name, "numbers", 3, []]);
  assertEquals(stats.busiest, [["bob", 2], ["ann", 1]]);
  assertEquals([stats.members.ann.messages, stats.members.bob.messages], [1, 2]);
  assertEquals(stats.nextReminder, null);
  assert(stats.bytes > 0 && stats.bytes % 4096 === 0);
});

export const peopleHearEachOther = withRoom(async (_, room) => {
  const ann = await enter(room, "ann");
  const bob = await enter(room, "bob");
  ann.say("hello", "nonce");
  for (const visitor of [ann, bob]) {
    const { author, text, nonce } = await visitor.next("message");
    assertEquals([author, text, nonce], ["ann", "hello", "nonce"]);
  }
  await ann.leave();
  await bob.leave();
});

export const everybodySeesWhoIsHere = withRoom(async (_, room) => {
  const ann = await enter(room, "ann");
  assertEquals((await ann.next("here")).users, ["ann"]);
  const bob = await enter(room, "bob");
  assertEquals((await ann.next("here")).users, ["ann", "bob"]);
  assertEquals((await room.stats()).here, ["ann", "bob"]);
  await bob.leave();
  assertEquals((await ann.next("here")).users, ["ann"]);
  await ann.leave();
});

export const whoEntersGetsTheHistory = withRoom(async (_, room) => {
  await room.post("ann", "before");
  await room.setTopic("tea");
  const bob = await enter(room, "bob");
  const { topic, messages } = await bob.next("history");
  assertEquals([topic, texts(messages)], ["tea", ["before"]]);
  await bob.leave();
});

export const whoReturnsGetsWhatWasMissed = withRoom(async (_, room) => {
  for (const text of ["seen", "missed", "missed too"]) await room.post("ann", text);
  const bob = await enter(room, "bob", 1);
  assertEquals(texts((await bob.next("history")).messages), ["missed", "missed too"]);
  await bob.leave();
});

export const commandsAreUnderstood = withRoom(async (_, room, name) => {
  const ann = await enter(room, "ann");
  const bob = await enter(room, "bob");
  ann.say("/topic commands");
  assertEquals((await bob.next("topic")).topic, "commands");
  ann.say("/whisper bob a secret");
  const { author, text } = await bob.next("whisper");
  assertEquals([author, text], ["ann", "a secret"]);
  assertEquals((await ann.next("notice")).text, "To bob: a secret");
  ann.say("/whisper cid hello?");
  assertEquals((await ann.next("notice")).text, "cid is not here.");
  ann.say("/what");
  assert((await ann.next("notice")).text.startsWith("/topic TEXT"));
  ann.ws.send("no JSON");
  assert((await ann.next("notice")).text.startsWith("SyntaxError: "));
  ann.say(`/tell neighbours-of-${name.replace(" ", "-")} good morning`);
  assertEquals((await ann.next("notice")).text, `Told neighbours-of-${name.replace(" ", "-")}.`);
  await ann.leave();
  await bob.leave();
});

export const aRoomTellsAnotherRoom = {
  async test(_: unknown, env: Env) {
    await env.CHAT_ROOM.getByName("here").tell("there", "ann", "good morning");
    const [{ author, text }] = await env.CHAT_ROOM.getByName("there").history();
    assertEquals([author, text], ["ann from here", "good morning"]);
  },
};

export const bytesAreNotUnderstood = withRoom(async (_, room) => {
  const ann = await enter(room, "ann");
  ann.ws.send(new Uint8Array([1]));
  assertEquals(await ann.closed, 1003);
});

export const aReminderIsPosted = withRoom(async (call, room) => {
  const ann = await enter(room, "ann");
  await call("GET", "/remind?in=5&text=tea%20is%20ready");
  const { author, text } = await ann.next("message");
  assertEquals([author, text], ["Reminder", "tea is ready"]);
  await ann.leave();
});

export const remindersComeInTheirOrder = withRoom(async (_, room) => {
  const ann = await enter(room, "ann");
  await room.remind(40, "second");
  await room.remind(10, "first");
  assertEquals((await ann.next("message")).text, "first");
  assertEquals((await ann.next("message")).text, "second");
  assertEquals((await room.stats()).nextReminder, null);
  await ann.leave();
});

export const remindersAreListedAndForgotten = withRoom(async (call, room) => {
  const { due } = await room.remind(60_000, "soon");
  await room.remind(120_000, "later");
  assertEquals((await room.reminders()).map(({ text }) => text), ["soon", "later"]);
  assertEquals((await room.reminders(due + 1)).map(({ text }) => text), ["later"]);
  assertEquals((await room.reminders(0, 1)).map(({ text }) => text), ["soon"]);
  assertEquals((await room.stats()).nextReminder, due);
  assertEquals(await (await call("DELETE", "/remind")).json(), { forgotten: 2 });
  assertEquals([await room.reminders(), (await room.stats()).nextReminder], [[], null]);
});

export const aReminderNeedsADelay = withRoom(async (call) => {
  const response = await call("GET", "/remind?text=when");
  assertEquals([response.status, await response.json()], [400, { error: "A reminder needs a delay of at least 0 ms" }]);
});

export const clearSendsEverybodyOutAndForgets = withRoom(async (call, room) => {
  const ann = await enter(room, "ann");
  await room.post("ann", "hello");
  await room.remind(60_000, "never");
  assertEquals((await call("DELETE", "")).status, 204);
  assertEquals(await ann.closed, 4000);
  assertEquals(await room.history(), []);
  assertEquals((await room.stats()).nextReminder, null);
  assertEquals((await room.post("ann", "again"))!.id, 1);
});
