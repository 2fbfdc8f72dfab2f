// A chat. Every room is one object: it holds the sockets of the people in the
// room, and the room's history in its own database.
//
//   stead run examples/chat.ts      then open the printed address in two tabs
//
//   GET    /room/NAME                        the page
//   GET    /room/NAME/websocket?user=ANN     joins the room
//   GET    /room/NAME/messages?before=ID     the last messages, or those before one
//   POST   /room/NAME/messages               {"author", "text"}, or an array of them: all or none
//   GET    /room/NAME/messages.csv           the whole history
//   GET    /room/NAME/search?q=TEXT
//   GET    /room/NAME/stats
//   PUT    /room/NAME/topic                  the topic is the body
//   GET    /room/NAME/remind?in=MS&text=…    posts the text to the room, later
//   DELETE /room/NAME/remind                 forgets all reminders
//   POST   /room/NAME/prune?keep=N           keeps the last N messages
//   DELETE /room/NAME                        sends everybody out and forgets everything
import { DurableObject } from "cloudflare:workers";

export interface Env {
  CHAT_ROOM: DurableObjectNamespace<ChatRoom>;
}

export type Draft = { author: string; text: string };
export type Message = { id: number; author: string; text: string; sentAt: number };
export type Reminder = { due: number; text: string };
export type Member = { messages: number; lastSeen: number };

// What a socket remembers, also while its room is not in memory.
type Attachment = { user: string; joined: number };

const MESSAGE = "id, author, text, sent_at AS sentAt";
const TEXT_LENGTH_MAX = 4000;

