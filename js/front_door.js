// @ts-check
/// <reference path="./types.d.ts" />

// The door of a file that exports object classes and no default handler:
// `/<Class>/<name>/rest` reaches that object's `fetch()` at `/rest`.

import { Response } from "ext:stead/http.js";
import { Request } from "ext:stead/request.js";

/**
 * @param {Record<string, any>} env
 * @param {{ class: string, bindings: string[] }[]} namespaces
 */
export function frontDoor(env, namespaces) {
  return {
    /** @param {any} request */
    async fetch(request) {
      const url = new URL(request.url);
      const [, binding, name, ...rest] = url.pathname.split("/");
      const namespace = namespaces.find((one) => one.bindings.includes(decode(binding)));
      if (namespace === undefined || name === undefined || name === "") {
        return new Response(usage(namespaces), { status: 404 });
      }
      url.pathname = `/${rest.join("/")}`;
      const stub = env[namespace.bindings[0]].getByName(decode(name));
      return await stub.fetch(new Request(url, request));
    },
  };
}

/** @param {string} part */
function decode(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @param {{ class: string }[]} namespaces */
function usage(namespaces) {
  const lines = namespaces.map((namespace) => `  /${namespace.class}/<name>/...`);
  return `Nothing here. The objects of this file are reached at:\n${lines.join("\n")}\n`;
}
