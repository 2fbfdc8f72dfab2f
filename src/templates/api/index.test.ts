// Run by `stead test`. The imports are those of vitest and of the platform's plugin for it.
import { SELF } from "cloudflare:test";
import { expect, test } from "vitest";

const notes = "https://api.test/users/ann/notes";
const add = (text: string) => SELF.fetch(notes, { method: "POST", body: JSON.stringify({ text }) });

test("notes are added, read and removed", async () => {
  expect((await add("buy tea")).status).toBe(201);
  expect(await (await SELF.fetch(`${notes}/1`)).json()).toMatchObject({ id: 1, text: "buy tea" });
  expect((await SELF.fetch(`${notes}/1`, { method: "DELETE" })).status).toBe(204);
  expect((await SELF.fetch(`${notes}/1`)).status).toBe(404);
});

test("nobody sees the notes of others", async () => {
  await add("a secret");
  expect(await (await SELF.fetch("https://api.test/users/bob/notes")).json()).toEqual([]);
});

test("a note has a text", async () => {
  expect((await add("")).status).toBe(400);
});
