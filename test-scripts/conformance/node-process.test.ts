// node:process, node:timers, node:os, node:module, and the globals that Node has.
// @ts-ignore: no types of Node's modules are installed
import process, { env, nextTick } from "node:process";
// @ts-ignore: the same
import timers from "node:timers";
// @ts-ignore: the same
import * as later from "node:timers/promises";
// @ts-ignore: the same
import os from "node:os";
// @ts-ignore: the same
import { builtinModules, createRequire, isBuiltin } from "node:module";
// @ts-ignore: the same
import EventEmitter from "node:events";

import { assert, assertEquals, assertRejects, assertThrows } from "./assert";

const scope: any = globalThis;
const { clearImmediate, setImmediate } = scope;

export const aProcess = {
  test() {
    assert(scope.process === process && process instanceof EventEmitter);
    assertEquals([process.platform, process.version.split(".")[0], process.versions.node, process.argv.length, process.title], ["linux", "v22", process.version.slice(1), 1, "workerd"]);
    assertEquals([process.cwd(), process.pid, process.exitCode, process.umask(), Object.prototype.toString.call(process)], ["/bundle", 1, undefined, 18, "[object process]"]);
    const before = process.hrtime();
    assertEquals([before.length, process.hrtime(before)[0], typeof process.hrtime.bigint(), process.memoryUsage().rss], [2, 0, "bigint", 0]);
    assertThrows(() => process.cpuUsage(), "Error [ERR_METHOD_NOT_IMPLEMENTED]: The process.cpuUsage method is not implemented");
    assertEquals([typeof process.getBuiltinModule("node:buffer").Buffer, process.getBuiltinModule("nope")], ["function", undefined]);
    assert(process.stdout.write("a line of a process\n"));
  },
};

export const environment = {
  test() {
    assertEquals([env === process.env, env.NOT_THERE, "NOT_THERE" in env], [true, undefined, false]);
    env.SET = 1 as any;
    assertEquals([env.SET, Object.keys(env).includes("SET")], ["1", true]);
    delete env.SET;
    assertEquals(env.SET, undefined);
  },
};

export const order = {
  async test() {
    const seen: string[] = [];
    nextTick((name: string) => seen.push(name), "tick");
    queueMicrotask(() => seen.push("microtask"));
    setImmediate(() => seen.push("immediate"));
    assertEquals(seen, []);
    await scheduler.wait(5);
    assertEquals(seen, ["tick", "microtask", "immediate"]);
    const immediate = setImmediate(() => seen.push("never"));
    clearImmediate(immediate);
    await scheduler.wait(5);
    assertEquals(seen.length, 3);
    const warning = new Promise<any>((resolve) => process.once("warning", resolve));
    process.emitWarning("careful", "MyWarning");
    assertEquals([(await warning).name, (await warning).message], ["MyWarning", "careful"]);
  },
};

export const timersAreObjects = {
  async test() {
    let fired = 0;
    const timer: any = setTimeout(() => fired++, 1);
    assertEquals([typeof timer, timer.hasRef(), timer.ref() === timer, timer.refresh() === timer], ["object", true, true, true]);
    clearTimeout(timer);
    const number = setTimeout(() => fired++, 1);
    clearTimeout(+number);
    await scheduler.wait(5);
    assertEquals(fired, 0);
    await new Promise((resolve) => timers.setTimeout(resolve, 1, "x"));
    const interval = timers.setInterval(() => {
      if (++fired === 2) timers.clearInterval(interval);
    }, 1);
    await scheduler.wait(20);
    assertEquals(fired, 2);
    assertThrows(() => timers.setTimeout("code" as any, 1), /^TypeError.*The "callback" argument must be of type function/);
  },
};

export const timersAsPromises = {
  async test() {
    assertEquals([await later.setTimeout(1, "value"), await later.setImmediate("now")], ["value", "now"]);
    await later.scheduler.wait(1);
    const controller = new AbortController();
    const waiting = later.setTimeout(1000, "x", { signal: controller.signal });
    controller.abort();
    await assertRejects(waiting, /AbortError/);
    let count = 0;
    for await (const value of later.setInterval(1, "tick")) {
      assertEquals(value, "tick");
      if (++count === 2) break;
    }
  },
};

export const machine = {
  test() {
    assertEquals([os.EOL, os.platform(), os.type(), os.endianness(), os.hostname(), os.availableParallelism()], ["\n", "linux", "Linux", "LE", "localhost", 1]);
  },
};

export const modules = {
  test() {
    assert(builtinModules.includes("fs") && isBuiltin("node:path") && isBuiltin("path") && !isBuiltin("express"));
    const require = createRequire("/");
    assert(require("node:events") === EventEmitter && require("events") === EventEmitter);
    assertThrows(() => require("nothing-of-the-kind"), /nothing-of-the-kind/);
    assert(scope.global === globalThis);
  },
};
