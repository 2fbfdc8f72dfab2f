// What compatibility flags change. Every test holds for any date: it asks which flags are on.
import { DurableObject, RpcStub, RpcTarget } from "cloudflare:workers";
import { assertEquals, assertRejects, assertThrows } from "./assert.ts";

const scope = globalThis as any;
const flags: Record<string, boolean> = scope.Cloudflare.compatibilityFlags;

let evaluated: unknown;
try {
  evaluated = eval("1 + 1");
} catch (error) {
  evaluated = String(error);
}

const FORBIDDEN = "EvalError: Code generation from strings disallowed for this context";

export const theFlagsAreBooleansAndCannotBeChanged = {
  test() {
    assertEquals(typeof flags.rpc, "boolean");
    assertThrows(() => (flags.rpc = true), /^TypeError/);
  },
};

export const globalNamesComeWithTheirFlags = {
  test() {
    assertEquals("navigator" in scope, flags.global_navigator);
    assertEquals("WeakRef" in scope, flags.enable_weak_ref);
    assertEquals("FinalizationRegistry" in scope, flags.enable_weak_ref);
    assertEquals("MessageChannel" in scope, flags.expose_global_message_channel);
    if ("navigator" in scope) assertEquals(scope.navigator.language !== undefined, flags.enable_navigator_language);
  },
};

export const textIsCodeWhileTheModuleIsEvaluated = {
  test() {
    assertEquals(evaluated, flags.allow_eval_during_startup ? 2 : FORBIDDEN);
    assertThrows(() => eval("1 + 1"), FORBIDDEN);
  },
};

class TooCold extends RangeError {
  override name = "TooCold";
  degrees = -40;
}

export class Answering extends DurableObject {
  fail() {
    throw new TooCold("brr", { cause: new Error("winter") });
  }

  hasExports() {
    return "exports" in this.ctx;
  }

  get(url: string): any {
    return `a method: ${url}`;
  }

  async ring(bell: any): Promise<any> {
    return await bell.ring();
  }

  answer() {
    return 42;
  }

  alarm() {}

  async fetch(request: Request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/has-exports") return Response.json(this.hasExports());
    if (pathname === "/echo") return Response.json({ method: request.method, url: request.url, body: await request.text() });
    if (pathname === "/gone") return new Response(null, { status: 404 });
    if (pathname === "/fail") return new Response(null, { status: 500, statusText: "Not Today" });
    return await this.deleteAll();
  }

  async deleteAll() {
    const { storage } = this.ctx;
    const time = Date.now() + 60_000;
    await storage.setAlarm(time);
    await storage.deleteAll();
    const kept = (await storage.getAlarm()) === time;
    await storage.deleteAlarm();
    return new Response(kept ? "kept" : "deleted");
  }
}

interface Env {
  Answering: DurableObjectNamespace<Answering>;
}

export const deleteAllDeletesTheAlarm = {
  async test(_: unknown, env: Env) {
    const stub = env.Answering.get(env.Answering.idFromName("alarm"));
    const response = await stub.fetch("http://object/");
    assertEquals(await response.text(), flags.delete_all_deletes_alarm ? "deleted" : "kept");
  },
};

export const stubsHaveMethods = {
  async test(_: unknown, env: Env) {
    const stub = env.Answering.get(env.Answering.idFromName("methods"));
    assertEquals(typeof (stub as any).answer, flags.rpc ? "function" : "undefined");
    if (flags.rpc) assertEquals(await stub.answer(), 42);
  },
};

class Bell extends RpcTarget {
  ring() {
    return "ding";
  }
}

export const stubsAreArgumentsOrGivenAway = {
  async test(_: unknown, env: Env) {
    if (!flags.rpc) return;
    const object = env.Answering.get(env.Answering.idFromName("bells")) as any;
    const bell: any = new (RpcStub as any)(new Bell());
    assertEquals(await object.ring(bell), "ding");
    if (flags.rpc_params_dup_stubs) assertEquals(await bell.ring(), "ding");
    else await assertRejects(async () => await bell.ring(), "Error: RPC stub used after being disposed.");
  },
};

