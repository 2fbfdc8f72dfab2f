// Run by `stead test`. The imports are those of vitest and of the platform's plugin for it.
import { SELF } from "cloudflare:test";
import { expect, test } from "vitest";

/** Enters a room, and collects what is said there. */
async function enter(room: string) {
  const response = await SELF.fetch(`https://chat.test/rooms/${room}`, { headers: { upgrade: "websocket" } });
  const socket = response.webSocket!;
  const heard: string[] = [];
  socket.accept();
  socket.addEventListener("message", ({ data }) => {
    for (const { name, text } of JSON.parse(String(data))) heard.push(`${name}: ${text}`);
  });
  const say = (name: string, text: string) => socket.send(JSON.stringify({ name, text }));
  return { heard, say };
}

test("everybody in a room hears what is said", async () => {
  const [ann, bob, other] = await Promise.all([enter("kitchen"), enter("kitchen"), enter("cellar")]);
  ann.say("Ann", "hello");
  await expect.poll(() => bob.heard).toEqual(["Ann: hello"]);
  expect(ann.heard).toEqual(["Ann: hello"]);
  expect(other.heard).toEqual([]);
});

test("who comes later reads what was said before", async () => {
  const ann = await enter("kitchen");
  ann.say("Ann", "is anybody here?");
  await expect.poll(() => ann.heard).toHaveLength(1);
  const bob = await enter("kitchen");
  await expect.poll(() => bob.heard).toEqual(["Ann: is anybody here?"]);
});
