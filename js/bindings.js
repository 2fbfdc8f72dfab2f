// @ts-check
/// <reference path="./types.d.ts" />

// The values of bindings that are no namespaces.

/**
 * @typedef {object} OtherBindings
 * @property {{ binding: string, kind: string }[]} missing
 * @property {string | null} assets
 */

/**
 * Puts the bindings into `env`.
 * @param {Record<string, any>} env
 * @param {OtherBindings} bindings
 */
export function defineBindings(env, { missing }) {
  for (const { binding, kind } of missing) env[binding] = missingBinding(binding, kind);
}

/**
 * A binding of a kind that Stead does not have: code that merely passes it on runs, and code that
 * uses it is told.
 * @param {string} name
 * @param {string} kind
 */
function missingBinding(name, kind) {
  const refuse = () => {
    throw new Error(`env.${name} (${kind}) is not implemented in Stead yet.`);
  };
  return new Proxy(refuse, {
    // Whoever prints the binding, or awaits it, does not use it.
    get: (_target, key) => (typeof key === "symbol" || key === "then" ? undefined : refuse),
    set: refuse,
    construct: refuse,
  });
}
