// @ts-check
/// <reference path="./types.d.ts" />

// `fetchMock` of cloudflare:test: answers in place of other servers, in the manner of undici's MockAgent.
// https://undici.nodejs.org/#/docs/api/MockAgent

import { Response } from "ext:stead/http.js";
import { setTimeout } from "ext:stead/timers.js";

/**
 * @typedef {string | RegExp | ((value: string) => boolean)} Matcher
 * @typedef {{ status: number, body: any, headers: any } | { error: Error }} Answer
 */

/** An answer that waits for its request. */
class Interceptor {
  times = 1;
  persistent = false;
  delay = 0;
  answered = 0;

  /**
   * @param {Matcher} origin
   * @param {{ path: Matcher, method?: Matcher, body?: Matcher, headers?: Record<string, Matcher>, query?: Record<string, any> }} wanted
   * @param {(request: { path: string, method: string, body: string, headers: Headers }) => Answer} answer
   */
  constructor(origin, wanted, answer) {
    this.origin = origin;
    this.wanted = wanted;
    this.answer = answer;
  }

  get isPending() {
    return this.persistent ? this.answered === 0 : this.answered < this.times;
  }

  /**
   * @param {URL} url
   * @param {string} method
   * @param {Headers} headers
   * @param {string} body
   */
  matches(url, method, headers, body) {
    if (!this.persistent && this.answered >= this.times) return false;
    const { path, query, method: wantedMethod = "GET", body: wantedBody, headers: wantedHeaders = {} } = this.wanted;
    const asked = query === undefined ? url.pathname + url.search : url.pathname;
    return matches(this.origin, url.origin) &&
      matches(path, asked) &&
      Object.entries(query ?? {}).every(([name, value]) => url.searchParams.get(name) === `${value}`) &&
      matches(wantedMethod, method) &&
      (wantedBody === undefined || matches(wantedBody, body)) &&
      Object.entries(wantedHeaders).every(([name, value]) => matches(value, headers.get(name) ?? ""));
  }

  describe() {
    const { method = "GET", path } = this.wanted;
    return `${method} ${this.origin}${path}`;
  }
}

/**
 * @param {Matcher} matcher
 * @param {string} value
 */
function matches(matcher, value) {
  if (typeof matcher === "function") return matcher(value);
  return matcher instanceof RegExp ? matcher.test(value) : matcher.replace(/(^https?:\/\/[^/]*)\/$/, "$1") === value;
}

/** @type {Interceptor[]} */
let interceptors = [];
/** The `fetch` that was there before. @type {typeof fetch | null} */
let real = null;
/** Which hosts may be reached all the same. @type {(host: string) => boolean} */
let mayConnect = () => true;

/**
 * @param {any} input
 * @param {any} [init]
 */
async function mockedFetch(input, init) {
  const request = new Request(input, init);
  const url = new URL(request.url);
  const body = await request.clone().text();
  const found = interceptors.find((one) => one.matches(url, request.method, request.headers, body));
  if (found === undefined) {
    if (mayConnect(url.host)) return await /** @type {typeof fetch} */ (real)(request);
    throw new TypeError(
      `fetch failed: no mock matches ${request.method} ${url.href}, and connecting is disabled (fetchMock.disableNetConnect())`,
    );
  }
  found.answered++;
  const answer = found.answer({ path: url.pathname + url.search, method: request.method, body, headers: request.headers });
  if (found.delay > 0) await new Promise((resolve) => setTimeout(() => resolve(undefined), found.delay));
  if ("error" in answer) throw answer.error;
  const isJson = typeof answer.body === "object" && answer.body !== null && Object.getPrototypeOf(answer.body) === Object.prototype;
  return new Response(isJson ? JSON.stringify(answer.body) : answer.body, { status: answer.status, headers: answer.headers });
}

/**
 * @param {Matcher} origin
 * @param {any} wanted
 */
function intercept(origin, wanted) {
  /** @param {(request: any) => Answer} answer */
  const add = (answer) => {
    const interceptor = new Interceptor(origin, wanted, answer);
    interceptors.push(interceptor);
    const scope = {
      persist: () => ((interceptor.persistent = true), scope),
      times: (/** @type {number} */ times) => ((interceptor.times = times), scope),
      delay: (/** @type {number} */ ms) => ((interceptor.delay = ms), scope),
    };
    return scope;
  };
  return {
    /**
     * @param {number | ((request: any) => { statusCode: number, data?: any, responseOptions?: any })} status
     * @param {any} [body]
     * @param {{ headers?: any }} [options]
     */
    reply(status, body = "", options = {}) {
      return add((request) => {
        if (typeof status === "function") {
          const { statusCode, data = "", responseOptions } = status(request);
          return { status: statusCode, body: data, headers: responseOptions?.headers };
        }
        return { status, body: typeof body === "function" ? body(request) : body, headers: options.headers };
      });
    },
    replyWithError: (/** @type {Error} */ error) => add(() => ({ error })),
  };
}

export const fetchMock = {
  /** From here on `fetch()` is answered from here. */
  activate() {
    if (real !== null) return;
    real = globalThis.fetch;
    globalThis.fetch = /** @type {any} */ (mockedFetch);
  },
  /** Puts `fetch()` back and forgets all answers. */
  deactivate() {
    if (real === null) return;
    globalThis.fetch = real;
    real = null;
    interceptors = [];
    mayConnect = () => true;
  },
  disableNetConnect() {
    mayConnect = () => false;
  },
  /** @param {Matcher} [matcher] the hosts */
  enableNetConnect(matcher) {
    mayConnect = (host) => matcher === undefined || matches(matcher, host);
  },
  /** @param {Matcher} origin */
  get: (origin) => ({ intercept: (/** @type {any} */ wanted) => intercept(origin, wanted) }),
  pendingInterceptors: () => interceptors.filter((one) => one.isPending),
  assertNoPendingInterceptors() {
    const pending = this.pendingInterceptors();
    if (pending.length === 0) return;
    const list = pending.map((one) => `  ${one.describe()}`).join("\n");
    throw new Error(`${pending.length} answers of fetchMock were not asked for:\n${list}`);
  },
};
