// The counter of examples/counter.ts.
import { Counter } from "../../examples/counter.ts";
import { assertEquals } from "./assert.ts";

export { Counter };

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export const aCounterCounts = {
  async test(_: unknown, env: Env) {
    const counter = env.COUNTER.getByName("rpc");
    assertEquals(await counter.value(), 0);
    assertEquals(await counter.increment(), 1);
    assertEquals(await counter.increment(5), 6);
    assertEquals(await env.COUNTER.getByName("other").value(), 0);
    await counter.reset();
    assertEquals(await counter.value(), 0);
  },
};

export const aCounterAnswersRequests = {
  async test(_: unknown, env: Env) {
    const counter = env.COUNTER.getByName("fetch");
    const call = async (method: string) => {
      const response = await counter.fetch("http://object/Counter/fetch", { method });
      return [response.status, await response.text()];
    };
    assertEquals(await call("POST"), [200, "1"]);
    assertEquals(await call("POST"), [200, "2"]);
    assertEquals(await call("GET"), [200, "2"]);
    assertEquals(await call("DELETE"), [204, ""]);
    assertEquals(await call("GET"), [200, "0"]);
    assertEquals((await call("PATCH"))[0], 405);
  },
};
