// @ts-check
/// <reference path="./types.d.ts" />

// What the platform's `performance` has beside the web's. Nothing of it is measured, there or here.
// https://developers.cloudflare.com/workers/runtime-apis/performance/

import { core } from "ext:core/mod.js";
import { refuseArgument } from "ext:stead/arguments.js";
import { tagClass } from "ext:stead/scope.js";

const timing = core.loadExtScript("ext:deno_web/15_performance.js");

const { DOMException } = core.loadExtScript("ext:deno_web/01_dom_exception.js");
const { mark: standardMark, measure: standardMeasure } = timing.Performance.prototype;

const TIMES = [
  "connectEnd",
  "connectStart",
  "decodedBodySize",
  "domainLookupEnd",
  "domainLookupStart",
  "encodedBodySize",
  "fetchStart",
  "initiatorType",
  "nextHopProtocol",
  "redirectEnd",
  "redirectStart",
  "requestStart",
  "responseEnd",
  "responseStart",
  "responseStatus",
  "secureConnectionStart",
  "transferSize",
  "workerStart",
];

export class PerformanceResourceTiming extends timing.PerformanceEntry {
  constructor() {
    super();
    throw new TypeError("Illegal constructor");
  }
}
for (const name of TIMES) {
  Object.defineProperty(PerformanceResourceTiming.prototype, name, {
    get() {
      throw new TypeError("Illegal invocation");
    },
    enumerable: true,
    configurable: true,
  });
}
tagClass(PerformanceResourceTiming);

const MEMBERS = {
  get eventCounts() {
    return new Map();
  },
  get nodeTiming() {
    return {
      name: "node",
      entryType: "node",
      startTime: 0,
      duration: 0,
      nodeStart: 0,
      v8Start: 0,
      bootstrapComplete: 0,
      environment: 0,
      loopStart: 0,
      loopExit: 0,
      idleTime: 0,
      uvMetricsInfo: { loopCount: 0, events: 0, eventsWaiting: 0 },
    };
  },
  /**
   * @this {any}
   * @param {string} name
   * @param {any} [options]
   */
  mark(name, options) {
    if (arguments.length === 0) refuseArgument("Performance", "mark", 1, "string");
    return standardMark.call(this, name, options);
  },
  /**
   * Measures from the start of the isolate where there is no such mark.
   * @this {any}
   * @param {string} name
   * @param {any[]} between
   */
  measure(name, ...between) {
    if (arguments.length === 0) refuseArgument("Performance", "measure", 1, "string");
    try {
      return standardMeasure.call(this, name, ...between);
    } catch (error) {
      if (!(error instanceof DOMException)) throw error;
      return standardMeasure.call(this, name);
    }
  },
  eventLoopUtilization() {
    return { idle: 0, active: 0, utilization: 0 };
  },
  markResourceTiming() {},
  /** @param {any} timed */
  timerify(timed) {
    if (typeof timed !== "function") refuseArgument("Performance", "timerify", 1, "function");
    return timed;
  },
};
for (const name of Object.keys(MEMBERS)) {
  const descriptor = Object.getOwnPropertyDescriptor(MEMBERS, name);
  Object.defineProperty(timing.Performance.prototype, name, /** @type {any} */ (descriptor));
}
