// @ts-check
/// <reference path="./types.d.ts" />

// Stead has only the names of HTMLRewriter: code that merely asks whether it is there, or makes one
// that it does not use, runs.
// https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/

import { defineClasses } from "ext:stead/globals.js";
import { tagClass } from "ext:stead/scope.js";

function refuse() {
  throw new Error("HTMLRewriter is not implemented in Stead yet.");
}

export class HTMLRewriter {
  on() {
    return refuse();
  }

  onDocument() {
    return refuse();
  }

  transform() {
    return refuse();
  }
}
tagClass(HTMLRewriter);
defineClasses({ HTMLRewriter });
