// @ts-check
/// <reference path="./types.d.ts" />

// Modules that tests have mocked, and what `vi` says of modules. The bundle leads imports of such a module here
// (src/bundle/mocks.rs); a module is known by its id, which the bundle has written into the calls.
// https://vitest.dev/guide/mocking/modules

import { mockOf } from "ext:stead/test_vi.js";

/** What a factory that throws is told, as in vitest. */
const FACTORY_THREW =
  '[vitest] There was an error when mocking a module. If you are using "vi.mock" factory, make sure there are no top level variables inside, since this call is hoisted to top of the file. Read more: https://vitest.dev/api/vi.html#vi-mock';

/** Names that may be missing in what a factory makes: everybody asks for them. */
const ASKED_OF_ALL = ["then", "__esModule"];

/** @typedef {() => Promise<any>} Way imports a module */

/** One module's mock. */
class Mock {
  #library;
  #raw;
  #factory;
  #actual;
  #substitute;
  /** @type {any} */
  #value;
  /** @type {Promise<any> | null} */
  #promise = null;

  /**
   * @param {any} library
   * @param {string} raw how the test names the module
   * @param {any} factory a function that makes the exports, or options
   * @param {Way} actual
   * @param {Way} [substitute] the file in `__mocks__`
   */
  constructor(library, raw, factory, actual, substitute) {
    this.#library = library;
    this.#raw = raw;
    this.#factory = factory;
    this.#actual = actual;
    this.#substitute = substitute;
  }

