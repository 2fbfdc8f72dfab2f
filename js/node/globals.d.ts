// What scripts behind `node:*` find, and the packages they are bundled with.

declare const __bootstrap: {
  core: any;
  internals: { node: any; [name: string]: any };
  primordials: any;
};

declare module "assert/";
declare module "assert/build/internal/util/comparisons";
declare module "@pkgjs/parseargs";
declare module "node-inspect-extracted";
declare module "node:*";
declare module "path-browserify";
declare module "punycode/";
declare module "readable-stream";
declare module "readable-stream/*";
declare module "unenv/*";

interface ErrorConstructor {
  prepareStackTrace?: (error: any, sites: any[]) => any;
  captureStackTrace(target: object, from?: Function): void;
}
