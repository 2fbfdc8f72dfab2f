// What is said of wrong uses of events, signals, timers, sockets and clones.
import { RpcStub, RpcTarget } from "cloudflare:workers";

import { ILLEGAL_INVOCATION, refused } from "./refused.ts";

export { Inside } from "./inside.ts";

export const events = refused([
  [() => (new EventTarget() as any).addEventListener(), "TypeError: Failed to execute 'addEventListener' on 'EventTarget': parameter 1 is not of type 'string'."],
  [() => (new EventTarget() as any).addEventListener("x"), "TypeError: Failed to execute 'addEventListener' on 'EventTarget': parameter 2 is not of type 'function or HandlerObject'."],
  [() => (new EventTarget() as any).addEventListener("x", 5), "TypeError: Failed to execute 'addEventListener' on 'EventTarget': parameter 2 is not of type 'function or HandlerObject'."],
  [() => (new EventTarget() as any).addEventListener("x", {}), "TypeError: Incorrect type for the 'handleEvent' field on 'HandlerObject': the provided value is not of type 'function'."],
  [() => (new EventTarget() as any).addEventListener("x", "s"), "TypeError: Failed to execute 'addEventListener' on 'EventTarget': parameter 2 is not of type 'function or HandlerObject'."],
  [() => (new EventTarget() as any).addEventListener("x", () => {}, { signal: {} }), "TypeError: Incorrect type for the 'signal' field on 'AddEventListenerOptions': the provided value is not of type 'AbortSignal'."],
  [() => (new EventTarget() as any).removeEventListener(), "TypeError: Failed to execute 'removeEventListener' on 'EventTarget': parameter 1 is not of type 'string'."],
  [() => (new EventTarget() as any).removeEventListener("x"), "TypeError: Failed to execute 'removeEventListener' on 'EventTarget': parameter 2 is not of type 'Object'."],
  [() => (new EventTarget() as any).dispatchEvent(), "TypeError: Failed to execute 'dispatchEvent' on 'EventTarget': parameter 1 is not of type 'Event'."],
  [() => (new EventTarget() as any).dispatchEvent({}), "TypeError: Failed to execute 'dispatchEvent' on 'EventTarget': parameter 1 is not of type 'Event'."],
  [() => (new EventTarget() as any).dispatchEvent("x"), "TypeError: Failed to execute 'dispatchEvent' on 'EventTarget': parameter 1 is not of type 'Event'."],
  [() => EventTarget.prototype.dispatchEvent.call({} as any, new Event("x")), ILLEGAL_INVOCATION],
  [() => new (Event as any)(), "TypeError: Failed to construct 'Event': constructor parameter 1 is not of type 'string'."],
  [() => new (Event as any)("x", 5), "TypeError: Failed to construct 'Event': constructor parameter 2 is not of type 'Init'."],
  [() => new (Event as any)("x", "y"), "TypeError: Failed to construct 'Event': constructor parameter 2 is not of type 'Init'."],
  [() => new (CustomEvent as any)(), "TypeError: Failed to construct 'CustomEvent': constructor parameter 1 is not of type 'string'."],
  [() => new (CustomEvent as any)("x", 5), "TypeError: Failed to construct 'CustomEvent': constructor parameter 2 is not of type 'CustomEventInit'."],
  [() => new (MessageEvent as any)(), "TypeError: Failed to construct 'MessageEvent': constructor parameter 1 is not of type 'string'."],
  [() => new (MessageEvent as any)("message", 5), "TypeError: Failed to construct 'MessageEvent': constructor parameter 2 is not of type 'Initializer'."],
  [() => new (CloseEvent as any)(), "TypeError: Failed to construct 'CloseEvent': constructor parameter 1 is not of type 'string'."],
  [() => new (CloseEvent as any)("close", 5), "TypeError: Failed to construct 'CloseEvent': constructor parameter 2 is not of type 'Initializer'."],
  [() => new (ErrorEvent as any)(), "TypeError: Failed to construct 'ErrorEvent': constructor parameter 1 is not of type 'string'."],
  [() => new (ErrorEvent as any)("error", 5), "TypeError: Failed to construct 'ErrorEvent': constructor parameter 2 is not of type 'ErrorEventInit'."],
  [() => new ((globalThis as any).PromiseRejectionEvent)(), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).PromiseRejectionEvent)("x"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).PromiseRejectionEvent)("x", { promise: Promise.resolve(), reason: 1 }), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).FetchEvent)(), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).FetchEvent)("fetch"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).FetchEvent)("fetch", { request: new Request("http://a") }), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).ScheduledEvent)("scheduled"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).TailEvent)("tail"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).TraceEvent)("trace"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).ExtendableEvent)("x"), "TypeError: Illegal constructor"],
  [() => new ((globalThis as any).ServiceWorkerGlobalScope)(), "TypeError: Illegal constructor"],
]);

