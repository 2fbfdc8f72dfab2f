// What is under test: it knows nothing of mocks.
import * as clock from "./clock.ts";
import send, { deliver, Mailer } from "./mail.ts";
import { nextNumber } from "./numbers.ts";

export function greet(name: string): string {
  return `${send(name)} at ${clock.now()} as number ${nextNumber()}`;
}
export const deliverTo = (name: string) => deliver(name);
export const mailer = () => new Mailer("host");
