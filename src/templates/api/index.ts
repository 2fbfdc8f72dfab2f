import { DurableObject } from "cloudflare:workers";

interface Note {
  id: number;
  text: string;
  created: string;
}

/** The notes of one user, in a database of their own. */
export class Notes extends DurableObject<Env> {
  sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql.exec("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL, created TEXT NOT NULL)");
  }

  list(): Note[] {
    return this.sql.exec("SELECT * FROM notes ORDER BY id").toArray() as unknown as Note[];
  }

  find(id: number): Note | null {
    const rows = this.sql.exec("SELECT * FROM notes WHERE id = ?", id).toArray();
    return (rows[0] as unknown as Note | undefined) ?? null;
  }

  add(text: string): Note {
    const created = new Date().toISOString();
    const row = this.sql.exec("INSERT INTO notes (text, created) VALUES (?, ?) RETURNING *", text, created).one();
    return row as unknown as Note;
  }

  remove(id: number): boolean {
    return this.sql.exec("DELETE FROM notes WHERE id = ?", id).rowsWritten > 0;
  }
}

const notFound = () => Response.json({ error: "not found" }, { status: 404 });

export default {
  /** `/users/<user>/notes` and `/users/<user>/notes/<id>`. */
  async fetch(request, env): Promise<Response> {
    const match = /^\/users\/([^/]+)\/notes(?:\/(\d+))?$/.exec(new URL(request.url).pathname);
    if (match === null) return notFound();
    const notes = env.NOTES.getByName(match[1]);
    const id = match[2] === undefined ? null : Number(match[2]);
    switch (request.method) {
      case "GET": {
        const found = id === null ? await notes.list() : await notes.find(id);
        return found === null ? notFound() : Response.json(found);
      }
      case "POST": {
        const { text } = await request.json<{ text?: unknown }>();
        if (typeof text !== "string" || text === "") {
          return Response.json({ error: "text is missing" }, { status: 400 });
        }
        return Response.json(await notes.add(text), { status: 201 });
      }
      case "DELETE":
        return id !== null && (await notes.remove(id)) ? new Response(null, { status: 204 }) : notFound();
      default:
        return Response.json({ error: "method not allowed" }, { status: 405 });
    }
  },
} satisfies ExportedHandler<Env>;
