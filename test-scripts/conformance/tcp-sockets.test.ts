// connect() of `cloudflare:sockets`: what it refuses, and what becomes of a socket that leads nowhere.
import { connect } from "cloudflare:sockets";
import { assert, assertEquals, assertThrows } from "./assert.ts";

const open: any = connect;
/** Nobody listens there. */
const NOWHERE = "127.0.0.1:3";
const FAILED = "Error: proxy request failed, cannot connect to the specified address";

let early: unknown;
try {
  open(NOWHERE);
} catch (error) {
  early = String(error);
}

const outcome = (promise: Promise<unknown>) => promise.then((value) => ["ok", value], (error) => ["failed", String(error)]);

export const notInGlobalScope = {
  test() {
    assert(String(early).startsWith("Error: Disallowed operation called within global scope."));
  },
};

export const addressesThatAreNone = {
  test() {
    const NOT_VALID = "TypeError: Specified address is empty string, contains unsupported characters or is too long.";
    for (const [address, text] of [
      ["localhost", "TypeError: Specified address is missing port."],
      [5, "TypeError: Specified address is missing port."],
      ["http://localhost:1", "TypeError: Specified address is missing port."],
      ["", "TypeError: Specified address is missing hostname."],
      ["local host:1", "TypeError: Specified address could not be parsed."],
      ["localhost:99999", "TypeError: Specified address could not be parsed."],
      ["localhost:1/path", NOT_VALID],
      ["user@localhost:80", NOT_VALID],
      [`${"a".repeat(300)}:1`, NOT_VALID],
      [{ hostname: "localhost" }, "TypeError: The value cannot be converted because it is not an integer."],
      [{ hostname: "localhost", port: 99999 }, "TypeError: Value out of range. Must be less than or equal to 65535."],
    ] as [unknown, string][]) {
      assertThrows(() => open(address), text);
    }
  },
};

export const optionsThatAreNone = {
  test() {
    for (const [options, text] of [
      [{ secureTransport: "maybe" }, "TypeError: Unsupported value in secureTransport socket option: maybe"],
      [5, "TypeError: Failed to execute 'connect' on 'SocketsModule': parameter 2 is not of type 'SocketOptions'."],
      [{ highWaterMark: "x" }, "TypeError: The value cannot be converted because it is not an integer."],
      [
        { highWaterMark: -1 },
        "TypeError: The value cannot be converted because it is negative and this API expects a positive bigint.",
      ],
    ] as [unknown, string][]) {
      assertThrows(() => open(NOWHERE, options), text);
    }
  },
};

export const aSocketThatLeadsNowhere = {
  async test() {
    const socket = open(NOWHERE);
    assertEquals([socket.secureTransport, socket.upgraded], ["off", false]);
    assertEquals([String(socket), socket.readable === socket.readable], ["[object Socket]", true]);
    assertEquals(await outcome(socket.opened), ["failed", FAILED]);
    assertEquals(await outcome(socket.closed), ["failed", FAILED]);
    assertEquals(await outcome(socket.readable.getReader().read()), ["ok", { value: undefined, done: true }]);
    const [kind, text] = await outcome(socket.writable.getWriter().write(new Uint8Array(1)));
    // workerd puts `jsg.Error: ` into the text.
    assertEquals([kind, String(text).replace("jsg.Error: ", "")], ["failed", FAILED]);
    assertEquals(await outcome(socket.close()), ["ok", undefined]);
  },
};

export const portsOfTheWebComeWithAHint = {
  async test() {
    const hint = ". It looks like you might be trying to connect to a HTTP-based service \u2014 consider using fetch instead";
    const socket = open({ hostname: "127.0.0.1", port: 80 });
    assertEquals(await outcome(socket.opened), ["failed", FAILED + hint]);
  },
};

export const whoMayStartTls = {
  test() {
    const off = open(NOWHERE);
    assertThrows(
      () => off.startTls(),
      "TypeError: The `secureTransport` socket option must be set to 'starttls' for startTls to be used.",
    );
    const on = open(NOWHERE, { secureTransport: "on" });
    assertThrows(() => on.startTls(), "TypeError: Cannot startTls on a TLS socket.");
    assertThrows(() => new off.constructor(), "TypeError: Illegal constructor");
    for (const socket of [off, on]) {
      socket.opened.catch(() => {});
      socket.closed.catch(() => {});
    }
  },
};
