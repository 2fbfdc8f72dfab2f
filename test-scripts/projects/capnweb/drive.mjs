// A session of the package's own client over a WebSocket: pipelined calls, callbacks, errors.
import assert from "node:assert/strict";
import { newWebSocketRpcSession } from "capnweb";

export default async function drive(url) {
  const api = newWebSocketRpcSession(url.replace("http", "ws"));
  assert.equal(await api.greet("ann"), "hello ann");
  // The counter is used before anybody knows it.
  const counter = api.counter();
  assert.deepEqual(await Promise.all([counter.add(2), counter.add(3)]), [2, 5]);
  const heard = [];
  const length = await api.each(["a", "bc"], (greeting) => {
    heard.push(greeting);
    return greeting.length;
  });
  assert.deepEqual([length, heard], [15, ["hello a", "hello bc"]]);
  await assert.rejects(async () => await api.fail(), { name: "RangeError", message: "not this" });
  api[Symbol.dispose]();
}