export const signals = refused([
  [() => new (AbortSignal as any)(), "TypeError: Illegal constructor"],
  [() => (AbortSignal as any).timeout(), "TypeError: Failed to execute 'timeout' on 'AbortSignal': parameter 1 is not of type 'number'."],
  [() => (AbortSignal as any).any(), "TypeError: Failed to execute 'any' on 'AbortSignal': parameter 1 is not of type 'Array'."],
  [() => (AbortSignal as any).any([{}]), "TypeError: Incorrect type for array element 0: the provided value is not of type 'AbortSignal'."],
  [() => (AbortSignal as any).any(5), "TypeError: Failed to execute 'any' on 'AbortSignal': parameter 1 is not of type 'Array'."],
  [() => AbortSignal.abort().throwIfAborted(), "AbortError: The operation was aborted"],
  [() => AbortController.prototype.abort.call({} as any), ILLEGAL_INVOCATION],
  [() => AbortSignal.prototype.throwIfAborted.call({} as any), ILLEGAL_INVOCATION],
]);

export const sockets = refused([
  [() => new (WebSocket as any)(), "TypeError: Failed to construct 'WebSocket': constructor parameter 1 is not of type 'string'."],
  [() => new WebSocket("nope"), "SyntaxError: WebSocket Constructor: The url is invalid."],
  [() => new WebSocket("ftp://a/"), "SyntaxError: WebSocket Constructor: The url scheme must be ws or wss."],
  [() => new WebSocket("ws://127.0.0.1:1/#x"), "SyntaxError: WebSocket Constructor: The url fragment must be empty."],
  [() => new WebSocket("ws://127.0.0.1:1/", "a b"), "SyntaxError: WebSocket Constructor: The protocol header token is invalid."],
  [() => new WebSocket("ws://127.0.0.1:1/", ["a", "a"]), "SyntaxError: WebSocket Constructor: The protocols header cannot have repeating values."],
  [() => new WebSocket("ws://127.0.0.1:1/", ""), "SyntaxError: WebSocket Constructor: The protocol header token is invalid."],
  [() => { const [a] = Object.values(new WebSocketPair()); return a.send("x"); }, "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages."],
  [() => { const [a] = Object.values(new WebSocketPair()); return a.close(); }, "TypeError: You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); b.accept(); return (a as any).send(); }, "TypeError: Failed to execute 'send' on 'WebSocket': parameter 1 is not of type 'ArrayBuffer or ArrayBufferView or string'."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); b.accept(); a.close(); return a.send("x"); }, "TypeError: Can't call WebSocket send() after close()."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); return a.close(5); }, "InvalidAccessError: Invalid WebSocket close code: 5."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); return a.close(1005); }, "InvalidAccessError: Invalid WebSocket close code: 1005."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); return a.close(undefined, "x"); }, "InvalidAccessError: If you specify a WebSocket close reason, you must also specify a code."],
  [() => { const [a, b] = Object.values(new WebSocketPair()); a.accept(); return a.close(1000, "x".repeat(124)); }, "SyntaxError: WebSocket close reason must not be longer than 123 bytes when UTF-8 encoded."],
  [() => { const [a] = Object.values(new WebSocketPair()); return a.serializeAttachment(() => 1); }, "DataCloneError: () => 1 could not be cloned."],
  [() => { const [a] = Object.values(new WebSocketPair()); return a.serializeAttachment("x".repeat(20000)); }, "Error: A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 20006 bytes."],
  [() => { const [a] = Object.values(new WebSocketPair()); return (a as any).serializeAttachment(); }, "TypeError: Failed to execute 'serializeAttachment' on 'WebSocket': parameter 1 is not of type 'Value'."],
  [() => { const [a] = Object.values(new WebSocketPair()); return (a as any).accept(5); }, "TypeError: Failed to execute 'accept' on 'WebSocket': parameter 1 is not of type 'AcceptOptions'."],
  [() => new (WebSocketRequestResponsePair as any)(), "TypeError: Failed to construct 'WebSocketRequestResponsePair': constructor parameter 1 is not of type 'string'."],
  [() => new (WebSocketRequestResponsePair as any)("a"), "TypeError: Failed to construct 'WebSocketRequestResponsePair': constructor parameter 2 is not of type 'string'."],
]);

export const timers = refused([
  [() => { const t: any = setTimeout(() => {}, Symbol("x") as any); return typeof t; }, "TypeError: Cannot convert a Symbol value to a number"],
  [() => (queueMicrotask as any)(), "TypeError: Failed to execute 'queueMicrotask' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'."],
  [() => (queueMicrotask as any)("x"), "TypeError: Failed to execute 'queueMicrotask' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'function'."],
  [() => (reportError as any)(), "TypeError: Failed to execute 'reportError' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Value'."],
  [() => (scheduler as any).wait(), "TypeError: Failed to execute 'wait' on 'Scheduler': parameter 1 is not of type 'number'."],
  [() => (scheduler as any).wait(1, { signal: 5 }), "TypeError: Incorrect type for the 'signal' field on 'WaitOptions': the provided value is not of type 'AbortSignal'."],
  [() => (scheduler as any).wait(1, { signal: AbortSignal.abort() }), "AbortError: The operation was aborted"],
  [() => (scheduler as any).wait(1, 5), "TypeError: Failed to execute 'wait' on 'Scheduler': parameter 2 is not of type 'WaitOptions'."],
]);

export const clones = refused([
  [() => (structuredClone as any)(), "TypeError: Failed to execute 'structuredClone' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'Value'."],
  [() => structuredClone(() => 1), "DataCloneError: () => 1 could not be cloned."],
  [() => structuredClone(Symbol("x")), "DataCloneError: Symbol(x) could not be cloned."],
  [() => structuredClone(new WeakMap()), "DataCloneError: #<WeakMap> could not be cloned."],
  [() => structuredClone(Promise.resolve()), "DataCloneError: #<Promise> could not be cloned."],
  [() => structuredClone(new Proxy({}, {})), "DataCloneError: #<Object> could not be cloned."],
  [() => structuredClone((function* () {})()), "DataCloneError: [object Generator] could not be cloned."],
  [() => structuredClone(new Response("x")), "DataCloneError: ReadableStream can only be serialized for RPC."],
  [() => structuredClone(new URL("http://a")), "DataCloneError: Could not serialize object of type \"URL\". This type does not support serialization."],
  [() => structuredClone(new URLSearchParams("a=1")), "DataCloneError: Could not serialize object of type \"URLSearchParams\". This type does not support serialization."],
  [() => structuredClone(new File(["x"], "y")), "DataCloneError: Could not serialize object of type \"File\". This type does not support serialization."],
  [() => structuredClone(new FormData()), "DataCloneError: Could not serialize object of type \"FormData\". This type does not support serialization."],
  [() => structuredClone(new ReadableStream()), "DataCloneError: ReadableStream can only be serialized for RPC."],
  [() => { const r = new ReadableStream(); return structuredClone(r, { transfer: [r as any] }); }, "TypeError: Object is not transferable"],
  [() => structuredClone(new WritableStream()), "DataCloneError: WritableStream can only be serialized for RPC."],
  [() => structuredClone(new AbortController()), "DataCloneError: Could not serialize object of type \"AbortController\". This type does not support serialization."],
  [() => structuredClone(AbortSignal.abort()), "DataCloneError: AbortSignal serialization is not enabled."],
  [() => structuredClone(new Event("x")), "DataCloneError: Could not serialize object of type \"Event\". This type does not support serialization."],
  [() => structuredClone(new EventTarget()), "DataCloneError: Could not serialize object of type \"EventTarget\". This type does not support serialization."],
  [() => structuredClone(new WebSocketPair()[0]), "DataCloneError: Could not serialize object of type \"WebSocket\". This type does not support serialization."],
  [() => structuredClone(new WebSocketPair()), "DataCloneError: Could not serialize object of type \"WebSocketPair\". This type does not support serialization."],
  [() => structuredClone(new (class extends RpcTarget {})()), "DataCloneError: Remote RPC references can only be serialized for RPC."],
  [() => structuredClone(new (RpcStub as any)(new (class extends RpcTarget {})())), "DataCloneError: #<RpcStub> could not be cloned."],
  [() => structuredClone(new TextEncoder()), "DataCloneError: Could not serialize object of type \"TextEncoder\". This type does not support serialization."],
  [() => structuredClone({}, { transfer: [{}] as any }), "TypeError: Object is not transferable"],
  [() => structuredClone({}, { transfer: 5 as any }), "TypeError: Incorrect type for the 'transfer' field on 'StructuredCloneOptions': the provided value is not of type 'Array'."],
  [() => { const b = new ArrayBuffer(1); structuredClone(b, { transfer: [b] }); return structuredClone(b); }, "DataCloneError: An ArrayBuffer is detached and could not be cloned."],
  [() => structuredClone({}, 5 as any), "TypeError: Failed to execute 'structuredClone' on 'ServiceWorkerGlobalScope': parameter 2 is not of type 'StructuredCloneOptions'."],
]);

export const ports = refused([
  [() => new (MessagePort as any)(), "TypeError: Illegal constructor"],
  [() => (new MessageChannel().port1 as any).postMessage(() => 1), "DataCloneError: () => 1 could not be cloned."],
  [() => (new MessageChannel().port1 as any).postMessage(1, 5), "TypeError: Failed to execute 'postMessage' on 'MessagePort': parameter 2 is not of type 'Array or PostMessageOptions'."],
  [() => (new MessageChannel().port1 as any).postMessage(1, [{}]), "Error: Transfer list is not supported"],
  [() => (new MessageChannel().port1 as any).postMessage(1, [new ArrayBuffer(1)]), "Error: Transfer list is not supported"],
  [() => { const c = new MessageChannel(); return (c.port1 as any).postMessage(c.port2, [c.port2]); }, "Error: Transfer list is not supported"],
  [() => { const c = new MessageChannel(); return (c.port1 as any).postMessage(c.port2); }, "DataCloneError: Could not serialize object of type \"MessagePort\". This type does not support serialization."],
]);

export const exceptionsAndPerformance = refused([
  [() => new (Performance as any)(), "TypeError: Illegal constructor"],
  [() => new (globalThis as any).PerformanceEntry(), "TypeError: Illegal constructor"],
  [() => new (globalThis as any).PerformanceMark(), "TypeError: Failed to construct 'PerformanceMark': constructor parameter 1 is not of type 'string'."],
  [() => new (globalThis as any).PerformanceObserver(), "TypeError: Failed to construct 'PerformanceObserver': constructor parameter 1 is not of type 'Value'."],
  [() => new DOMException(Symbol("x") as any), "TypeError: Cannot convert a Symbol value to a string"],
]);

export const eventSources = refused([
  [() => new (Navigator as any)(), "TypeError: Illegal constructor"],
  [() => (navigator as any).sendBeacon(), "TypeError: Failed to execute 'sendBeacon' on 'Navigator': parameter 1 is not of type 'string'."],
  [() => { (navigator as any).userAgent = "x"; return navigator.userAgent; }, "TypeError: Cannot assign to read only property 'userAgent' of object '#<Navigator>'"],
  [() => new ((globalThis as any).EventSource)(), "TypeError: Failed to construct 'EventSource': constructor parameter 1 is not of type 'string'."],
  [() => new ((globalThis as any).EventSource)("nope"), "SyntaxError: Cannot open an EventSource to 'nope'. The URL is invalid."],
  [() => new ((globalThis as any).EventSource)("http://127.0.0.1:1/", { withCredentials: true }), "NotSupportedError: The init.withCredentials option is not supported. It must be false or undefined."],
  [() => ((globalThis as any).EventSource).from(), "TypeError: Failed to execute 'from' on 'EventSource': parameter 1 is not of type 'JsReadableStream'."],
  [() => ((globalThis as any).EventSource).from({}), "TypeError: Failed to execute 'from' on 'EventSource': parameter 1 is not of type 'JsReadableStream'."],
]);
