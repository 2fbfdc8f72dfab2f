// What packages ask of Node's modules while they are loaded: names that they import, shapes that they look at. Most never
// call what they ask for.
// @ts-nocheck: no types of Node's modules are installed
import { Cipher, PrivateKeyObject, PublicKeyObject, SecretKeyObject, X509Certificate } from "node:crypto";
import { ADDRCONFIG, ALL, V4MAPPED } from "node:dns/promises";
import { FileHandle } from "node:fs/promises";
import Module, { _cache, _extensions, constants as moduleConstants, enableCompileCache, globalPaths, SourceMap, wrap } from "node:module";
import { BoundSocket, isIP, isIPv4, isIPv6 } from "node:net";
import { PerformanceResourceTiming } from "node:perf_hooks";
import { stderr, stdin, stdout } from "node:process";
import { O_SYMLINK } from "node:constants";
import { getCppHeapStatistics, isStringOneByteRepresentation } from "node:v8";
import { isMainThread, threadId, Worker } from "node:worker_threads";

import { assert, assertEquals, assertThrows } from "./assert";

export const namesCanBeImported = {
  test() {
    for (const one of [Cipher, PrivateKeyObject, PublicKeyObject, SecretKeyObject, X509Certificate, FileHandle, SourceMap, wrap, BoundSocket, PerformanceResourceTiming, isStringOneByteRepresentation]) assertEquals(typeof one, "function");
    assertEquals([ADDRCONFIG, ALL, V4MAPPED, O_SYMLINK], [1024, 256, 2048, 2097152]);
    assertEquals([_cache, _extensions, globalPaths].map((one) => Object.keys(one).join()), ["", ".js,.json,.node", ""]);
    assertEquals([moduleConstants.compileCacheStatus.ENABLED, typeof enableCompileCache], [1, "function"]);
    assert(Module.wrap === wrap);
    assertEquals([getCppHeapStatistics().detail_level, isMainThread, threadId], ["detailed", true, 0]);
  },
};

export const theStreamsOfAProcessAreThere = {
  test() {
    assertEquals([stdin.fd, stdout.fd, stderr.fd, typeof stdout.write], [0, 1, 2, "function"]);
    assert(!stdout.isTTY && process.stdout === stdout);
  },
};

export const addressesAreTold = {
  test() {
    assertEquals(["1.1.1.1", "1", "::1", "2001:db8::1", "1.1.1.256", "::ffff:1.2.3.4", "fe80::1%eth0", "::g", "", "01.1.1.1"].map(isIP), [4, 0, 6, 6, 0, 6, 6, 0, 0, 0]);
    assertEquals([isIPv4("127.0.0.1"), isIPv6("::1"), isIPv6("127.0.0.1")], [true, true, false]);
  },
};

export const whatThePlatformRefusesSaysSo = {
  test() {
    assertThrows(() => new Worker("x"), /The Worker method is not implemented/);
    assertThrows(() => Module._load("x"), /The module\._load method is not implemented/);
    assertThrows(() => new SecretKeyObject(), /Illegal constructor/);
    class Own extends Worker {}
    assertThrows(() => new Own("x"), /The Worker method is not implemented/);
  },
};
