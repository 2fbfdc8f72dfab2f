// Tests whose steps run inside an object.
//
//   export { Inside } from "./inside.ts";
//   export const aNumberIsStored = inside(async ({ storage }) => { … });
//
// Each test gets an object of its own. The steps are found by their position
// in the script, so the object may live in another isolate than the test.
import { DurableObject } from "cloudflare:workers";

type Steps = (ctx: DurableObjectState) => unknown;

const scripts: Steps[] = [];

export class Inside extends DurableObject {
  async run(position: number) {
    await scripts[position](this.ctx);
  }

  // setAlarm() is refused to a class without this handler.
  alarm() {}
}

export function inside(steps: Steps) {
  const position = scripts.push(steps) - 1;
  return {
    async test(_: unknown, env: { Inside: DurableObjectNamespace<Inside> }) {
      await env.Inside.getByName(`object of test ${position}`).run(position);
    },
  };
}
