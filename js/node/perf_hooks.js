// @ts-check

// The module `node:perf_hooks`.
// https://nodejs.org/api/perf_hooks.html

import { missing } from "./errors.js";

/** @type {any} */
const scope = globalThis;
export const {
  Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList,
  PerformanceResourceTiming, performance,
} = scope;

export const constants = Object.freeze({ NODE_PERFORMANCE_GC_MAJOR: 4, NODE_PERFORMANCE_GC_MINOR: 1, NODE_PERFORMANCE_GC_INCREMENTAL: 8, NODE_PERFORMANCE_GC_WEAKCB: 16 });
export const createHistogram = missing("perf_hooks.createHistogram()");
export const monitorEventLoopDelay = missing("perf_hooks.monitorEventLoopDelay()");
export const eventLoopUtilization = () => ({ idle: 0, active: 0, utilization: 0 });
/** @param {any} fn */
export const timerify = (fn) => fn;

export default {
  Performance, PerformanceEntry, PerformanceMark, PerformanceMeasure, PerformanceObserver, PerformanceObserverEntryList,
  PerformanceResourceTiming, constants, createHistogram, eventLoopUtilization, monitorEventLoopDelay, performance, timerify,
};
