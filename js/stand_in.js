// @ts-check
/// <reference path="./types.d.ts" />

// Constructors that take the place of a class's own. Its objects stay the same.

/**
 * Has code meet `standIn` wherever it would meet `base`: by its name, and as the `constructor` of
 * the class's objects.
 * @param {any} standIn
 * @param {any} base
 * @param {number} length how many arguments it takes
 * @returns {any} `standIn`
 */
export function standFor(standIn, base, length) {
  Object.defineProperty(standIn, "name", { value: base.name, configurable: true });
  Object.defineProperty(standIn, "length", { value: length, configurable: true });
  Object.defineProperty(standIn, "prototype", { value: base.prototype, writable: false });
  Object.defineProperty(base.prototype, "constructor", {
    value: standIn,
    writable: true,
    configurable: true,
  });
  return standIn;
}
