// @ts-check
/// <reference path="./types.d.ts" />

// One event of the worker's own code, and how long it lives: until its handler, what it passed to
// waitUntil() and the bodies that it still writes have ended. An event that others called over RPC
// lives on while they hold what it returned. When it has ended, what it shares with others ends.

import { core, primordials } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";

const { Promise, PromisePrototypeThen, SafeSet } = primordials;

/** A promise of what code awaits that is not to go on. @returns {Promise<never>} */
export function never() {
  // Each time a new one: an old one would keep whatever has ever awaited it.
  return new Promise(() => {});
}

let { op_stub_drop } = core.ops;
bindOps((ops) => ({ op_stub_drop } = ops));

/** The context of a handler of the worker. */
export class WorkerEvent {
  /** What has not ended yet: the handler to begin with. */
  #pending = 1;
  /** The numbers of the values that the event's code returned. @type {Set<number> | null} */
  #exported = null;
  /** The stubs that the event's code holds. @type {Set<any> | null} */
  #held = null;
  /** Calls of values that the event's code exported, while they run. @type {Set<any> | null} */
  #calls = null;
  /** What cuts its connections. @type {Set<() => void> | null} */
  #endings = null;
  #calledOverRpc;
  #ended = false;
  /** What I/O that succeeded, or failed, goes on with. @type {((value: any) => any) | null} */
  #pass = null;
  /** @type {((error: any) => any) | null} */
  #fail = null;
  /** What a person is told if the event is aborted. @type {((reason: any) => void) | null} */
  onAbort = null;
  /** Its code asked for its end: what is left of that does not go on. */
  aborted = false;
  /** @type {import("./context.js").Context["mapping"]} */
  mapping = null;

  /**
   * @param {any} request the request that is answered, if it is one of a client's
   * @param {boolean} calledOverRpc
   * @param {any} [answers] what it answers if it is called over RPC
   */
  constructor(request, calledOverRpc, answers = null) {
    this.request = request;
    this.answers = answers;
    this.#calledOverRpc = calledOverRpc;
  }

  /** What it answers; null if nobody waits for it. */
  get native() {
    return this.request ?? this.answers;
  }

  get ended() {
    return this.#ended;
  }

  /** Has the event live until `release` is called. */
  hold() {
    this.#pending++;
  }

  release() {
    this.#pending--;
    this.#endIfDone();
  }

  /** Has the event live until a promise is settled; what it rejects with is reported. @param {any} promise */
  waitUntil(promise) {
    this.hold();
    const release = () => this.release();
    PromisePrototypeThen(Promise.resolve(promise), release, (/** @type {any} */ error) => {
      release();
      throw error;
    });
  }

  /**
   * Waits for I/O that the event's code began; does not end if the event is aborted meanwhile.
   * @template T
   * @param {Promise<T>} io
   * @returns {Promise<T>}
   */
  resumeAfter(io) {
    if (this.aborted) return never();
    this.#pass ??= (value) => this.aborted ? never() : value;
    this.#fail ??= (error) => {
      if (this.aborted) return never();
      throw error;
    };
    return PromisePrototypeThen(io, this.#pass, this.#fail);
  }

  /** @param {number} number */
  addExport(number) {
    (this.#exported ??= new SafeSet()).add(number);
  }

  /** @param {number} number */
  removeExport(number) {
    this.#exported?.delete(number);
    this.#endIfDone();
  }

  /** @param {any} native */
  addCall(native) {
    (this.#calls ??= new SafeSet()).add(native);
  }

  /** @param {any} native */
  removeCall(native) {
    this.#calls?.delete(native);
  }

  /** The calls of its values that have not been answered; somebody else answers them. */
  takeCalls() {
    const calls = this.#calls === null ? [] : [...this.#calls];
    this.#calls = null;
    return calls;
  }

  /** Ends it before its time. @param {any} reason */
  abort(reason) {
    this.aborted = true;
    if (this.onAbort !== null) this.onAbort(reason);
    this.#end();
  }

  /** Has a connection cut when the event has ended. @param {() => void} ending */
  addEnding(ending) {
    (this.#endings ??= new SafeSet()).add(ending);
  }

  /** The connection has ended before the event. @param {() => void} ending */
  removeEnding(ending) {
    this.#endings?.delete(ending);
  }

  /** @param {any} stub */
  addStub(stub) {
    (this.#held ??= new SafeSet()).add(stub);
  }

  /** @param {any} stub */
  removeStub(stub) {
    this.#held?.delete(stub);
  }

  #endIfDone() {
    if (this.#pending > 0 || this.#ended) return;
    if (this.#calledOverRpc && this.#exported !== null && this.#exported.size > 0) return;
    this.#end();
  }

  #end() {
    this.#ended = true;
    if (this.#held !== null) { for (const stub of this.#held) op_stub_drop(stub); }
    this.#held = null;
    this.cutConnections();
  }

  /** Ends the connections that its code holds. */
  cutConnections() {
    const endings = this.#endings;
    this.#endings = null;
    if (endings !== null) { for (const ending of endings) ending(); }
  }
}

/** @typedef {import("./record.js").ObjectRecord | WorkerEvent} Sharer whose code shares values */
