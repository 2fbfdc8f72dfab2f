import { DurableObject } from "cloudflare:workers";
import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/durable-sqlite";
import { migrate } from "drizzle-orm/durable-sqlite/migrator";
import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";
import first from "./0000_first.sql";

const users = sqliteTable("users", {
  id: integer("id").primaryKey({ autoIncrement: true }),
  name: text("name").notNull(),
});

// What `drizzle-kit generate` writes.
const migrations = {
  journal: { entries: [{ idx: 0, when: 1, tag: "0000_first", breakpoints: true }] },
  migrations: { m0000: first },
};

export class Users extends DurableObject {
  db = drizzle(this.ctx.storage, { schema: { users } });

  constructor(ctx: DurableObjectState, env: unknown) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(() => migrate(this.db, migrations));
  }

  async add(name: string) {
    await this.db.transaction(async (tx) => {
      await tx.insert(users).values({ name });
    });
    return await this.db.select().from(users).where(eq(users.name, name));
  }
}

export default {
  async fetch(request: Request, env: { USERS: DurableObjectNamespace<Users> }): Promise<Response> {
    const name = new URL(request.url).pathname.slice(1);
    return Response.json(await env.USERS.getByName("all").add(name));
  },
};
