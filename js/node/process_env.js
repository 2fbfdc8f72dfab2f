// @ts-check

// `process.env`: texts by name, of which the first are the worker's own variables.
// https://developers.cloudflare.com/workers/configuration/environment-variables/

/**
 * @param {Record<string, any>} bindings
 * @returns {Record<string, string>}
 */
export function environment(bindings) {
  /** @type {Record<string, any>} */
  const texts = {};
  for (const name of Object.keys(bindings)) {
    const value = bindings[name];
    if (typeof value === "string") texts[name] = value;
    else if (isData(value)) texts[name] = JSON.stringify(value);
  }
  return new Proxy(texts, {
    set(target, name, value) {
      target[/** @type {string} */ (name)] = typeof name === "symbol" ? value : `${value}`;
      return true;
    },
    defineProperty(target, name, descriptor) {
      if ("value" in descriptor && typeof name === "string") descriptor.value = `${descriptor.value}`;
      return Reflect.defineProperty(target, name, descriptor);
    },
  });
}

/** Whether a binding is a variable, and not a way to something. @param {any} value */
function isData(value) {
  if (value === null || typeof value === "number" || typeof value === "boolean") return true;
  if (typeof value !== "object") return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null;
}