  /** The exports, once they are there. */
  value() {
    return (this.#promise ??= this.#make());
  }

  /** The exports, without waiting. */
  valueNow() {
    if (this.#value === undefined && typeof this.#factory === "function" && this.#promise === null) {
      const value = this.#callFactory();
      if (!(value instanceof Promise)) this.#value = this.#checked(value);
    }
    if (this.#value === undefined) {
      throw new Error(`require() of "${this.#raw}", whose mock is not there yet, is not implemented in Stead yet.`);
    }
    return this.#value;
  }

  /**
   * Refuses a name that the factory has not made, as vitest does.
   * @param {string | symbol} name
   */
  check(name) {
    if (typeof name === "symbol" || ASKED_OF_ALL.includes(name) || !this.lacks(name)) return;
    const error = new Error(
      `[vitest] No "${name}" export is defined on the "${this.#raw}" mock. Did you forget to return it from "vi.mock"?\nIf you need to partially mock a module, you can use "importOriginal" helper inside:\n`,
    );
    throw Object.assign(error, { codeFrame: partMock(this.#raw) });
  }

  /** Whether a factory has made exports without one of that name. @param {string} name */
  lacks(name) {
    return typeof this.#factory === "function" && this.#value !== undefined && !(name in this.#value);
  }

  async #make() {
    if (typeof this.#factory === "function") this.#value ??= this.#checked(await this.#callFactory());
    else if (this.#substitute && !this.#factory?.spy) this.#value = await this.#substitute();
    else this.#value = exportsLike(mockOf(this.#library, await this.#actual(), this.#factory?.spy));
    return this.#value;
  }

  #callFactory() {
    const failed = (/** @type {any} */ cause) => new Error(FACTORY_THREW, { cause });
    try {
      const made = this.#factory(this.#actual);
      return made instanceof Promise ? made.catch((error) => Promise.reject(failed(error))) : made;
    } catch (error) {
      throw failed(error);
    }
  }

  /** @param {any} value what a factory has made */
  #checked(value) {
    if (value === null || typeof value !== "object" || Array.isArray(value)) {
      throw new TypeError(
        `[vitest] vi.mock("${this.#raw}", factory?: () => unknown) is not returning an object. Did you mean to return an object with a "default" key?`,
      );
    }
    return value;
  }
}

/** How to mock a part of a module: vitest's own example. @param {string} raw */
function partMock(raw) {
  return `vi.mock(import("${raw}"), async (importOriginal) => {
  const actual = await importOriginal()
  return {
    ...actual,
    // your mocked methods
  }
})`;
}

/** The same exports as a plain object, with the mark of a module. @param {any} value */
function exportsLike(value) {
  return Object.defineProperty({ ...value }, "__esModule", { value: true });
}

/**
 * @param {any} library
 * @param {(ms: number) => Promise<void>} wait
 */
export function makeMocks(library, wait) {
  /** @type {Map<string, Mock>} */
  const mocks = new Map();
  /** What the importers of each module have, by its id. @type {Map<string, { seen: any, value: any }>} */
  const imported = new Map();

  /**
   * What stands behind the exports of a module: asked for those that are not there.
   * @param {string} id
   */
  const guardOf = (id) =>
    new Proxy(Object.prototype, {
      get(target, name, receiver) {
        mocks.get(id)?.check(name);
        return Reflect.get(target, name, receiver);
      },
    });
  /**
   * A default export that the factory has not made. An import of it is a variable: it can only refuse to be used.
   * @param {string} id
   */
  const missingDefault = (id) => {
    const refuse = () => mocks.get(id)?.check("default");
    const traps = ["apply", "construct", "get", "getPrototypeOf", "has", "ownKeys", "set"].map((trap) => [trap, refuse]);
    return new Proxy(function () {}, Object.fromEntries(traps));
  };

  /**
   * Gives all importers of a module a value, those included that imported it before it was evaluated anew.
   * @param {string} id
   * @param {any} value the exports
   */
  const give = (id, value) => {
    const module = imported.get(id) ?? { seen: Object.defineProperty(Object.create(guardOf(id)), "__esModule", { value: true }), value };
    module.value = value;
    imported.set(id, module);
    for (const name of Object.keys(value)) {
      if (Object.hasOwn(module.seen, name)) continue;
      Object.defineProperty(module.seen, name, { get: () => module.value[name], enumerable: true });
    }
    return module.seen;
  };

  /** What the bundle calls. */
  const steadMocks = {
    /** Grows when modules are to be evaluated anew. */
    epoch: 0,
    /** Makes the mock of a module, or imports the module itself. @param {string} id @param {Way} actual */
    async ready(id, actual) {
      give(id, await (mocks.get(id)?.value() ?? actual()));
    },
    /** What importers of a module get. @param {string} id */
    exportsOf(id) {
      const module = imported.get(id);
      if (module !== undefined) return module.seen;
      const mock = mocks.get(id);
      if (mock === undefined) throw new Error(`internal error: ${id} was asked for before it was imported`);
      return give(id, mock.valueNow());
    },
    /** What importers get as the default export. @param {string} id */
    defaultOf(id) {
      const seen = steadMocks.exportsOf(id);
      return mocks.get(id)?.lacks("default") ? missingDefault(id) : seen.default;
    },
    /** import() in a test. @param {string} id @param {Way} actual */
    async load(id, actual) {
      const mock = mocks.get(id);
      if (mock === undefined) return await actual();
      return Object.setPrototypeOf(Object.defineProperties({}, Object.getOwnPropertyDescriptors(await mock.value())), guardOf(id));
    },
  };

  /** @param {string} method @param {string} path @param {any} actual */
  const check = (method, path, actual) => {
    if (typeof path !== "string") throw new TypeError(`vi.${method}() expects a string path, but received a ${typeof path}`);
    if (typeof actual !== "function") {
      throw new Error(`vi.${method}() of a module that is not named by a literal is not implemented in Stead yet.`);
    }
  };
  /** @param {string} method @returns {(id: string, factory: any, raw: string, actual: Way, substitute?: Way) => void} */
  const put = (method) => (id, factory, raw, actual, substitute) => {
    check(method, id, actual);
    mocks.set(id, new Mock(library, raw, factory, actual, substitute));
  };
  const remove = (/** @type {string} */ id) => void mocks.delete(id);
  const doMock = put("doMock");

  /** Members of `vi`. */
  const ofVi = {
    mock: put("mock"),
    unmock: remove,
    doUnmock: remove,
    /** @param {[string, any, string, Way, Way?]} args */
    doMock(...args) {
      doMock(...args);
      return { [Symbol.dispose]: () => remove(args[0]) };
    },
    /** @param {string} id @param {Way} actual */
    async importActual(id, actual) {
      check("importActual", id, actual);
      return await actual();
    },
    /** @param {string} id @param {Way} actual */
    async importMock(id, actual) {
      check("importMock", id, actual);
      return exportsLike(mockOf(library, await actual()));
    },
    resetModules: () => void steadMocks.epoch++,
    // Timers fire when nothing is ready to run: what was imported is there by then.
    dynamicImportSettled: () => wait(0),
  };
  return { ofVi, steadMocks };
}
