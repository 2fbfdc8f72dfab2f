// @ts-check

// The module `node:sys`, an old name of `node:util`.

export * from "node:util";
export { default } from "node:util";
