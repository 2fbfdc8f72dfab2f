// @ts-check
/// <reference path="./types.d.ts" />

// `Response.json()` and `Response.redirect()`, where the platform differs from deno_fetch.

import { refuseArgument } from "ext:stead/arguments.js";
import { isOn } from "ext:stead/compatibility.js";
import { Response } from "ext:stead/http.js";

const { json, redirect } = Response;
const REDIRECTS = [301, 302, 303, 307, 308];

/** A URL as it was given; only its beginning has one form. @param {string} url */
function asGiven(url) {
  return url.replace(/^[^/]*\/\/[^@/?#]*(?=[/?#]|$)/, (beginning) => beginning.toLowerCase());
}

const MEMBERS = {
  /**
   * @param {any} value
   * @param {any} [init]
   */
  json(value, init) {
    if (arguments.length === 0) refuseArgument("Response", "json", 1, "Value");
    const type = typeof value;
    if (type !== "undefined" && type !== "function" && type !== "symbol") {
      return json.call(Response, value, init ?? undefined);
    }
    // There is no JSON of it, so this is what it becomes.
    const made = new Response("undefined", init);
    if (!new Headers(init?.headers).has("content-type")) {
      made.headers.set("content-type", "application/json");
    }
    return made;
  },

  /**
   * @param {any} url
   * @param {number} [status]
   */
  redirect(url, status = 302) {
    if (arguments.length === 0) refuseArgument("Response", "redirect", 1, "string");
    if (!REDIRECTS.includes(Number(status))) {
      throw new RangeError(
        `${status} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.`,
      );
    }
    if (!URL.canParse(`${url}`)) throw new TypeError(`Unable to parse URL: ${url}`);
    if (isOn("response_redirect_url_standard")) return redirect.call(Response, url, status);
    return new Response(null, { status: Number(status), headers: { Location: asGiven(`${url}`) } });
  },
};
for (const name of /** @type {const} */ (["json", "redirect"])) {
  Object.defineProperty(Response, name, {
    value: MEMBERS[name],
    writable: true,
    enumerable: true,
    configurable: true,
  });
}
