// Runs suites written for vitest on the platform's own plugin, in a folder of their own, and beside it on Stead.
//
//   node test-scripts/plugin.mjs --modules DIR                   suites of testing/ on the plugin: they must pass there
//   node test-scripts/plugin.mjs --modules DIR --stead BINARY    the time of 500 tests on both
//
// DIR is a node_modules directory that holds `vitest` and `@cloudflare/vitest-plugin`.

import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const here = dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({ options: { modules: { type: "string" }, stead: { type: "string" } } });
const FILES = 10;
const TESTS = 50;

const folder = mkdtempSync(join(tmpdir(), "stead-plugin-"));
try {
  symlinkSync(resolve(values.modules), join(folder, "node_modules"));
  mkdirSync(join(folder, "suite"));
  cpSync(join(here, "testing/worker.ts"), join(folder, "suite/worker.ts"));
  writeFileSync(join(folder, "package.json"), '{ "type": "module" }\n');
  writeFileSync(join(folder, "vitest.config.mjs"), config());
  process.exitCode = values.stead === undefined ? conformance() : bench();
} finally {
  rmSync(folder, { recursive: true });
}

function conformance() {
  for (const part of ["__snapshots__", "mocked"]) cpSync(join(here, "testing", part), join(folder, "suite", part), { recursive: true });
  for (const suite of ["vitest", "cache", "snapshots", "mocks", "self", "writing"]) {
    cpSync(join(here, `testing/${suite}.test.ts`), join(folder, `suite/${suite}.test.ts`));
  }
  return plugin("inherit").status;
}

function bench() {
  for (let file = 0; file < FILES; file++) writeFileSync(join(folder, `suite/bench-${file}.test.ts`), suite(file));
  const seconds = (run) => {
    const begun = performance.now();
    const { status, stdout } = run();
    if (status !== 0) throw new Error(`${stdout}`);
    return (performance.now() - begun) / 1000;
  };
  const stead = () => spawnSync(resolve(values.stead), ["test", "suite"], { cwd: folder });
  const [ours, theirs] = [seconds(stead), seconds(() => plugin("pipe"))];
  console.log(`${FILES * TESTS} tests in ${FILES} files, each with an object of its own and three calls`);
  console.log(`  stead test                         ${ours.toFixed(2)} s`);
  console.log(`  @cloudflare/vitest-plugin          ${theirs.toFixed(2)} s`);
  return 0;
}

function plugin(stdio) {
  return spawnSync(process.execPath, [join(folder, "node_modules/vitest/vitest.mjs"), "run"], { cwd: folder, stdio });
}

function suite(file) {
  return `
import { env, runInDurableObject, SELF } from "cloudflare:test";
import { describe, expect, it } from "vitest";
export * from "./worker.ts";
export { default } from "./worker.ts";

describe("suite ${file}", () => {
  for (let number = 0; number < ${TESTS}; number++) {
    it(\`counts, \${number}\`, async () => {
      const name = \`${file}-\${number}\`;
      const stub = env.COUNTER.get(env.COUNTER.idFromName(name));
      expect(await stub.add(number)).toBe(number);
      const response = await SELF.fetch(\`https://example.com/count/\${name}\`);
      expect(await response.text()).toBe(\`\${number}\`);
      const stored = await runInDurableObject(stub, (_, state) => state.storage.get("value"));
      expect(stored).toBe(number);
    });
  }
});
`;
}

function config() {
  return `
import { cloudflareTest } from "@cloudflare/vitest-plugin";
import { defineConfig } from "vitest/config";

export default defineConfig({
  plugins: [cloudflareTest({
    main: "./suite/worker.ts",
    miniflare: {
      compatibilityDate: "2026-08-01",
      durableObjects: { COUNTER: { className: "Counter", useSQLite: true } },
    },
  })],
  test: { include: ["suite/**/*.test.ts"] },
});
`;
}
