// What compatibility flags change. Every test holds for any date: it asks which flags are on.
import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertThrows } from "./assert.ts";

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

export class Answering extends DurableObject {
  answer() {
    return 42;
  }

  alarm() {}

  async fetch() {
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
