// @ts-check
/// <reference path="./types.d.ts" />

// Sockets over RPC. The connection stays with its sender; the receiver's socket reads and writes
// through it. Only an open one can be sent.
// https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/

import { core } from "ext:core/mod.js";
import { addHostClass, hostOf } from "ext:stead/message.js";
import { PassedStreams } from "ext:stead/passed_streams.js";
import { passOn, receivePassed, Socket } from "ext:stead/tcp.js";
import "ext:stead/http.js";
import "ext:stead/writable.js";

const { ReadableStream, WritableStream } = core.loadExtScript("ext:deno_web/06_streams.js");
const readables = hostOf(ReadableStream);
const writables = hostOf(WritableStream);

addHostClass({
  base: Socket,
  name: "Socket",
  send(socket, attachments) {
    const { readable, writable, ...described } = passOn(socket);
    return {
      ...described,
      readable: readables.send(readable, attachments),
      writable: writables.send(writable, attachments),
    };
  },
  receive({ readable, writable, ...described }, attachments, received) {
    const streams = new PassedStreams(
      readables.receive(readable, attachments, received),
      writables.receive(writable, attachments, received),
    );
    return receivePassed(described, streams);
  },
});
