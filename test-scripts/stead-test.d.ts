// The module `stead:test`, for editors and `tsc`: all of `vitest` and `cloudflare:test`, whose types come from the packages
// `vitest` and `@cloudflare/vitest-plugin`, and what only Stead has.

declare module "stead:test" {
  export * from "vitest";
  export * from "cloudflare:test";

  /** Milliseconds, or a text such as "500ms", "30s", "3h" or "1d 12h". */
  type Duration = number | string;

  /** The clock of the tests. It moves by itself only when nothing is ready to run. */
  export const clock: {
    /** Milliseconds since the Unix epoch. */
    now(): number;
    /** Sets the time: forward together with everything that is due by then, backward the wall clock alone. */
    set(time: number | string | Date): void;
    /** Lets time pass; timers and alarms that are due on the way run in their order. */
    advance(duration: Duration): Promise<void>;
    /** Moves to the earliest alarm and runs it; false if there is none. */
    runToNextAlarm(): Promise<boolean>;
    /** Runs alarms until none is pending; answers how many ran. */
    runAllAlarms(): Promise<number>;
    /** The pending alarms, earliest first. */
    alarms(): Promise<{ class: string; id: string; name: string | null; time: number }[]>;
  };

  /** Failures that the process makes up. */
  export const faults: {
    /** The process dies and starts again: what was not durable is gone, sockets are cut, objects start anew. */
    crash(): Promise<void>;
    /** The next commits fail as on a full or broken disk; once, if `times` does not say otherwise. */
    storage(code: "ENOSPC" | "EIO", options?: { times?: number }): void;
    /** The disk neither finishes nor fails, until the function that this returns is called or the test ends. */
    stall(): () => Promise<void>;
  };

  /** The worker behind an HTTP server. */
  interface Server extends Disposable, AsyncDisposable {
    /** Where it is, without a slash at its end. */
    readonly url: string;
    readonly port: number;
    /** Cuts its connections. */
    close(): void;
  }

  /** Puts the worker behind an HTTP server on a free port, until the test or the suite ends that asked for it. */
  export function serve(): Promise<Server>;

  /** What holds back the events or the answers of an object: why, and how many wait. */
  type ClosedGate = { why: string; waiting: number };

  /** The objects in memory with a closed gate, or with answers that they owe. */
  export function gates(): Promise<
    { class: string; id: string; name: string | null; input: ClosedGate | null; output: ClosedGate | null; owes: number }[]
  >;

  /** Answers in place of other servers, in the manner of undici's MockAgent. */
  export const fetchMock: any;

  /** Resets an object; its callers get an error with the reason. */
  export function abortDurableObject(stub: DurableObjectStub, reason?: string): Promise<void>;
}
