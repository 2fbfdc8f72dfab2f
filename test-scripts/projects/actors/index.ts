import { Actor, handler } from "@cloudflare/actors";

export class Greeter extends Actor<unknown> {
  async fetch(): Promise<Response> {
    return new Response("hello from an actor");
  }
}

export default handler(Greeter);
