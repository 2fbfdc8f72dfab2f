// @ts-check
/// <reference path="./types.d.ts" />

// Snapshots of vitest: what tests compare with files beside them and with texts in their own source. The library keeps
// and compares them; here are the matchers, and the way to the files.
// https://vitest.dev/guide/snapshot

import { ask } from "ext:stead/test_clock.js";

/** One snapshot in a file: its key and its text, as template literals. */
const ENTRY = /^exports\[`((?:\\[^]|[^\\`])*)`\] = `((?:\\[^]|[^\\`])*)`;$/gm;

/** What a letter after a backslash stands for, if not for itself. @type {Record<string, string>} */
const ESCAPES = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t", v: "\v", "0": "\0" };

/** The names under which the library's stack of a failed assertion says how far up its caller is. */
const SNAPSHOT_CALL = "__INLINE_SNAPSHOT_OFFSET_3__";

/** @param {string} literal the inside of a template literal without expressions */
function unescape(literal) {
  return literal
    .replace(/\r\n?/g, "\n")
    .replace(/\\(?:u\{([0-9a-f]+)\}|u([0-9a-f]{4})|x([0-9a-f]{2})|\n|([^]))/gi, (_, braced, four, two, letter) => {
      const code = braced ?? four ?? two;
      if (code !== undefined) return String.fromCodePoint(parseInt(code, 16));
      return letter === undefined ? "" : ESCAPES[letter] ?? letter;
    });
}

/**
 * Reads a file of snapshots, which is a script that nobody runs.
 * @param {string} text
 * @returns {(snapshots: Record<string, string>) => void} puts what it holds into an object
 */
export function readSnapshots(text) {
  return (snapshots) => {
    for (const [, key, value] of text.matchAll(ENTRY)) snapshots[unescape(key)] = unescape(value);
  };
}

/** @param {string} path */
const folderOf = (path) => (path.includes("/") ? path.slice(0, path.lastIndexOf("/")) || "/" : ".");

/** The files of snapshots, as the library reaches them. Relative paths are relative to where the tests were started. */
const environment = {
  getVersion: () => "1",
  getHeader: () => "// Vitest Snapshot v1, https://vitest.dev/guide/snapshot.html",
  /** @param {string} test @param {string} path */
  resolveRawPath: async (test, path) => (path.startsWith("/") ? path : `${folderOf(test)}/${path}`),
  /** @param {string} test */
  resolvePath: async (test) => `${folderOf(test)}/__snapshots__/${test.slice(test.lastIndexOf("/") + 1)}.snap`,
  /** @param {string} path @returns {Promise<string | null>} */
  readSnapshotFile: (path) => ask({ ask: "readFile", path }),
  /** @param {string} path @param {string} text */
  saveSnapshotFile: (path, text) => ask({ ask: "writeFile", path, text }),
  /** @param {string} path */
  removeSnapshotFile: (path) => ask({ ask: "removeFile", path }),
  /** Files in stacks are URLs without their scheme. @param {{ file: string }} frame */
  processStackTrace: (frame) => ({ ...frame, file: decodeURI(frame.file) }),
};

/** The snapshots of one test file. */
export class Snapshots {
  #library;
  #client;
  #update;

  /**
   * @param {any} library
   * @param {"all" | "new" | "none"} update which snapshots are written
   */
  constructor(library, update) {
    this.#library = library;
    this.#update = update;
    const { equals, iterableEquality, SnapshotClient, subsetEquality } = library;
    this.#client = new SnapshotClient({
      isEqual: (/** @type {any} */ a, /** @type {any} */ b) => equals(a, b, [iterableEquality, subsetEquality]),
    });
  }

  /** Before the tests of a file. @param {any} file */
  async begin(file) {
    const options = { updateSnapshot: this.#update, snapshotEnvironment: environment, expand: false };
    await this.#client.setup(file.filepath, options);
  }

  /** A test begins, perhaps once more. @param {any} test */
  beginTry(test) {
    this.#client.clearTest(test.file.filepath, test.id);
    return this.#client.getSnapshotState(test.file.filepath);
  }

  /**
   * After the tests of a file: writes what is to be written.
   * @param {any} file
   * @returns {Promise<{ counts: object, error: Error | null }>}
   */
  async end(file) {
    const { getNames, getTests } = this.#library;
    for (const test of getTests(file)) {
      if (test.mode === "skip") this.#client.skipTest(file.filepath, getNames(test).slice(1).join(" > "));
    }
    const { added, matched, unmatched, updated, unchecked, uncheckedKeys } = await this.#client.finish(file.filepath);
    let error = null;
    if (this.#update === "none" && unchecked > 0) {
      const keys = uncheckedKeys.map((/** @type {string} */ key) => `- ${key}\n`).join("");
      error = new Error(`Obsolete snapshots found when no snapshot update is expected.\n${keys}`);
    }
    return { counts: { added, matched, unmatched, updated, obsolete: uncheckedKeys }, error };
  }

  /**
   * The matchers, as a plugin of chai.
   * @param {any} chai
   * @param {any} utils
   */
  plugin(chai, utils) {
    const { addSerializer, createAssertionMessage, recordAsyncExpect, wrapAssertion } = this.#library;
    const match = this.#match.bind(this);
    /** @param {string} name @param {(this: any, ...args: any[]) => any} method */
    const add = (name, method) => utils.addMethod(chai.Assertion.prototype, name, wrapAssertion(utils, name, method));

    for (const name of ["matchSnapshot", "toMatchSnapshot"]) {
      add(name, function (properties, hint) {
        match(this, utils, utils.flag(this, "object"), ofProperties(properties, hint));
      });
    }
    add("toThrowErrorMatchingSnapshot", function (properties, hint) {
      match(this, utils, thrownBy(this, utils), ofProperties(properties, hint));
    });
    const inline = {
      /** @this {any} @param {any} properties @param {any} snapshot @param {any} hint */
      [SNAPSHOT_CALL](properties, snapshot, hint) {
        match(this, utils, utils.flag(this, "object"), ofInline(properties, snapshot, hint));
      },
    };
    add("toMatchInlineSnapshot", inline[SNAPSHOT_CALL]);
    const thrown = {
      /** @this {any} @param {any} snapshot @param {any} hint */
      [SNAPSHOT_CALL](snapshot, hint) {
        match(this, utils, thrownBy(this, utils), ofInline(undefined, snapshot, hint));
      },
    };
    add("toThrowErrorMatchingInlineSnapshot", thrown[SNAPSHOT_CALL]);
    utils.addMethod(
      chai.Assertion.prototype,
      "toMatchFileSnapshot",
      /** @this {any} @param {string} path @param {string} [hint] */
      function (path, hint) {
        utils.flag(this, "_name", "toMatchFileSnapshot");
        const matched = matchFile(this, utils, path, hint);
        const test = testOf(this, utils);
        return recordAsyncExpect(test, matched, createAssertionMessage(utils, this, true), new Error("resolves"), utils.flag(this, "soft"));
      },
    );
    const matchFile = this.#matchFile.bind(this);
    utils.addMethod(chai.expect, "addSnapshotSerializer", addSerializer);
  }

  /**
   * @param {any} assertion
   * @param {any} utils
   * @param {any} received
   * @param {object} options what it is compared with
   */
  #match(assertion, utils, received, options) {
    const asked = { received, ...options, ...this.#askedBy(assertion, utils) };
    if ("inlineSnapshot" in asked && typeof asked.inlineSnapshot === "string") {
      asked.inlineSnapshot = this.#library.stripSnapshotIndentation(asked.inlineSnapshot);
    }
    check(this.#client.match(asked), utils.flag(assertion, "message"));
  }

  /**
   * @param {any} assertion
   * @param {any} utils
   * @param {string} path
   * @param {string} [hint]
   */
  async #matchFile(assertion, utils, path, hint) {
    const asked = this.#askedBy(assertion, utils);
    const file = await environment.resolveRawPath(asked.filepath, path);
    const content = (await environment.readSnapshotFile(file)) ?? undefined;
    const received = utils.flag(assertion, "object");
    check(this.#client.match({ received, message: hint, rawSnapshot: { file, content }, ...asked }), utils.flag(assertion, "message"));
  }

  /** Which test asks, and where. @param {any} assertion @param {any} utils @returns {any} */
  #askedBy(assertion, utils) {
    const assertionName = utils.flag(assertion, "_name");
    if (utils.flag(assertion, "negate")) throw new Error(`${assertionName} cannot be used with "not"`);
    const test = testOf(assertion, utils);
    return {
      assertionName,
      filepath: test.file.filepath,
      name: this.#library.getNames(test).slice(1).join(" > "),
      testId: test.id,
      error: utils.flag(assertion, "error"),
    };
  }
}

/** @param {any} assertion @param {any} utils */
function testOf(assertion, utils) {
  const test = utils.flag(assertion, "vitest-test");
  if (test === undefined) throw new Error(`'${utils.flag(assertion, "_name")}' cannot be used without test context`);
  return test;
}

/** @param {any} properties @param {string} [hint] */
function ofProperties(properties, hint) {
  return typeof properties === "string" ? { message: properties } : { properties, message: hint };
}

/** @param {any} properties @param {any} snapshot @param {any} hint */
function ofInline(properties, snapshot, hint) {
  if (typeof properties === "string") return { isInline: true, inlineSnapshot: properties, message: snapshot };
  return { isInline: true, properties, inlineSnapshot: snapshot || undefined, message: hint };
}

/** What the function under test throws; with `rejects`, what it has thrown. @param {any} assertion @param {any} utils */
function thrownBy(assertion, utils) {
  const received = utils.flag(assertion, "object");
  if (typeof received !== "function") {
    if (utils.flag(assertion, "promise")) return received;
    throw new Error(`expected must be a function, received ${typeof received}`);
  }
  try {
    received();
  } catch (error) {
    return error;
  }
  throw new Error("snapshot function didn't throw");
}

/** @param {any} result @param {string | undefined} message the assertion's own */
function check({ pass, message: describe, actual, expected }, message) {
  if (pass) return;
  const error = new Error(`${message ? `${message}: ` : ""}${describe()}`);
  throw Object.assign(error, { actual, expected, diffOptions: { expand: false } });
}
