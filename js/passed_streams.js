// @ts-check
/// <reference path="./types.d.ts" />

// The connection of a socket that came over RPC: its streams lead to whoever sent it.

import { primordials } from "ext:core/mod.js";

const { PromisePrototypeThen } = primordials;

const doNothing = () => {};

/** What a socket asks of its connection, as two streams give it. */
export class PassedStreams {
  #reader;
  #writer;

  /**
   * @param {ReadableStream} readable
   * @param {WritableStream} writable
   */
  constructor(readable, writable) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
  }

  /** The next bytes, or null at the end. */
  async read() {
    const { done, value } = await this.#reader.read();
    return done ? null : value;
  }

  stopReading() {
    PromisePrototypeThen(this.#reader.cancel(), undefined, doNothing);
  }

  /** @param {any} bytes */
  async write(bytes) {
    await this.#writer.write(bytes);
  }

  /** Ends what is written. */
  async shutdown() {
    await this.#writer.close();
  }

  close() {
    this.stopReading();
    PromisePrototypeThen(this.#writer.close(), undefined, doNothing);
  }
}
