// agents: state, SQL, schedules, and methods that are called over a WebSocket.
import { Agent, callable, getAgentByName, routeAgentRequest } from "agents";

interface Env {
  Helper: DurableObjectNamespace<Helper>;
}

interface State {
  count: number;
}

export class Helper extends Agent<Env, State> {
  initialState: State = { count: 0 };

  @callable()
  async add(by: number): Promise<number> {
    this.setState({ count: this.state.count + by });
    return this.state.count;
  }

  @callable()
  notes(text?: string): string[] {
    this.sql`CREATE TABLE IF NOT EXISTS notes (text TEXT)`;
    if (text !== undefined) this.sql`INSERT INTO notes VALUES (${text})`;
    return this.sql<{ text: string }>`SELECT text FROM notes`.map((row) => row.text);
  }

  @callable()
  async remind(text: string): Promise<number> {
    await this.schedule(1, "reminded", { text });
    return this.getSchedules().length;
  }

  reminded({ text }: { text: string }) {
    this.notes(`reminded: ${text}`);
  }

  // Not callable: a client may not.
  secret() {
    return "secret";
  }

  async onRequest(request: Request): Promise<Response> {
    return Response.json({ path: new URL(request.url).pathname, state: this.state, name: this.name });
  }
}

// One call as the package's own client makes it.
async function callOverSocket(env: Env, method: string, args: unknown[]): Promise<unknown> {
  const request = new Request("https://here/agents/helper/ada", { headers: { Upgrade: "websocket" } });
  const socket = (await routeAgentRequest(request, env))?.webSocket;
  if (!socket) throw new Error("no WebSocket");
  socket.accept();
  const answer = new Promise<any>((resolve) => {
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data as string);
      if (message.type === "rpc" && message.id === "1") resolve(message);
    });
  });
  socket.send(JSON.stringify({ type: "rpc", id: "1", method, args }));
  const { success, result, error } = await answer;
  socket.close();
  return success ? result : { error };
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const [, kind, method] = url.pathname.split("/");
    if (kind === "call") return Response.json(await callOverSocket(env, method, JSON.parse(url.searchParams.get("args") ?? "[]")));
    if (kind === "stub") return Response.json(await (await getAgentByName<Env, Helper>(env.Helper, "ada")).add(10));
    if (kind === "wait") {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      return Response.json(await callOverSocket(env, "notes", []));
    }
    return (await routeAgentRequest(request, env)) ?? new Response("no such agent", { status: 404 });
  },
};
