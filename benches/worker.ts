// The benchmark's object file: the same source runs on every runtime that is
// compared. A driver outside times each call, so that it can print ratios from
// one run.
import { DurableObject } from "cloudflare:workers";

interface Env {
  BENCH: DurableObjectNamespace<Bench>;
}

export class Bench extends DurableObject<Env> {
  #sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql.exec(
      "CREATE TABLE IF NOT EXISTS users (id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER NOT NULL, bio TEXT)",
    );
    this.#sql.exec("CREATE INDEX IF NOT EXISTS users_age ON users (age)");
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("Upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    const { pathname } = new URL(request.url);
    if (pathname === "/write") {
      this.#sql.exec("INSERT INTO users (name, age) VALUES (?, ?)", "w", 1);
    } else if (pathname === "/read") {
      this.#sql.exec("SELECT * FROM users WHERE id = ?", 1).toArray();
    }
    return new Response("ok");
  }

  webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    if (message === "all") {
      for (const socket of this.ctx.getWebSockets()) socket.send(message);
    } else {
      ws.send(message);
    }
  }

  echo(value: unknown) {
    return value;
  }

  reset() {
    this.#sql.exec("DELETE FROM users");
  }

  refill(n: number) {
    this.reset();
    return this.sqlInsert(n);
  }

  // Grows the object by n rows of 100 KB each.
  grow(n: number) {
    this.#sql.exec("CREATE TABLE IF NOT EXISTS large (body BLOB NOT NULL)");
    const body = new Uint8Array(100_000);
    for (let i = 0; i < n; i++) this.#sql.exec("INSERT INTO large (body) VALUES (?)", body);
    return n;
  }

  #fired = 0;

  // Each alarm sets the next one, which is due at once.
  startAlarms() {
    return this.ctx.storage.setAlarm(Date.now());
  }

  async alarm() {
    this.#fired++;
    await this.startAlarms();
  }

  alarmsFired() {
    return this.#fired;
  }

  // Date.now() stands still during synchronous work on some runtimes, so
  // every loop below is timed from outside.
  sqlInsert(n: number) {
    for (let i = 0; i < n; i++) {
      this.#sql.exec("INSERT INTO users (name, age, bio) VALUES (?, ?, ?)", `user ${i}`, i % 90, "a short biography of a user");
    }
    return n;
  }

  sqlPoint(n: number) {
    let found = 0;
    for (let i = 1; i <= n; i++) {
      found += this.#sql.exec("SELECT * FROM users WHERE id = ?", i).toArray().length;
    }
    return found;
  }

  sqlScan(times: number) {
    let rows = 0;
    for (let i = 0; i < times; i++) {
      for (const row of this.#sql.exec<{ age: number }>("SELECT * FROM users")) rows += row.age >= 0 ? 1 : 0;
    }
    return rows;
  }

  sqlScanRaw(times: number) {
    let rows = 0;
    for (let i = 0; i < times; i++) {
      const raw = this.#sql.exec("SELECT * FROM users").raw() as unknown as { toArray(): unknown[] };
      rows += raw.toArray().length;
    }
    return rows;
  }

  kvPut(n: number) {
    for (let i = 0; i < n; i++) this.ctx.storage.kv.put(`key:${i}`, { i, text: "value" });
    return n;
  }

  kvGet(n: number) {
    let found = 0;
    for (let i = 0; i < n; i++) found += this.ctx.storage.kv.get<{ i: number }>(`key:${i}`) ? 1 : 0;
    return found;
  }

  kvList() {
    let n = 0;
    for (const _ of this.ctx.storage.kv.list({ prefix: "key:" })) n++;
    return n;
  }

  kvLists(times: number) {
    let n = 0;
    for (let i = 0; i < times; i++) n += this.kvList();
    return n;
  }

  async asyncPut(n: number) {
    for (let i = 0; i < n; i++) await this.ctx.storage.put(`async:${i}`, i);
    return n;
  }

  async asyncGet(n: number) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (await this.ctx.storage.get<number>(`async:${i}`)) ?? 0;
    return sum;
  }

  transactions(n: number) {
    for (let i = 0; i < n; i++) {
      this.ctx.storage.transactionSync(() => {
        this.#sql.exec("UPDATE users SET age = age + 1 WHERE id = ?", 1 + (i % 100));
      });
    }
    return n;
  }
}

// GET /<method>?object=NAME&n=N&...  calls one method of one object once.
// GET /echo?n=N     makes N sequential RPC calls to one object.
// GET /fan?n=N      makes one RPC call to each of N objects at once.
// GET /alarmsStart?n=N, /alarmsFired?n=N  alarms of N objects that go on for ever; how many fired.
// GET /fetch/PATH?object=NAME  forwards to the object's fetch().
export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const object = url.searchParams.get("object") ?? "one";
    const n = Number(url.searchParams.get("n") ?? 1);
    const stub = env.BENCH.get(env.BENCH.idFromName(object));
    if (url.pathname === "/hello") return new Response("hello");
    if (url.pathname.startsWith("/fetch") || request.headers.get("Upgrade") === "websocket") {
      return stub.fetch(new Request(`http://object${url.pathname.slice(6) || "/"}`, request));
    }
    if (url.pathname === "/echo") {
      for (let i = 0; i < n; i++) await stub.echo(i);
      return Response.json(n);
    }
    if (url.pathname === "/fan") {
      const calls: Promise<unknown>[] = [];
      for (let i = 0; i < n; i++) calls.push(env.BENCH.get(env.BENCH.idFromName(`${object}:${i}`)).echo(i));
      return Response.json((await Promise.all(calls)).length);
    }
    const all = () => Array.from({ length: n }, (_, i) => env.BENCH.getByName(`${object}:${i}`));
    if (url.pathname === "/alarmsStart") {
      await Promise.all(all().map((stub) => stub.startAlarms()));
      return Response.json(n);
    }
    if (url.pathname === "/alarmsFired") {
      const fired = await Promise.all(all().map((stub) => stub.alarmsFired()));
      return Response.json(fired.reduce((sum, n) => sum + n, 0));
    }
    const method = url.pathname.slice(1) as keyof Bench;
    return Response.json(await (stub as any)[method](n));
  },
};
