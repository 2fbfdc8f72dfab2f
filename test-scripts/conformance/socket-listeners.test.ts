// What becomes of a socket whose listener throws, and functions in properties `on<type>`.
import { assert, assertEquals } from "./assert.ts";

type Log = unknown[];

/** What listeners throw is nobody's mistake here. */
const expected = (event: ErrorEvent) => event.preventDefault();

/** Runs `steps` with both ends of a pair, and what was heard on each. */
function withPair(steps: (client: any, server: any, heard: Log) => Promise<void>) {
  return {
    async test() {
      const [client, server] = Object.values(new WebSocketPair());
      const heard: Log = [];
      client.accept();
      server.accept();
      client.addEventListener("message", ({ data }) => heard.push(data));
      client.addEventListener("close", ({ code, reason, wasClean }) => heard.push([code, reason, wasClean]));
      addEventListener("error", expected);
      await steps(client, server, heard);
      removeEventListener("error", expected);
      for (const end of [client, server]) if (end.readyState < 2) end.close();
    },
  };
}

const LOST = [1006, "WebSocket disconnected without sending Close frame.", false];

export const aListenerThatThrowsLosesTheConnection = withPair(async (client, server, heard) => {
  server.addEventListener("message", ({ data }: any) => {
    server.send(`got ${data}`);
    throw new RangeError("on purpose");
  });
  server.addEventListener("message", () => server.send("the second listener"));
  server.addEventListener("close", () => heard.push("closed"));
  server.addEventListener("error", ({ message, error }: ErrorEvent) =>
    heard.push([message, error instanceof RangeError]));
  client.send("one");
  client.send("two");
  await scheduler.wait(10);
  assertEquals(heard.length, 4);
  assertEquals(heard.filter((entry) => typeof entry === "string"), ["got one", "the second listener"]);
  const [failure, end] = heard.filter((entry) => typeof entry !== "string");
  const both = JSON.stringify([failure, end].sort());
  assertEquals(both, JSON.stringify([["Uncaught RangeError: on purpose", true], LOST].sort()));
  assertEquals(server.readyState, 3);
  server.send("nobody hears this");
});

export const anAsynchronousListenerThatFailsDoesNot = withPair(async (client, server, heard) => {
  server.addEventListener("message", async () => {
    await null;
    server.send("still here");
  });
  client.send("one");
  client.send("two");
  await scheduler.wait(10);
  assertEquals(heard, ["still here", "still here"]);
});

export const whatAListenerOfSomethingElseThrowsDoesNot = withPair(async (client, server, heard) => {
  const target = new EventTarget();
  target.addEventListener("inner", () => {
    throw new Error("elsewhere");
  });
  server.addEventListener("message", ({ data }: any) => {
    target.dispatchEvent(new Event("inner"));
    server.send(data);
  });
  client.send("one");
  client.send("two");
  await scheduler.wait(10);
  assertEquals(heard, ["one", "two"]);
});

export const aFunctionInAPropertyIsCalledFirst = withPair(async (client, server) => {
  const calls: Log = [];
  server.addEventListener("message", () => calls.push("listener"));
  server.onmessage = ({ data, target }: MessageEvent) => calls.push([data, target === server]);
  server.onclose = ({ code }: CloseEvent) => calls.push(code);
  client.send("one");
  await scheduler.wait(10);
  server.onmessage = null;
  client.send("two");
  client.close(4000);
  await scheduler.wait(10);
  assertEquals(calls, [["one", true], "listener", "listener", 4000]);
});

export const aFunctionInAPropertyThatThrowsLosesTheConnection = withPair(async (client, server, heard) => {
  server.onmessage = () => {
    throw new Error("on purpose");
  };
  server.onerror = ({ error }: ErrorEvent) => heard.push(error.message);
  client.send("one");
  await scheduler.wait(10);
  assertEquals(heard.length, 2);
  assert(heard.includes("on purpose"));
});

export const anyTargetHasThem = {
  test() {
    const calls: Log = [];
    class Bell extends EventTarget {
      onring() {
        calls.push("method");
      }
    }
    const bell = new Bell();
    bell.addEventListener("ring", () => calls.push("listener"));
    bell.dispatchEvent(new Event("ring"));
    bell.dispatchEvent(new Event("ring"));
    const controller = new AbortController();
    controller.signal.onabort = () => calls.push("aborted");
    controller.abort();
    assertEquals(calls, ["method", "listener", "method", "listener", "aborted"]);
  },
};
