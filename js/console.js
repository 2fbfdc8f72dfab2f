// @ts-check
/// <reference path="./types.d.ts" />

// The console: deno_web formats, the process prints. One call of a method is one line for the
// process, however many pieces the formatter prints it in.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";
import { currentHandle } from "ext:stead/record.js";

const { ObjectDefineProperty, ReflectApply, SymbolToStringTag } = primordials;
const StringPrototypeSlice = primordials.StringPrototypeSlice;
const { Console, setNoColorFns } = core.loadExtScript(
  "ext:deno_web/01_console.js",
);

let { op_console_place, op_console_print } = core.ops;
bindOps((ops) => ({ op_console_place, op_console_print } = ops));

/** Whether lines say where they were printed. */
let tellsPlaces = false;

/** What the running method has printed so far. */
let text = "";

const formatter = new Console((/** @type {string} */ piece) => {
  text += piece;
});

/** Method and the level its line has: methods are in workerd's order. */
const methods = {
  debug: "debug",
  error: "error",
  info: "info",
  log: "log",
  warn: "warn",
  dir: "log",
  dirxml: "log",
  table: "log",
  trace: "error",
  group: "log",
  groupCollapsed: "log",
  groupEnd: "log",
  clear: "log",
  count: "log",
  countReset: "warn",
  assert: "error",
  profile: "log",
  profileEnd: "log",
  time: "warn",
  timeLog: "log",
  timeEnd: "log",
  timeStamp: "log",
};

/**
 * @param {string} name
 * @param {string} level
 */
function method(name, level) {
  const format = formatter[name];
  const { [name]: print } = {
    /** @param {any[]} args */
    [name](...args) {
      // A getter or toString of the user's may print while we format.
      const outer = text;
      text = "";
      try {
        ReflectApply(format, formatter, args);
        if (text !== "") {
          const place = tellsPlaces ? op_console_place() : "";
          op_console_print(currentHandle(), StringPrototypeSlice(text, 0, -1), level, place);
        }
      } finally {
        text = outer;
      }
    },
  };
  return print;
}

/** @type {Record<string, any>} */
export const console = {};
for (const name in methods) {
  console[name] = method(name, methods[/** @type {keyof typeof methods} */ (name)]);
}
console.clear = function clear() {};
/** A console that prints as this one does: there are no contexts to tell apart. */
console.context = function context() {
  return { ...console };
};
ObjectDefineProperty(console, SymbolToStringTag, {
  __proto__: null,
  value: "console",
  configurable: true,
});

/** @param {boolean} colors */
export function setColors(colors) {
  setNoColorFns(() => !colors, () => !colors);
}

/** Has each line say where it was printed: for a person who writes the code. */
export function tellPlaces() {
  tellsPlaces = true;
}

/** Makes a debugger that is attached see what is printed. */
export function connectToInspector() {
  core.wrapConsole(console, core.v8Console);
}

