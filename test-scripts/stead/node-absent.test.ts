// Modules of Node that are not there: they can be imported, and what is called throws its name.
// @ts-ignore: no types of Node's modules are installed
import { builtinModules } from "node:module";
// @ts-ignore: the same
import fs, { readFileSync } from "node:fs";
// @ts-ignore: the same
import http from "node:http";
// @ts-ignore: the same
import { parseArgs } from "node:util";
// @ts-ignore: the same
// @ts-ignore: the same
import { EmailMessage } from "cloudflare:email";
import { NonRetryableError } from "cloudflare:workflows";

import { assert, assertEquals, assertRejects, assertThrows } from "../conformance/assert";

export const everyModuleCanBeImported = {
  async test() {
    for (const name of builtinModules) {
      const module = await import(`node:${name}`);
      assert(module.default !== undefined, name);
    }
    await assertRejects(import("node:nothing" as string), /`node:nothing` is not available in Stead yet/);
  },
};

export const whatIsAbsentThrowsItsName = {
  test() {
    assertThrows(() => readFileSync("/x"), "Error: fs.readFileSync() is not implemented in Stead yet.");
    assertEquals(fs.existsSync("/x"), false);
    assertThrows(() => http.createServer(), /is not implemented in Stead yet\.$/);
    assertThrows(() => new EmailMessage("a", "b", "c"), "Error: EmailMessage is not implemented in Stead yet.");
  },
};

export const whatOnlySteadHas = {
  test() {
    const { values, positionals } = parseArgs({ args: ["--flag", "--name=x", "file"], options: { flag: { type: "boolean" }, name: { type: "string" } }, allowPositionals: true });
    assertEquals([values.flag, values.name, positionals], [true, "x", ["file"]]);
    const error = new NonRetryableError("stop");
    assertEquals([error.name, error.message, error instanceof Error], ["NonRetryableError", "stop", true]);
  },
};
