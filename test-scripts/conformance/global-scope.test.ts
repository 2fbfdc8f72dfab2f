// What code may not do while its module is evaluated.
import { assertEquals } from "./assert.ts";

const DISALLOWED =
  "Error: Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random values are not allowed within global scope. To fix this error, perform this operation within a handler. https://developers.cloudflare.com/workers/runtime-apis/handlers/";

const thrown: Record<string, string> = {};
const rejected: Record<string, Promise<string>> = {};

function record(name: string, act: () => unknown) {
  try {
    const result = act();
    if (result instanceof Promise) {
      rejected[name] = result.then(() => "resolved", (error) => String(error));
    } else {
      thrown[name] = "nothing";
    }
  } catch (error) {
    thrown[name] = String(error);
  }
}

record("setTimeout", () => setTimeout(() => {}, 1));
record("setInterval", () => setInterval(() => {}, 1));
record("clearTimeout", () => clearTimeout(1));
record("crypto.getRandomValues", () => crypto.getRandomValues(new Uint8Array(4)));
record("crypto.randomUUID", () => crypto.randomUUID());
record("AbortSignal.timeout", () => AbortSignal.timeout(1));
record("new WebSocket", () => new WebSocket("ws://localhost/"));
record("new WebSocketPair", () => new WebSocketPair());
record("scheduler.wait", () => scheduler.wait(1));
record("fetch", () => fetch("http://localhost/"));
record("crypto.subtle.generateKey", () =>
  crypto.subtle.generateKey({ name: "AES-GCM", length: 128 }, true, ["encrypt"]),
);
record("Math.random", () => Math.random());
record("queueMicrotask", () => queueMicrotask(() => {}));

export const whatNeedsAHandlerThrows = {
  test() {
    const refused = Object.keys(thrown).filter((name) => thrown[name] === DISALLOWED);
    assertEquals(refused.sort(), [
      "AbortSignal.timeout",
      "clearTimeout",
      "crypto.getRandomValues",
      "crypto.randomUUID",
      "new WebSocket",
      "new WebSocketPair",
      "setInterval",
      "setTimeout",
    ]);
  },
};

export const whatNeedsAHandlerRejects = {
  async test() {
    for (const name of ["scheduler.wait", "fetch", "crypto.subtle.generateKey"]) {
      assertEquals([name, await rejected[name]], [name, DISALLOWED]);
    }
  },
};

export const whatNeedsNoneIsAllowed = {
  test() {
    assertEquals(thrown["Math.random"], "nothing");
    assertEquals(thrown["queueMicrotask"], "nothing");
  },
};

export const inAHandlerAllOfItIsAllowed = {
  async test() {
    assertEquals(crypto.getRandomValues(new Uint8Array(4)).length, 4);
    assertEquals(crypto.randomUUID().length, 36);
    clearTimeout(setTimeout(() => {}, 1));
    await scheduler.wait(1);
    assertEquals(AbortSignal.timeout(1000).aborted, false);
  },
};
