// A socket on which an object's code listens lives as long as the instance: its other end hears of a reset.
import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertRejects } from "./assert.ts";

export class Room extends DurableObject {
  #heard = 0;

  fetch() {
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    server.addEventListener("message", ({ data }) => server.send(`${data}, heard ${++this.#heard}`));
    return new Response(null, { status: 101, webSocket: client });
  }

  reset() {
    this.ctx.abort("on purpose");
  }
}

interface Env {
  Room: DurableObjectNamespace<Room>;
}

export const aResetDisconnectsTheSocketsThatItsCodeListensOn = {
  async test(_: unknown, env: Env) {
    const room = env.Room.getByName("room");
    const { webSocket } = await room.fetch("http://room/", { headers: { Upgrade: "websocket" } });
    const socket = webSocket!;
    const said: unknown[] = [];
    const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
    socket.addEventListener("message", ({ data }) => said.push(data));
    socket.accept();
    socket.send("hello");
    while (said.length === 0) await scheduler.wait(1);
    await assertRejects(async () => await room.reset(), "Error: on purpose");
    const { code, reason, wasClean } = await closed;
    assertEquals([code, reason, wasClean], [1006, "WebSocket disconnected without sending Close frame.", false]);
    assertEquals(said, ["hello, heard 1"]);
  },
};
