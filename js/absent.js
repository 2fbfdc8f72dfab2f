// @ts-check
/// <reference path="./types.d.ts" />

// Parts of the global scope that Stead has only the names of: code that merely asks whether they
// are there runs, and code that uses them is told.

import { tagClass } from "ext:stead/scope.js";

const NO_CACHE = "The Cache API is not implemented in Stead yet.";

export class HTMLRewriter {
  constructor() {
    throw new Error("HTMLRewriter is not implemented in Stead yet.");
  }
}
tagClass(HTMLRewriter);

export class Cache {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  async match() {
    throw new Error(NO_CACHE);
  }

  async put() {
    throw new Error(NO_CACHE);
  }

  async delete() {
    throw new Error(NO_CACHE);
  }
}
tagClass(Cache);

/** Only the global `caches` is ever made. */
let constructed = false;

export class CacheStorage {
  #default = Object.create(Cache.prototype);

  constructor() {
    if (constructed) throw new TypeError("Illegal constructor");
    constructed = true;
  }

  get default() {
    return this.#default;
  }

  async open() {
    throw new Error(NO_CACHE);
  }
}
tagClass(CacheStorage);

export const caches = new CacheStorage();
