// Messages of a queue that a test hands to the worker itself.
import { env, expect, it, SELF } from "stead:test";

export * from "./worker.ts";
export { default } from "./worker.ts";

it("the worker says what becomes of a batch", async () => {
  const messages = ["done", "again"].map((body, index) => ({ id: `${index}`, timestamp: new Date(1000), attempts: 1, body }));
  expect(await (SELF as any).queue("orders", messages)).toMatchObject({ outcome: "ok", explicitAcks: ["0"], retryMessages: [{ msgId: "1" }] });
  expect(await env.COUNTER.get(env.COUNTER.idFromName("orders")).value()).toBe(2);
});
