import { DurableObject } from "cloudflare:workers";

interface Task {
  id: number;
  text: string;
  due: number;
}

/** Tasks that are done when they are due: one alarm, set to the earliest. */
export class Scheduler extends DurableObject<Env> {
  sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql.exec("CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, text TEXT, due INTEGER, done INTEGER)");
  }

  async add(text: string, delaySeconds: number): Promise<Task> {
    const due = Date.now() + delaySeconds * 1000;
    const { id } = this.sql
      .exec<{ id: number }>("INSERT INTO tasks (text, due) VALUES (?, ?) RETURNING id", text, due)
      .one();
    await this.setNext();
    return { id, text, due };
  }

  list(): (Task & { done: number | null })[] {
    return this.sql.exec("SELECT * FROM tasks ORDER BY due").toArray() as unknown as (Task & {
      done: number | null;
    })[];
  }

  async alarm(): Promise<void> {
    const now = Date.now();
    const due = this.sql.exec("SELECT text FROM tasks WHERE done IS NULL AND due <= ?", now).toArray();
    for (const { text } of due) console.log("due:", text);
    this.sql.exec("UPDATE tasks SET done = ? WHERE done IS NULL AND due <= ?", now, now);
    await this.setNext();
  }

  /** Removes what was done more than a day ago. */
  clean(): void {
    this.sql.exec("DELETE FROM tasks WHERE done < ?", Date.now() - 86_400_000);
  }

  async setNext(): Promise<void> {
    const { due } = this.sql
      .exec<{ due: number | null }>("SELECT min(due) AS due FROM tasks WHERE done IS NULL")
      .one();
    if (due !== null) await this.ctx.storage.setAlarm(due);
  }
}

export default {
  /** `POST /?text=tea&in=60` adds a task, `GET /` lists them. */
  async fetch(request, env): Promise<Response> {
    const scheduler = env.SCHEDULER.getByName("mine");
    if (request.method !== "POST") return Response.json(await scheduler.list());
    const { searchParams } = new URL(request.url);
    const text = searchParams.get("text") ?? "something";
    return Response.json(await scheduler.add(text, Number(searchParams.get("in") ?? 60)));
  },

  /** Every night. */
  async scheduled(_controller, env): Promise<void> {
    await env.SCHEDULER.getByName("mine").clean();
  },
} satisfies ExportedHandler<Env>;
