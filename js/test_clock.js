// @ts-check
/// <reference path="./types.d.ts" />

// `clock` of the module `stead:test`.

import { core } from "ext:core/mod.js";
import { bindOps } from "ext:stead/fast_ops.js";

let { op_test_ask, op_test_tell, op_time_now } = core.ops;
bindOps((ops) => ({ op_test_ask, op_test_tell, op_time_now } = ops));

/** Milliseconds of each unit that a duration may have. @type {Record<string, number>} */
const UNITS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** How many alarms `runAllAlarms()` runs before it takes them for endless. */
const ALARMS_MAX = 10_000;

/**
 * A duration in milliseconds: a number of them, or a text such as "3h" or "1m 30s".
 * @param {number | string} duration
 */
export function durationMs(duration) {
  if (typeof duration === "number" && duration >= 0) return Math.ceil(duration);
  const text = `${duration}`.trim();
  let total = 0;
  const rest = text.replace(/\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\b/g, (_, count, unit) => {
    total += Number(count) * UNITS[unit];
    return "";
  });
  if (text === "" || rest.trim() !== "") {
    throw new TypeError(
      `\`${duration}\` is not a duration: give milliseconds, or a text such as "500ms", "30s", "3h" or "1d 12h"`,
    );
  }
  return Math.ceil(total);
}

/**
 * A point in time in milliseconds.
 * @param {number | string | Date} time
 */
export function timeMs(time) {
  const at = typeof time === "string" ? Date.parse(time) : Number(time);
  if (!Number.isFinite(at)) throw new TypeError(`\`${time}\` is not a time`);
  return Math.trunc(at);
}

/**
 * Asks the process for something that takes time.
 * @param {{ ask: string, [name: string]: unknown }} command
 */
export async function ask(command) {
  return JSON.parse(await op_test_ask(command));
}

/** @param {boolean} virtual whether time is that of tests */
export function makeClock(virtual) {
  const check = () => {
    if (!virtual) throw new Error("the clock cannot be moved: the tests run with --real-time");
  };
  return {
    /** Milliseconds since the Unix epoch. */
    now: () => (virtual ? op_time_now() : Date.now()),

    /**
     * Sets the time. Forward, everything that is due by then runs when the test next waits; backward,
     * the wall clock alone is set.
     * @param {number | string | Date} time
     */
    set(time) {
      check();
      op_test_tell({ tell: "setClock", nowMs: timeMs(time) });
    },

    /**
     * Lets time pass: timers, alarms and whatever else is due on the way run in their order. Resolves
     * when the time is reached and nothing is ready to run.
     * @param {number | string} duration milliseconds, or a text such as "3h"
     * @returns {Promise<void>}
     */
    async advance(duration) {
      check();
      await ask({ ask: "advance", ms: durationMs(duration) });
    },

    /**
     * Moves to the earliest alarm and runs it, with everything that is due before.
     * @returns {Promise<boolean>} whether there was an alarm
     */
    async runToNextAlarm() {
      check();
      return await ask({ ask: "runNextAlarm" });
    },

    /**
     * Runs alarms until none is pending.
     * @returns {Promise<number>} how many ran
     */
    async runAllAlarms() {
      check();
      for (let count = 0; count < ALARMS_MAX; count++) {
        if (!(await ask({ ask: "runNextAlarm" }))) return count;
      }
      throw new Error(
        `runAllAlarms() ran ${ALARMS_MAX} alarms and there are still some: does an alarm() set the next one each time?`,
      );
    },

    /**
     * The alarms that are pending, earliest first.
     * @returns {Promise<{ class: string, id: string, name: string | null, time: number }[]>}
     */
    async alarms() {
      return await ask({ ask: "alarms" });
    },
  };
}
