// Facets where Stead does more than workerd, or says what workerd only says at times.
import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertRejects } from "../conformance/assert.ts";

export class Child extends DurableObject {
  constructed = true;

  async alarms(): Promise<any> {
    const texts = [];
    const { storage } = this.ctx;
    for (const use of [() => storage.setAlarm(Date.now() + 60_000), () => storage.getAlarm(), () => storage.deleteAlarm()]) {
      try {
        await use();
        texts.push("no error");
      } catch (error) {
        texts.push(String(error));
      }
    }
    return texts;
  }

  alarm() {}

  calls = 0;

  count() {
    return ++this.calls;
  }

  async openSocket(): Promise<any> {
    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async fetch() {
    return await this.openSocket();
  }

  webSocketMessage(socket: WebSocket, message: string) {
    socket.send(`${message} back, ${this.ctx.getWebSockets().length}`);
  }
}

export class Parent extends DurableObject {
  child(name: string) {
    return (this.ctx as any).facets.get(name, () => ({ class: (this.ctx as any).exports.Child }));
  }

  async alarmsOfAFacet(): Promise<any> {
    return await this.child("a").alarms();
  }

  async aCallbackFails() {
    const { facets, exports } = this.ctx as any;
    const failing = facets.get("b", () => Promise.reject(new Error("not now")));
    await assertRejects(() => failing.count(), "Error: not now");
    await assertRejects(() => failing.count(), "Error: not now");
    assertEquals(await facets.get("b", () => ({ class: exports.Child })).count(), 1);
  }

  async countAndWait(): Promise<any> {
    const facet = this.child("c");
    const before = await facet.count();
    await scheduler.wait(15_000);
    return [before, await facet.count()];
  }

  async fetch(request: Request) {
    return await this.child("socket").fetch(request);
  }
}

interface Env {
  Parent: DurableObjectNamespace<Parent>;
}

// The types of what facets answer are too deep for the compiler.
function test(body: (parent: any) => unknown) {
  return {
    async test(_: unknown, env: Env) {
      await body(env.Parent.get(env.Parent.newUniqueId()));
    },
  };
}

export const facetsHaveNoAlarms = test(async (parent) => {
  assertEquals(await parent.alarmsOfAFacet(), Array(3).fill("Error: Facets currently cannot set alarms."));
});

export const aCallbackThatFailedIsNoEndOfTheFacet = test(async (parent) => {
  await parent.aCallbackFails();
});

export const anIdleFacetLeavesMemoryAndComesBack = test(async (parent) => {
  assertEquals(await parent.countAndWait(), [1, 1]);
});

export const aFacetHasSockets = test(async (parent) => {
  const response = await parent.fetch("http://parent/", { headers: { Upgrade: "websocket" } });
  const socket = response.webSocket!;
  socket.accept();
  const heard = new Promise((resolve) => socket.addEventListener("message", (event: any) => resolve(event.data)));
  socket.send("there and");
  assertEquals(await heard, "there and back, 1");
  socket.close();
});
