// An object that writes one of everything that is stored, and reads it back as text. Used by state-exchange.mjs.
import { DurableObject } from "cloudflare:workers";

interface Env {
  STORE: DurableObjectNamespace<Store>;
}

export class Store extends DurableObject<Env> {
  async write(mark: string) {
    const { storage } = this.ctx;
    const loop: Record<string, unknown> = { mark };
    loop.self = loop;
    await storage.put({
      number: 1.5,
      text: `žluťoučký ${mark}`,
      date: new Date(1234567890123),
      map: new Map<unknown, unknown>([["a", 1], [2, new Set([mark])]]),
      bytes: new Uint8Array([0, 1, 255]),
      bigint: 12345678901234567890n,
      error: new RangeError(`range ${mark}`),
      expression: /a+b/giu,
      nothing: null,
      loop,
      headers: new Headers([["Content-Type", "text/html"], ["X-Mark", mark], ["Set-Cookie", "a=1"], ["Set-Cookie", "b=2"]]),
      blob: new Blob([`žluťoučký ${mark}`], { type: "text/plain" }),
      request: new Request("http://example.com/a?b", { method: "PUT", headers: { "X-Mark": mark }, redirect: "manual" }),
      response: new Response(null, { status: 404, statusText: mark, headers: { "X-Mark": mark } }),
    });
    storage.kv.put(`by ${mark}`, { list: [mark, true, undefined] });
    storage.sql.exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, mark TEXT, score REAL, data BLOB)");
    storage.sql.exec("INSERT INTO notes (mark, score, data) VALUES (?, ?, ?)", mark, 0.5, new Uint8Array([7, 8]).buffer);
    await storage.setAlarm(4102444800000);
    await this.notes("first").write(mark);
    await this.notes("second").write(mark);
  }

  notes(name: string) {
    return (this.ctx as any).facets.get(name, () => ({ class: (this.ctx as any).exports.Notes }));
  }

  async read(): Promise<string[]> {
    const { storage } = this.ctx;
    const lines = [`id ${this.ctx.id}`, `alarm ${await storage.getAlarm()}`];
    for (const [key, value] of await storage.list()) {
      lines.push(`${key} = ${value instanceof Blob ? `${value.type} ${await value.text()}` : show(value)}`);
    }
    for (const row of storage.sql.exec("SELECT * FROM notes ORDER BY id")) lines.push(`note ${show(row)}`);
    lines.push(...(await this.notes("second").read()), ...(await this.notes("first").read()));
    return lines;
  }

  async alarm() {}
}

// A facet, which has one of its own.
export class Notes extends DurableObject<Env> {
  async write(mark: string) {
    await this.ctx.storage.put(`facet by ${mark}`, mark);
    await this.inner().put(mark);
  }

  async put(mark: string) {
    await this.ctx.storage.put(`inner facet by ${mark}`, mark);
  }

  async read(): Promise<string[]> {
    return [...(await this.list()), ...(await this.inner().list())];
  }

  async list(): Promise<string[]> {
    return [...(await this.ctx.storage.list())].map(([key, value]) => `${key} = ${value}`);
  }

  inner() {
    return (this.ctx as any).facets.get("inner", () => ({ class: (this.ctx as any).exports.Notes }));
  }
}

function show(value: unknown, seen = new Set<unknown>()): string {
  if (typeof value !== "object" || value === null) return `${typeof value} ${String(value)}`;
  if (seen.has(value)) return "(seen)";
  seen.add(value);
  if (value instanceof Date) return `date ${value.getTime()}`;
  if (value instanceof RegExp || value instanceof Error) return `${value.constructor.name} ${value}`;
  if (value instanceof Headers) return `headers ${[...value]}`;
  if (value instanceof Request) return `${value.method} ${value.url} ${value.redirect} ${[...value.headers]}`;
  if (value instanceof Response) return `${value.status} ${value.statusText} ${[...value.headers]}`;
  if (value instanceof ArrayBuffer) return `buffer ${new Uint8Array(value)}`;
  if (value instanceof Uint8Array) return `bytes ${value}`;
  if (value instanceof Map) return `map {${[...value].map(([k, v]) => `${show(k, seen)}: ${show(v, seen)}`)}}`;
  if (value instanceof Set) return `set {${[...value].map((v) => show(v, seen))}}`;
  return `${value.constructor.name} {${Object.entries(value).map(([k, v]) => `${k}: ${show(v, seen)}`)}}`;
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const store = env.STORE.getByName(url.searchParams.get("name") ?? "");
    if (request.method === "POST") await store.write(url.searchParams.get("mark") ?? "");
    return Response.json(await store.read());
  },
};
