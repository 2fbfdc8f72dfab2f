// @ts-check
/// <reference path="./types.d.ts" />

// What the first request of most workers calls, called once while the snapshot is made: V8
// compiles a function when it is called first, and the snapshot keeps what was compiled.

import { core } from "ext:core/mod.js";
import { Response } from "ext:stead/http.js";
import { Request } from "ext:stead/request.js";

const { URL } = core.loadExtScript("ext:deno_web/00_url.js");

const request = new Request("http://localhost/path?name=value", {
  method: "POST",
  headers: { "content-type": "text/plain" },
  body: "text",
});
new Response("text", { status: 200, headers: request.headers });
new URL(request.url).searchParams.get("name");
