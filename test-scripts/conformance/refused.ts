// Calls that are refused, and in which words.
import { assertRejects } from "./assert.ts";
import { inside } from "./inside.ts";

export const ILLEGAL_INVOCATION =
  "TypeError: Illegal invocation: function called with incorrect `this` reference. See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

export function refused(cases: [() => unknown, string][]) {
  return inside(async () => {
    for (const [call, words] of cases) await assertRejects(async () => await call(), words);
  });
}
