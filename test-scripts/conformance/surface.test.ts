// Every name that a program finds: on the global scope, in `cloudflare:workers`, and on the objects and classes of the
// platform. The tables say what the reference runtime shows; `name()` is a method, `name` anything else, `.name` is a
// static member. A name that is there and not in its table fails too: code must not come to rely on it.
import * as workers from "cloudflare:workers";
import { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";

import { assertEquals } from "./assert.ts";

// What ends a walk: language built-ins, and classes with a row of their own.
const ROOTS: unknown[] = [null, Object.prototype, Function.prototype, Error.prototype, Iterator.prototype, EventTarget.prototype, Event.prototype];

const SYMBOLS = ["dispose", "asyncDispose", "iterator", "asyncIterator"] as const;

function shape(owner: object, key: PropertyKey, name: string) {
  const { value } = Object.getOwnPropertyDescriptor(owner, key)!;
  // A class that hangs on an object is a getter here and a value there.
  return typeof value === "function" && !/^[A-Z]/.test(name) ? `${name}()` : name;
}

function addMembers(found: Map<string, string>, start: object) {
  const inherited = [EventTarget.prototype, Event.prototype, Iterator.prototype].filter((root) => root !== start && root.isPrototypeOf(start));
  for (let owner = start; owner === start || !ROOTS.includes(owner); owner = Object.getPrototypeOf(owner)) {
    for (const name of Object.getOwnPropertyNames(owner)) {
      const overridden = inherited.some((root) => Object.hasOwn(root, name));
      if (name !== "constructor" && !overridden && !found.has(name)) found.set(name, shape(owner, name, name));
    }
    for (const name of SYMBOLS) {
      const symbol = Symbol[name];
      if (Object.hasOwn(owner, symbol)) found.set(`[${name}]`, shape(owner, symbol, `[${name}]`));
    }
  }
}

function addStatics(found: Map<string, string>, constructor: any) {
  for (const name of Object.getOwnPropertyNames(constructor)) {
    if (["length", "name", "prototype", "arguments", "caller"].includes(name)) continue;
    found.set(`.${name}`, `.${shape(constructor, name, name)}`);
  }
}

// Members of a class, and of an instance where there is one.
function membersOf(constructor: any, instance?: any): string[] {
  const found = new Map<string, string>();
  if (constructor) addStatics(found, constructor);
  if (constructor?.prototype) addMembers(found, constructor.prototype);
  if (instance) addMembers(found, instance);
  return [...found.values()].sort();
}

function compare(what: string, actual: string[], expected: string) {
  const names = expected.split(/\s+/).filter((name) => name !== "");
  const missing = names.filter((name) => !actual.includes(name));
  const unknown = actual.filter((name) => !names.includes(name) && !MORE[what]?.split(" ").includes(name));
  return missing.length + unknown.length === 0 ? [] : [`${what}: missing ${missing.join(" ")}; unknown ${unknown.join(" ")}`];
}

// What comes with `nodejs_compat`.
const OF_NODE = ["Buffer", "clearImmediate", "global", "process", "setImmediate"];

const GLOBALS = `
  AbortController AbortSignal AggregateError Array ArrayBuffer AsyncDisposableStack Atomics BigInt BigInt64Array
  BigUint64Array Blob Body Boolean ByteLengthQueuingStrategy Cache CacheStorage CloseEvent Cloudflare
  CompressionStream CountQueuingStrategy Crypto CryptoKey CustomEvent DOMException DataView Date DecompressionStream
  DisposableStack Error ErrorEvent EvalError Event EventSource EventTarget ExtendableEvent FetchEvent File
  FinalizationRegistry FixedLengthStream Float16Array Float32Array Float64Array FormData Function HTMLRewriter Headers
  IdentityTransformStream Infinity Int16Array Int32Array Int8Array Intl Iterator JSON Map Math MessageChannel
  MessageEvent MessagePort NaN Navigator Number Object Performance PerformanceEntry PerformanceMark PerformanceMeasure
  PerformanceObserver PerformanceObserverEntryList PerformanceResourceTiming Promise PromiseRejectionEvent Proxy
  RangeError ReadableByteStreamController ReadableStream ReadableStreamBYOBReader ReadableStreamBYOBRequest
  ReadableStreamDefaultController ReadableStreamDefaultReader ReferenceError Reflect RegExp Request Response
  ScheduledEvent ServiceWorkerGlobalScope Set SharedArrayBuffer String SubtleCrypto SuppressedError Symbol SyntaxError
  TailEvent TextDecoder TextDecoderStream TextEncoder TextEncoderStream TraceEvent TransformStream
  TransformStreamDefaultController TypeError URIError URL URLPattern URLSearchParams Uint16Array Uint32Array
  Uint8Array Uint8ClampedArray WeakMap WeakRef WeakSet WebAssembly WebSocket WebSocketPair
  WebSocketRequestResponsePair WorkerGlobalScope WritableStream WritableStreamDefaultController
  WritableStreamDefaultWriter addEventListener atob btoa caches clearInterval clearTimeout console crypto decodeURI
  decodeURIComponent dispatchEvent encodeURI encodeURIComponent escape eval fetch globalThis isFinite isNaN navigator
  origin parseFloat parseInt performance queueMicrotask removeEventListener reportError scheduler self setInterval
  setTimeout structuredClone undefined unescape`;

const MODULE = `
  DurableObject RpcPromise RpcProperty RpcStub RpcTarget ServiceStub WorkerEntrypoint WorkflowEntrypoint abortIsolate
  cache env exports restore tracing waitUntil withEnv withEnvAndExports withExports`;

// What a stub has beside the methods of its class.
const FETCHER = ["fetch", "connect", "dup"];

const OBJECTS: Record<string, string> = {
  Cloudflare: "compatibilityFlags",
  DigestStream: "[dispose]() abort() bytesWritten close() digest getWriter() locked",
  DurableObjectId: "equals() jurisdiction name toString()",
  DurableObjectNamespace: "get() getByName() idFromName() idFromString() jurisdiction() newUniqueId()",
  DurableObjectState: `
    abort() acceptWebSocket() blockConcurrencyWhile() container exports facets getHibernatableWebSocketEventTimeout()
    getTags() getWebSocketAutoResponse() getWebSocketAutoResponseTimestamp() getWebSockets() id props
    setHibernatableWebSocketEventTimeout() setWebSocketAutoResponse() storage waitUntil()`,
  DurableObjectStorage: `
    delete() deleteAlarm() deleteAll() get() getAlarm() getBookmarkForTime() getCurrentBookmark() kv list()
    onNextSessionRestoreBookmark() put() setAlarm() sql sync() transaction() transactionSync()`,
  DurableObjectTransaction: "delete() deleteAlarm() deleteAll() get() getAlarm() list() put() rollback() setAlarm()",
  ExecutionContext: "abort() access cache exports mapVirtualHost() passThroughOnException() props tracing waitUntil()",
  RpcStub: "[dispose]() dup()",
  RpcTarget: "",
  SqlStorage: "Cursor Statement databaseSize exec()",
  SqlStorageCursor: "[iterator]() columnNames next() one() raw() rowsRead rowsWritten toArray()",
  "SqlStorageCursor.raw()": "[iterator]() next()",
  SyncKvStorage: "delete() get() list() put()",
  WebAssembly: `
    CompileError Exception Global Instance JSTag LinkError Memory Module RuntimeError SuspendError Suspending Table
    Tag compile() instantiate() promising() validate()`,
  WebSocketPair: "0 1 [iterator]()",
  "caches.default": "add() addAll() delete() keys() match() matchAll() put()",
  console: `
    assert() clear() context() count() countReset() debug() dir() dirxml() error() group() groupCollapsed() groupEnd()
    info() log() profile() profileEnd() table() time() timeEnd() timeLog() timeStamp() trace() warn()`,
  scheduler: "wait()",
  tracing: "Span enterSpan() getActiveSpan() startActiveSpan() startSpan() withActiveSpan()",
};

// Those of the events with which a script without modules works are left to its own tests.
const CLASSES: Record<string, string> = {
  AbortController: "abort() signal",
  AbortSignal: ".abort() .any() .timeout() aborted onabort reason throwIfAborted()",
  Blob: "arrayBuffer() bytes() size slice() stream() text() type",
  Body: "arrayBuffer() blob() body bodyUsed bytes() formData() json() text()",
  ByteLengthQueuingStrategy: "highWaterMark size",
  Cache: "add() addAll() delete() keys() match() matchAll() put()",
  CacheStorage: "default delete() has() keys() match() open()",
  CloseEvent: "code reason wasClean",
  CompressionStream: "readable writable",
  CountQueuingStrategy: "highWaterMark size",
  Crypto: "DigestStream getRandomValues() randomUUID() subtle",
  CryptoKey: "algorithm extractable type usages",
  CustomEvent: "detail",
  DOMException: `
    .ABORT_ERR .DATA_CLONE_ERR .DOMSTRING_SIZE_ERR .HIERARCHY_REQUEST_ERR .INDEX_SIZE_ERR .INUSE_ATTRIBUTE_ERR
    .INVALID_ACCESS_ERR .INVALID_CHARACTER_ERR .INVALID_MODIFICATION_ERR .INVALID_NODE_TYPE_ERR .INVALID_STATE_ERR
    .NAMESPACE_ERR .NETWORK_ERR .NOT_FOUND_ERR .NOT_SUPPORTED_ERR .NO_DATA_ALLOWED_ERR .NO_MODIFICATION_ALLOWED_ERR
    .QUOTA_EXCEEDED_ERR .SECURITY_ERR .SYNTAX_ERR .TIMEOUT_ERR .TYPE_MISMATCH_ERR .URL_MISMATCH_ERR .VALIDATION_ERR
    .WRONG_DOCUMENT_ERR ABORT_ERR DATA_CLONE_ERR DOMSTRING_SIZE_ERR HIERARCHY_REQUEST_ERR INDEX_SIZE_ERR
    INUSE_ATTRIBUTE_ERR INVALID_ACCESS_ERR INVALID_CHARACTER_ERR INVALID_MODIFICATION_ERR INVALID_NODE_TYPE_ERR
    INVALID_STATE_ERR NAMESPACE_ERR NETWORK_ERR NOT_FOUND_ERR NOT_SUPPORTED_ERR NO_DATA_ALLOWED_ERR
    NO_MODIFICATION_ALLOWED_ERR QUOTA_EXCEEDED_ERR SECURITY_ERR SYNTAX_ERR TIMEOUT_ERR TYPE_MISMATCH_ERR
    URL_MISMATCH_ERR VALIDATION_ERR WRONG_DOCUMENT_ERR code message name stack`,
  DecompressionStream: "readable writable",
  ErrorEvent: "colno error filename lineno message",
  Event: `
    .AT_TARGET .BUBBLING_PHASE .CAPTURING_PHASE .NONE AT_TARGET BUBBLING_PHASE CAPTURING_PHASE NONE bubbles
    cancelBubble cancelable composed composedPath() currentTarget defaultPrevented eventPhase isTrusted
    preventDefault() returnValue srcElement stopImmediatePropagation() stopPropagation() target timeStamp type`,
  EventSource: `
    .CLOSED .CONNECTING .OPEN .from() CLOSED CONNECTING OPEN [dispose]() close() onerror onmessage onopen readyState
    url withCredentials`,
  EventTarget: "addEventListener() dispatchEvent() removeEventListener()",
  File: "arrayBuffer() bytes() lastModified name size slice() stream() text() type",
  FixedLengthStream: "readable writable",
  FormData: "[iterator]() append() delete() entries() forEach() get() getAll() has() keys() set() values()",
  HTMLRewriter: "on() onDocument() transform()",
  Headers: `
    [iterator]() append() delete() entries() forEach() get() getAll() getSetCookie() has() keys() set() values()`,
  IdentityTransformStream: "readable writable",
  MessageChannel: "port1 port2",
  MessageEvent: "data lastEventId origin ports source",
  MessagePort: "close() onmessage postMessage() start()",
  Navigator: "hardwareConcurrency language languages platform sendBeacon() userAgent",
  Performance: `
    clearMarks() clearMeasures() clearResourceTimings() eventCounts eventLoopUtilization() getEntries()
    getEntriesByName() getEntriesByType() mark() markResourceTiming() measure() nodeTiming now()
    setResourceTimingBufferSize() timeOrigin timerify() toJSON()`,
  PerformanceEntry: "duration entryType name startTime toJSON()",
  PerformanceMark: "detail duration entryType name startTime toJSON()",
  PerformanceMeasure: "detail duration entryType name startTime toJSON()",
  PerformanceObserver: ".supportedEntryTypes disconnect() observe() takeRecords()",
  PerformanceObserverEntryList: "getEntries() getEntriesByName() getEntriesByType()",
  PerformanceResourceTiming: `
    connectEnd connectStart decodedBodySize domainLookupEnd domainLookupStart duration encodedBodySize entryType
    fetchStart initiatorType name nextHopProtocol redirectEnd redirectStart requestStart responseEnd responseStart
    responseStatus secureConnectionStart startTime toJSON() transferSize workerStart`,
  PromiseRejectionEvent: "",
  ReadableByteStreamController: "byobRequest close() desiredSize enqueue() error()",
  ReadableStream: ".from() [asyncIterator]() cancel() getReader() locked pipeThrough() pipeTo() tee() values()",
  ReadableStreamBYOBReader: "cancel() closed read() readAtLeast() releaseLock()",
  ReadableStreamBYOBRequest: "atLeast respond() respondWithNewView() view",
  ReadableStreamDefaultController: "close() desiredSize enqueue() error()",
  ReadableStreamDefaultReader: "cancel() closed read() releaseLock()",
  Request: `
    arrayBuffer() blob() body bodyUsed bytes() cache cf clone() fetcher formData() headers integrity json() keepalive
    method redirect signal text() url`,
  Response: `
    .error() .json() .redirect() arrayBuffer() blob() body bodyUsed bytes() cf clone() formData() headers json() ok
    redirected status statusText text() type url webSocket`,
  SubtleCrypto: `
    decrypt() deriveBits() deriveKey() digest() encrypt() exportKey() generateKey() importKey() sign()
    timingSafeEqual() unwrapKey() verify() wrapKey()`,
  TextDecoder: "decode() encoding fatal ignoreBOM",
  TextDecoderStream: "encoding fatal ignoreBOM readable writable",
  TextEncoder: "encode() encodeInto() encoding",
  TextEncoderStream: "encoding readable writable",
  TransformStream: "readable writable",
  TransformStreamDefaultController: "desiredSize enqueue() error() terminate()",
  URL: `
    .canParse() .createObjectURL() .parse() .revokeObjectURL() hash host hostname href origin password pathname port
    protocol search searchParams toJSON() toString() username`,
  URLPattern: "exec() hasRegExpGroups hash hostname password pathname port protocol search test() username",
  URLSearchParams: `
    [iterator]() append() delete() entries() forEach() get() getAll() has() keys() set() size sort() toString()
    values()`,
  WebSocket: `
    .CLOSED .CLOSING .CONNECTING .OPEN .READY_STATE_CLOSED .READY_STATE_CLOSING .READY_STATE_CONNECTING
    .READY_STATE_OPEN CLOSED CLOSING CONNECTING OPEN READY_STATE_CLOSED READY_STATE_CLOSING READY_STATE_CONNECTING
    READY_STATE_OPEN accept() binaryType bufferedAmount close() deserializeAttachment() extensions protocol readyState
    send() serializeAttachment() url`,
  WebSocketPair: "[iterator]()",
  WebSocketRequestResponsePair: "request response",
  WritableStream: "abort() close() getWriter() locked",
  WritableStreamDefaultController: "error() signal",
  WritableStreamDefaultWriter: "abort() close() closed desiredSize ready releaseLock() write()",
};

// What is there in addition, and why nobody is harmed by it.
const MORE: Record<string, string> = {
  // Each throws that it is not there, or not yet.
  DurableObjectState: "configureReadReplication()",
  DurableObjectStorage: "disableReplicas() ensureReplicas()",
  SqlStorage: "ingest() prepare()",
  // Of an event that the platform makes, never a program.
  PromiseRejectionEvent: "promise reason",
  "cloudflare:workers": "default",
};

class Target extends RpcTarget {}

export class Entry extends WorkerEntrypoint {
  differences() {
    return compare("ExecutionContext", membersOf(null, this.ctx), OBJECTS.ExecutionContext);
  }
}

export class Surface extends DurableObject {
  globals(): string[] {
    const names = new Set<string>();
    for (let owner: any = globalThis; owner !== Object.prototype; owner = Object.getPrototypeOf(owner)) {
      for (const name of Object.getOwnPropertyNames(owner)) names.add(name);
    }
    for (const name of ["constructor", ...OF_NODE]) names.delete(name);
    return [...names].sort();
  }

  async objects(): Promise<Record<string, unknown>> {
    const { storage } = this.ctx;
    const namespace = (this.env as any).Surface;
    let transaction: unknown;
    await storage.transaction(async (txn) => void (transaction = txn));
    const pair = new WebSocketPair();
    return {
      DurableObjectState: this.ctx,
      DurableObjectStorage: storage,
      DurableObjectTransaction: transaction,
      SqlStorage: storage.sql,
      SqlStorageCursor: storage.sql.exec("SELECT 1 AS one"),
      "SqlStorageCursor.raw()": storage.sql.exec("SELECT 1 AS one").raw(),
      SyncKvStorage: storage.kv,
      DurableObjectId: this.ctx.id,
      DurableObjectNamespace: namespace,
      WebSocketPair: pair,
      console,
      WebAssembly,
      tracing: workers.tracing,
      scheduler: (globalThis as any).scheduler,
      Cloudflare: (globalThis as any).Cloudflare,
      "caches.default": caches.default,
      DigestStream: new crypto.DigestStream("SHA-256"),
      RpcStub: new (RpcStub as any)(new Target()),
      RpcTarget: new Target(),
    };
  }

  async samples(): Promise<Record<string, unknown>> {
    const pair = new WebSocketPair();
    const stream = new ReadableStream({ type: "bytes" });
    const hmac = { name: "HMAC", hash: "SHA-256" };
    return {
      AbortSignal: AbortSignal.abort(),
      Blob: new Blob(["x"]),
      Cache: caches.default,
      CacheStorage: caches,
      CloseEvent: new CloseEvent("close"),
      CompressionStream: new CompressionStream("gzip"),
      Crypto: crypto,
      CryptoKey: await crypto.subtle.generateKey(hmac, true, ["sign"]),
      CustomEvent: new CustomEvent("custom"),
      DecompressionStream: new DecompressionStream("gzip"),
      DOMException: new DOMException("x"),
      ErrorEvent: new ErrorEvent("error"),
      Event: new Event("event"),
      EventTarget: new EventTarget(),
      File: new File(["x"], "x"),
      FixedLengthStream: new FixedLengthStream(1),
      FormData: new FormData(),
      Headers: new Headers(),
      HTMLRewriter: new HTMLRewriter(),
      IdentityTransformStream: new IdentityTransformStream(),
      MessageChannel: new MessageChannel(),
      MessageEvent: new MessageEvent("message", { data: "x" }),
      MessagePort: new MessageChannel().port1,
      Navigator: navigator,
      Performance: performance,
      PerformanceMark: (performance as any).mark("mark"),
      ReadableStream: new Response("x").body,
      ReadableStreamBYOBReader: stream.getReader({ mode: "byob" }),
      ReadableStreamDefaultReader: new ReadableStream().getReader(),
      Request: new Request("http://example.com/"),
      Response: new Response("x"),
      SubtleCrypto: crypto.subtle,
      TextDecoder: new TextDecoder(),
      TextDecoderStream: new TextDecoderStream(),
      TextEncoder: new TextEncoder(),
      TextEncoderStream: new TextEncoderStream(),
      TransformStream: new TransformStream(),
      URL: new URL("http://example.com/"),
      URLPattern: new URLPattern(),
      URLSearchParams: new URLSearchParams(),
      WebSocket: pair[0],
      WebSocketRequestResponsePair: new WebSocketRequestResponsePair("x", "x"),
      WritableStream: new WritableStream(),
      WritableStreamDefaultWriter: new WritableStream().getWriter(),
    };
  }

  async differencesOfObjects(): Promise<string[]> {
    const objects = await this.objects();
    const names = Object.keys(OBJECTS).filter((name) => name in objects);
    return names.flatMap((name) => compare(name, membersOf(null, objects[name]), OBJECTS[name]));
  }

  async differencesOfClasses(): Promise<string[]> {
    const samples = await this.samples();
    return Object.keys(CLASSES).flatMap((name) => compare(name, membersOf((globalThis as any)[name], samples[name]), CLASSES[name]));
  }

  fetcher(): string[] {
    return FETCHER.filter((name) => typeof (this.env as any).Surface.getByName("other")[name] !== "function");
  }
}

type Env = { Surface: DurableObjectNamespace<Surface> };

export const globalNames = {
  async test(_: unknown, env: Env) {
    assertEquals(compare("globalThis", await env.Surface.getByName("x").globals(), GLOBALS), []);
  },
};

export const membersOfTheObjectsOfThePlatform = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Surface.getByName("x").differencesOfObjects(), []);
  },
};

export const membersOfTheClassesOfTheWeb = {
  async test(_: unknown, env: Env) {
    assertEquals(await env.Surface.getByName("x").differencesOfClasses(), []);
  },
};

export const membersOfStubs = {
  async test(_: unknown, env: Env) {
    const stub = env.Surface.getByName("x") as any;
    assertEquals(FETCHER.filter((name) => typeof stub[name] !== "function"), []);
    assertEquals([typeof stub.id, stub.name], ["object", "x"]);
  },
};

export const membersOfTheExecutionContext = {
  async test(_: unknown, __: Env, ctx: any) {
    assertEquals(await ctx.exports.Entry.differences(), []);
  },
};

export const exportsOfCloudflareWorkers = {
  test() {
    assertEquals(compare("cloudflare:workers", Object.keys(workers), MODULE), []);
    const classes = ["DurableObject", "WorkerEntrypoint", "WorkflowEntrypoint", "RpcTarget", "RpcStub", "RpcPromise", "RpcProperty", "ServiceStub"];
    assertEquals(classes.filter((name) => typeof (workers as any)[name]?.prototype !== "object"), []);
  },
};
