// A response with a WebSocket passes over RPC, which workerd refuses.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  join(): any {
    const pair = new WebSocketPair();
    pair[1].accept();
    pair[1].addEventListener("message", (event) => {
      pair[1].send(`heard ${event.data}`);
      pair[1].close(1000, "done");
    });
    return new Response(null, { status: 101, webSocket: pair[0] });
  }
}

interface Env {
  Room: DurableObjectNamespace<Room>;
}

export const aSocketPassesInAResponse = {
  async test(_: unknown, env: Env) {
    for (let i = 0; i < 8; i++) {
      const response = await (env.Room.getByName(`room ${i}`) as any).join();
      const socket = response.webSocket;
      const heard: string[] = [];
      const closed = new Promise<void>((resolve) => {
        socket.addEventListener("message", (event: any) => heard.push(event.data));
        socket.addEventListener("close", () => resolve());
      });
      socket.accept();
      socket.send("hello");
      await closed;
      if (response.status !== 101 || heard.join() !== "heard hello") throw new Error(`got ${response.status} ${heard}`);
    }
  },
};