export class ChatRoom extends DurableObject<Env> {
  #storage: DurableObjectStorage;
  #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#storage = ctx.storage;
    this.#sql = ctx.storage.sql;
    this.#createTables();
  }

  // A page that did not hear whether its message arrived sends it again, with
  // the same nonce, so that it is stored once.
  #createTables() {
    this.#sql.exec(`
      CREATE TABLE IF NOT EXISTS messages (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        author TEXT NOT NULL,
        text TEXT NOT NULL,
        sent_at INTEGER NOT NULL,
        nonce TEXT UNIQUE
      );
      CREATE INDEX IF NOT EXISTS messages_author ON messages (author);
    `);
  }

  get name(): string {
    return this.ctx.id.name ?? "a room without a name";
  }

  // --- Events ---------------------------------------------------------------

  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    if (url.pathname.endsWith("/messages.csv")) return this.#csv();
    if (request.headers.get("Upgrade") !== "websocket") {
      return new Response("Expected a WebSocket", { status: 426 });
    }
    const user = url.searchParams.get("user") || "somebody";
    const after = Number(url.searchParams.get("after") ?? 0);

    const [client, server] = Object.values(new WebSocketPair());
    this.ctx.acceptWebSocket(server, [`room:${this.name}`, `user:${user}`]);
    server.serializeAttachment({ user, joined: Date.now() } satisfies Attachment);

    // Whoever comes back names the last message they saw and gets the rest.
    const history = after ? await this.since(after) : await this.history();
    server.send(JSON.stringify({ type: "history", topic: await this.topic(), messages: history }));
    this.#broadcast({ type: "here", users: this.#usersHere() });
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(ws: WebSocket, message: string | ArrayBuffer) {
    if (typeof message !== "string") return ws.close(1003, "This room understands text only");
    const { user } = ws.deserializeAttachment() as Attachment;
    try {
      const { text, nonce } = JSON.parse(message);
      const [, command, rest] = /^\/(\w+)\s*(.*)$/s.exec(text) ?? [];
      if (command) await this.#command(ws, user, command, rest);
      else await this.post(user, text, nonce);
    } catch (error) {
      ws.send(JSON.stringify({ type: "notice", text: String(error) }));
    }
  }

  async webSocketClose(ws: WebSocket, code: number, reason: string, wasClean: boolean) {
    // 1005 says that the other side gave no code, and cannot be sent itself.
    if (wasClean) ws.close(code === 1005 ? 1000 : code, reason);
    const user = this.ctx.getTags(ws).find((tag) => tag.startsWith("user:"))!.slice(5);
    this.#touch(user, 0);
    this.#broadcast({ type: "here", users: this.#usersHere() });
  }

  // An alarm that fails runs again. A reminder's key is its message's nonce, so
  // it is posted once however often it is tried.
  async alarm() {
    const now = reminderKey(Date.now() + 1);
    for (const [key, { text }] of await this.#storage.list<Reminder>({ prefix: "reminder:", end: now })) {
      await this.post("Reminder", text, key);
      await this.#storage.delete(key);
    }
    await this.#armReminders();
  }

  // --- Messages -------------------------------------------------------------

  async post(author: string, text: string, nonce?: string): Promise<Message | null> {
    const message = this.#insert({ author, text }, nonce);
    if (message) this.#broadcast({ type: "message", nonce, ...message });
    return message;
  }

  // Posts all of the messages or none of them.
  async postAll(drafts: Draft[]): Promise<number> {
    const messages = await this.#storage.transaction(async (txn) => {
      const posted = ((await txn.get<number>("posted-in-bulk")) ?? 0) + drafts.length;
      await txn.put("posted-in-bulk", posted);
      return drafts.map((draft) => this.#insert(draft));
    });
    for (const message of messages) this.#broadcast({ type: "message", ...message });
    return messages.length;
  }

  async history(before = Number.MAX_SAFE_INTEGER, limit = 50): Promise<Message[]> {
    return this.#sql
      .exec<Message>(`SELECT ${MESSAGE} FROM messages WHERE id < ? ORDER BY id DESC LIMIT ?`, before, limit)
      .toArray()
      .reverse();
  }

  async since(id: number): Promise<Message[]> {
    return this.#sql.exec<Message>(`SELECT ${MESSAGE} FROM messages WHERE id > ? ORDER BY id`, id).toArray();
  }

  // Reads from the newest message back, and no further than it has to.
  async search(words: string, limit = 10): Promise<{ found: Message[]; rowsRead: number }> {
    const found: Message[] = [];
    const cursor = this.#sql.exec<Message>(`SELECT ${MESSAGE} FROM messages ORDER BY id DESC`);
    for (const message of cursor) {
      if (message.text.toLowerCase().includes(words.toLowerCase())) found.push(message);
      if (found.length === limit) break;
    }
    return { found, rowsRead: cursor.rowsRead };
  }

  async prune(keep: number): Promise<number> {
    const deleted = this.#sql.exec(
      "DELETE FROM messages WHERE id NOT IN (SELECT id FROM messages ORDER BY id DESC LIMIT ?)",
      keep,
    );
    return deleted.rowsWritten;
  }

  // The message and its author's count change together. Null when the message
  // is one that was stored before.
  #insert({ author, text }: Draft, nonce?: string): Message | null {
    if (typeof text !== "string" || !text.trim()) throw new TypeError("A message needs a text");
    if (text.length > TEXT_LENGTH_MAX) throw new RangeError(`A message has at most ${TEXT_LENGTH_MAX} characters`);
    return this.#storage.transactionSync(() => {
      const [message] = this.#sql
        .exec<Message>(
          `INSERT INTO messages (author, text, sent_at, nonce) VALUES (?, ?, ?, ?)
           ON CONFLICT (nonce) DO NOTHING RETURNING ${MESSAGE}`,
          author,
          text,
          Date.now(),
          nonce ?? null,
        )
        .toArray();
      if (!message) return null;
      this.#touch(author, 1);
      return message;
    });
  }

  #csv(): Response {
    const cursor = this.#sql.exec("SELECT id, author, text, sent_at FROM messages ORDER BY id");
    const lines = [cursor.columnNames, ...cursor.raw()].map((line) =>
      line.map((value) => `"${String(value).replaceAll('"', '""')}"`).join(","),
    );
    return new Response(lines.join("\n") + "\n", { headers: { "Content-Type": "text/csv; charset=utf-8" } });
  }

  // --- The room -------------------------------------------------------------

  async topic(): Promise<string> {
    return this.#storage.kv.get<string>("topic") ?? "";
  }

  async setTopic(topic: string): Promise<string> {
    if (topic) this.#storage.kv.put("topic", topic);
    else this.#storage.kv.delete("topic");
    this.#broadcast({ type: "topic", topic });
    return topic;
  }

  async stats() {
    const { messages } = this.#sql.exec<{ messages: number }>("SELECT count(*) AS messages FROM messages").one();
    const authors = this.#sql.exec("SELECT author, count(*) FROM messages GROUP BY author ORDER BY 2 DESC, 1 LIMIT 3");
    const busiest = [...authors.raw<[string, number]>()];
    const members: Record<string, Member> = {};
    for (const [key, member] of this.#storage.kv.list<Member>({ prefix: "member:" })) members[key.slice(7)] = member;
    return {
      room: this.name,
      topic: await this.topic(),
      messages,
      busiest,
      members,
      here: this.#usersHere(),
      sockets: this.ctx.getWebSockets(`room:${this.name}`).length,
      nextReminder: await this.#storage.getAlarm(),
      bytes: this.#sql.databaseSize,
    };
  }

  // Posts to another room: one object calls another.
  async tell(room: string, author: string, text: string): Promise<string> {
    const other = this.env.CHAT_ROOM.getByName(room);
    await other.post(`${author} from ${this.name}`, text);
    return `Told ${room}.`;
  }

  async clear(): Promise<void> {
    for (const ws of this.ctx.getWebSockets()) ws.close(4000, "The room was cleared");
    await this.#storage.deleteAlarm();
    await this.#storage.deleteAll();
    this.#createTables();
  }

  #touch(user: string, messages: number) {
    const member = this.#storage.kv.get<Member>(`member:${user}`) ?? { messages: 0, lastSeen: 0 };
    this.#storage.kv.put(`member:${user}`, { messages: member.messages + messages, lastSeen: Date.now() });
  }

  // --- Reminders: an object has one alarm, which is set for the earliest -----

  async remind(delay: number, text: string): Promise<Reminder> {
    if (!(delay >= 0)) throw new RangeError("A reminder needs a delay of at least 0 ms");
    const reminder = { due: Date.now() + delay, text };
    const count = ((await this.#storage.get<number>("reminder-count")) ?? 0) + 1;
    await this.#storage.put({ "reminder-count": count, [reminderKey(reminder.due, count)]: reminder });
    await this.#armReminders();
    return reminder;
  }

  async reminders(from = Date.now(), limit = 20): Promise<Reminder[]> {
    const page = { prefix: "reminder:", start: reminderKey(from), limit };
    return [...(await this.#storage.list<Reminder>(page)).values()];
  }

  async forgetReminders(): Promise<number> {
    const keys = [...(await this.#storage.list({ prefix: "reminder:" })).keys()];
    for (const key of keys) await this.#storage.delete(key);
    await this.#storage.deleteAlarm();
    return keys.length;
  }

  async #armReminders() {
    const [next] = (await this.#storage.list<Reminder>({ prefix: "reminder:", limit: 1 })).values();
    if (next) await this.#storage.setAlarm(next.due);
  }

  // --- Sockets --------------------------------------------------------------

  async #command(ws: WebSocket, user: string, command: string, rest: string) {
    const notice = (text: string) => ws.send(JSON.stringify({ type: "notice", text }));
    const [first = "", ...others] = rest.split(/\s+/);
    const text = others.join(" ");
    if (command === "topic") {
      await this.setTopic(rest);
    } else if (command === "remind" && first && text) {
      await this.remind(Number(first) * 1000, text);
      notice(`I shall remind the room in ${first} s.`);
    } else if (command === "tell" && first && text) {
      notice(await this.tell(first, user, text));
    } else if (command === "whisper" && first && text) {
      const sockets = this.ctx.getWebSockets(`user:${first}`);
      for (const socket of sockets) socket.send(JSON.stringify({ type: "whisper", author: user, text }));
      notice(sockets.length ? `To ${first}: ${text}` : `${first} is not here.`);
    } else {
      notice("/topic TEXT   /remind SECONDS TEXT   /whisper NAME TEXT   /tell ROOM TEXT");
    }
  }

  // A socket is listed until its webSocketClose() has returned, but by then
  // nothing can be sent to it.
  #openSockets(): WebSocket[] {
    return this.ctx.getWebSockets().filter((ws) => ws.readyState === WebSocket.OPEN);
  }

  #broadcast(event: object) {
    const text = JSON.stringify(event);
    for (const ws of this.#openSockets()) ws.send(text);
  }

  #usersHere(): string[] {
    return [...new Set(this.#openSockets().map((ws) => (ws.deserializeAttachment() as Attachment).user))].sort();
  }
}

// Keys sort by the time at which their reminder is due.
function reminderKey(due: number, count = 0): string {
  return `reminder:${String(due).padStart(15, "0")}:${String(count).padStart(9, "0")}`;
}

export default {
  async fetch(request, env): Promise<Response> {
    const url = new URL(request.url);
    const [, name, action = ""] = /^\/room\/([^/]+)(?:\/([\w.]*))?$/.exec(url.pathname) ?? [];
    if (url.pathname === "/") return Response.redirect(new URL("/room/lobby", url).href, 302);
    if (!name) return new Response("Not found", { status: 404 });

    const id = env.CHAT_ROOM.idFromName(decodeURIComponent(name));
    const room = env.CHAT_ROOM.get(id);
    const number = (parameter: string) => Number(url.searchParams.get(parameter) ?? undefined);
    const text = (parameter: string) => url.searchParams.get(parameter) ?? "";
    try {
      switch (`${request.method} ${action}`) {
        case "GET ":
          return new Response(PAGE, { headers: { "Content-Type": "text/html; charset=utf-8" } });
        case "GET websocket":
        case "GET messages.csv":
          return await room.fetch(request);
        case "GET messages":
          return Response.json(await room.history(number("before") || undefined));
        case "POST messages": {
          const body = await request.json<Draft | Draft[]>();
          if (Array.isArray(body)) return Response.json({ posted: await room.postAll(body) }, { status: 201 });
          return Response.json(await room.post(body.author, body.text), { status: 201 });
        }
        case "GET search":
          return Response.json(await room.search(text("q")));
        case "GET stats":
          return Response.json(await room.stats());
        case "PUT topic":
          return Response.json({ topic: await room.setTopic(await request.text()) });
        case "GET remind":
        case "POST remind":
          return Response.json(await room.remind(number("in"), text("text")));
        case "GET reminders":
          return Response.json(await room.reminders());
        case "DELETE remind":
          return Response.json({ forgotten: await room.forgetReminders() });
        case "POST prune":
          return Response.json({ deleted: await room.prune(number("keep")) });
        case "DELETE ":
          await room.clear();
          return new Response(null, { status: 204 });
      }
    } catch (error) {
      // An error keeps its class on the way from the object to here.
      if (error instanceof TypeError || error instanceof RangeError || error instanceof SyntaxError) {
        return Response.json({ error: error.message }, { status: 400 });
      }
      throw error;
    }
    return new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;

const PAGE = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Chat</title>
<link rel="icon" href="data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'><path fill='%23e2725b' d='M2 2h12v9H7l-4 4v-4H2z'/></svg>">
<style>
  :root {
    color-scheme: light dark;
    --paper: light-dark(#faf7f2, #191715); --card: light-dark(#fff, #23201d); --ink: light-dark(#2b2622, #ece5dc);
    --soft: light-dark(#857a6f, #998d81); --line: light-dark(#e9e1d6, #36312c); --accent: #e2725b; --own: light-dark(#fbe9e4, #43302b);
  }
  * { box-sizing: border-box; margin: 0 }
  body { font: 16px/1.5 ui-sans-serif, system-ui, sans-serif; background: var(--paper); color: var(--ink); height: 100dvh; display: grid; grid-template: auto 1fr auto / 15rem 1fr }
  header { grid-column: 1 / 3; display: flex; align-items: baseline; gap: .8rem; padding: .9rem 1.4rem; border-bottom: 1px solid var(--line); background: var(--card) }
  h1 { font-size: 1.15rem } h1::before { content: "# "; color: var(--accent) }
  #topic { color: var(--soft); flex: 1; overflow: hidden; white-space: nowrap; text-overflow: ellipsis }
  #state { font-size: .85rem; color: var(--soft) } #state::before { content: "● "; color: #c9a227 } #state.open::before { color: #4c9a5f }
  aside { grid-row: 2 / 4; border-right: 1px solid var(--line); padding: 1.2rem 1.4rem; overflow: auto }
  h2 { font-size: .75rem; letter-spacing: .08em; text-transform: uppercase; color: var(--soft); margin: 0 0 .5rem }
  ul { list-style: none; padding: 0; margin: 0 0 1.6rem } li, aside a { display: flex; align-items: center; gap: .5rem; padding: .2rem 0; color: inherit }
  aside a { text-decoration: none } aside a:hover { color: var(--accent) }
  .face { flex: none; width: 1.7rem; height: 1.7rem; border-radius: 50%; display: grid; place-items: center; font-size: .8rem; font-weight: 600; color: #fff }
  main { overflow: auto; padding: 1.2rem 1.4rem; overflow-anchor: none }
  article { display: grid; grid-template-columns: auto minmax(0, 40rem); gap: .1rem .7rem; margin-bottom: .8rem }
  article .face { grid-row: 1 / 3; margin-top: .15rem; width: 2.1rem; height: 2.1rem }
  article header { all: unset; display: flex; gap: .5rem; align-items: baseline; font-weight: 600; font-size: .92rem }
  time { font-weight: 400; font-size: .78rem; color: var(--soft) }
  article p { justify-self: start; background: var(--card); border: 1px solid var(--line); border-radius: .2rem .9rem .9rem .9rem; padding: .35rem .8rem; white-space: pre-wrap; overflow-wrap: anywhere }
  article.own p { background: var(--own); border-color: transparent } article.waiting p { opacity: .5 } article.whisper p { font-style: italic }
  .notice { color: var(--soft); font-size: .88rem; margin: 0 0 .8rem 2.8rem }
  form { display: flex; gap: .6rem; padding: .9rem 1.4rem; border-top: 1px solid var(--line); background: var(--card) }
  input { font: inherit; color: inherit; background: var(--paper); border: 1px solid var(--line); border-radius: .7rem; padding: .5rem .9rem; min-width: 0 }
  input:focus-visible { outline: 2px solid var(--accent); outline-offset: -1px } #name { width: 9rem } #text { flex: 1 }
  button { font: inherit; font-weight: 600; color: #fff; background: var(--accent); border: 0; border-radius: .7rem; padding: .5rem 1.2rem; cursor: pointer }
  #older { all: unset; cursor: pointer; color: var(--soft); font-size: .85rem; margin: 0 0 1rem 2.8rem } #older:hover { color: var(--accent) }
  [hidden] { display: none !important }
  @media (max-width: 44rem) { body { grid-template: auto 1fr auto / 1fr } aside { display: none } header { grid-column: 1 } #name { width: 6rem } }
</style>
<header><h1 id="room"></h1><span id="topic"></span><span id="state">connecting</span></header>
<aside><h2>Here</h2><ul id="here"></ul><h2>Rooms</h2><a href="/room/lobby">lobby</a><a href="/room/tea">tea</a><a href="/room/workshop">workshop</a></aside>
<main><button id="older" hidden>Show older messages</button><div id="list"></div></main>
<form><input id="name" aria-label="Your name" maxlength="24"><input id="text" placeholder="Say something, or / for commands" aria-label="Message" maxlength="4000" autocomplete="off" autofocus><button>Send</button></form>
<script type="module">
  const $ = (id) => document.getElementById(id);
  const path = location.pathname.replace(/[/]$/, "");
  const room = decodeURIComponent(path.split("/")[2]);
  const pick = (words) => words.split(" ")[Math.floor(Math.random() * 8)];
  const waiting = new Map(); // nonce → the message's element and its text, until the room has stored it
  let user = sessionStorage.name ||= pick("Quiet Brave Merry Sunny Swift Gentle Witty Bold") + pick("Otter Heron Fox Badger Wren Hare Lynx Robin");
  let socket, first, last = 0, retry = 250;

  document.title = room;
  $("room").textContent = room;
  $("name").value = user;

  function element(tag, className, text) {
    const e = document.createElement(tag);
    if (className) e.className = className;
    if (text !== undefined) e.textContent = text;
    return e;
  }

  function face(name) {
    let hue = 0;
    for (const c of name) hue = (hue * 31 + c.codePointAt(0)) % 360;
    const e = element("span", "face", name.slice(0, 1).toUpperCase());
    e.style.background = "hsl(" + hue + " 45% 48%)";
    return e;
  }

  function render({ author, text, sentAt }, className = "") {
    const e = element("article", className + (author === user ? " own" : ""));
    const head = element("header", "", author);
    head.append(element("time", "", new Date(sentAt ?? Date.now()).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
    e.append(face(author), head, element("p", "", text));
    return e;
  }

  function show(e) {
    const main = document.querySelector("main");
    const follow = main.scrollHeight - main.scrollTop - main.clientHeight < 120;
    $("list").append(e);
    if (follow) main.scrollTop = main.scrollHeight;
  }

  function arrived(message) {
    if (message.id <= last) return;
    last = message.id;
    first ??= message.id;
    waiting.get(message.nonce)?.element.remove();
    waiting.delete(message.nonce);
    show(render(message));
  }

  const events = {
    history({ topic, messages }) {
      $("topic").textContent = topic;
      messages.forEach(arrived);
      $("older").hidden = !(first > 1);
      for (const [nonce, { text }] of waiting) socket.send(JSON.stringify({ text, nonce }));
    },
    message: arrived,
    whisper: (message) => show(render(message, "whisper")),
    notice: ({ text }) => show(element("p", "notice", text)),
    topic: ({ topic }) => ($("topic").textContent = topic),
    here({ users }) {
      $("here").replaceChildren(...users.map((name) => {
        const e = element("li");
        e.append(face(name), name + (name === user ? " (you)" : ""));
        return e;
      }));
    },
  };

  function connect() {
    const url = new URL(path + "/websocket", location.href.replace(/^http/, "ws"));
    url.search = new URLSearchParams({ user, after: last });
    const ws = (socket = new WebSocket(url));
    ws.onopen = () => { retry = 250; $("state").textContent = "connected"; $("state").className = "open"; };
    ws.onmessage = ({ data }) => { const event = JSON.parse(data); events[event.type]?.(event); };
    ws.onclose = ({ code }) => {
      if (ws !== socket) return;
      if (code === 4000) { $("list").replaceChildren(); waiting.clear(); last = 0; first = undefined; }
      $("state").textContent = "reconnecting";
      $("state").className = "";
      setTimeout(() => ws === socket && connect(), retry);
      retry = Math.min(retry * 2, 5000);
    };
  }

  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    const text = $("text").value.trim();
    if (!text) return;
    $("text").value = "";
    const nonce = crypto.randomUUID?.() ?? String(Math.random());
    if (text[0] !== "/") {
      const e = render({ author: user, text }, "waiting");
      waiting.set(nonce, { element: e, text });
      show(e);
    }
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify({ text, nonce }));
  };

  $("name").onchange = () => {
    user = sessionStorage.name = $("name").value.trim() || user;
    $("name").value = user;
    const old = socket;
    connect();
    old.close(1000, "renamed");
  };

  $("older").onclick = async () => {
    const older = await (await fetch(path + "/messages?before=" + first)).json();
    $("list").prepend(...older.map((message) => render(message)));
    first = older[0]?.id ?? 1;
    $("older").hidden = first <= 1 || older.length === 0;
  };

  connect();
</script>
</html>
`;
