import { DurableObject } from "cloudflare:workers";

export class Diary extends DurableObject {
  write(line: string) {
    this.ctx.storage.kv.put("lines", [...this.lines(), line]);
  }

  lines() {
    return this.ctx.storage.kv.get<string[]>("lines") ?? [];
  }
}

interface Env {
  DIARY: DurableObjectNamespace<Diary>;
  FILES: Fetcher;
  GREETING: string;
}

export default {
  async fetch(request, env) {
    const file = await env.FILES.fetch("https://files/morning.txt");
    return Response.json([env.GREETING, new URL(request.url).pathname, await file.text()]);
  },

  async scheduled({ cron, scheduledTime }, env) {
    await env.DIARY.getByName("diary").write(`${cron} at ${new Date(scheduledTime).toISOString()}`);
  },
} satisfies ExportedHandler<Env>;