export const errorsKeepTheirProperties = {
  async test(_: unknown, env: Env) {
    if (!flags.rpc) return;
    const stub = env.Answering.get(env.Answering.idFromName("errors"));
    const error: any = await stub.fail().then(() => undefined, (error) => error);
    const { degrees, remote, durableObjectId } = error;
    assertEquals([remote, error.constructor === Error], [true, true]);
    if (flags.enhanced_error_serialization) {
      assertEquals([String(error), degrees, String(error.cause), durableObjectId], ["TooCold: brr", -40, "Error: winter", String(stub.id)]);
    } else {
      assertEquals([String(error), degrees, error.cause, durableObjectId], ["Error: TooCold: brr", undefined, undefined, undefined]);
    }
  },
};

export const contextsHaveExports = {
  async test(_: unknown, env: Env, ctx: any) {
    const stub = env.Answering.get(env.Answering.idFromName("exports"));
    const inObject = await (await stub.fetch("http://object/has-exports")).json();
    assertEquals([inObject, "exports" in ctx], [flags.enable_ctx_exports, flags.enable_ctx_exports]);
  },
};

export const stubsHadHelpers = {
  async test(_: unknown, env: Env) {
    const stub: any = env.Answering.get(env.Answering.idFromName("helpers"));
    if (flags.fetcher_no_get_put_delete) {
      if (flags.rpc) assertEquals(await stub.get("http://object/echo"), "a method: http://object/echo");
      return;
    }
    assertEquals(await stub.get("http://object/echo"), '{"method":"GET","url":"http://object/echo","body":""}');
    assertEquals(await stub.get("http://object/echo", "json"), { method: "GET", url: "http://object/echo", body: "" });
    assertEquals((await stub.get("http://object/echo", "arrayBuffer")).byteLength, 53);
    assertEquals((await stub.get("http://object/echo", "stream")) instanceof ReadableStream, true);
    assertEquals(await stub.put("http://object/echo", "body"), undefined);
    assertEquals(await stub.delete("http://object/echo"), undefined);
    assertEquals(await stub.get("http://object/gone"), null);
    await assertRejects(() => stub.get("http://object/echo", "xml"), /^TypeError: Unknown response type. Possible types are/);
    await assertRejects(() => stub.get(), "TypeError: Failed to execute 'get' on 'Fetcher': parameter 1 is not of type 'string'.");
    await assertRejects(() => stub.get("http://object/fail"), "Error: HTTP GET request failed: 500 Not Today");
    await assertRejects(() => stub.put("http://object/fail", ""), "Error: HTTP PUT request failed: 500 Not Today");
    await assertRejects(() => stub.delete("http://object/fail"), "Error: HTTP DELETE request failed: 500 Not Today");
  },
};

export const urlsOfRequestsToObjects = {
  async test(_: unknown, env: Env) {
    const stub = env.Answering.get(env.Answering.idFromName("urls"));
    if (flags.durable_object_fetch_requires_full_url) {
      await assertRejects(() => stub.fetch("/echo"), /^TypeError: (Invalid URL|Fetch API cannot load): \/echo$/);
    } else {
      const { url } = await (await stub.fetch("/echo")).json<{ url: string }>();
      assertEquals(url, "https://fake-host/echo");
    }
  },
};

export const socketsOfTheirTime = {
  async test() {
    const [a, b]: WebSocket[] = Object.values(new WebSocketPair());
    a.accept();
    b.accept();
    assertEquals(a.binaryType, flags.websocket_standard_binary_type ? "blob" : "arraybuffer");
    const heard = new Promise<any>((resolve) => b.addEventListener("message", resolve));
    a.send(new Uint8Array([1]));
    assertEquals((await heard).data instanceof ArrayBuffer, !flags.websocket_standard_binary_type);
    const long = "x".repeat(200);
    const closed = new Promise<any>((resolve) => b.addEventListener("close", resolve));
    if (flags.websocket_close_reason_byte_limit) {
      assertThrows(() => a.close(1000, long), "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded.");
      a.close(1000, "short");
    } else {
      a.close(1000, long);
    }
    const [{ reason, wasClean }] = await Promise.all([closed, scheduler.wait(50)]);
    assertEquals([reason, wasClean], [flags.websocket_close_reason_byte_limit ? "short" : long, true]);
    assertEquals(b.readyState, flags.web_socket_auto_reply_to_close ? WebSocket.CLOSED : WebSocket.CLOSING);
    b.close(1000);
    assertEquals(b.readyState, WebSocket.CLOSED);
  },
};
