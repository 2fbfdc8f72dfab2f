// A module that the suite of mocks.test.ts replaces as a whole.
export class Mailer {
  constructor(readonly host: string) {}
  send(to: string): string {
    return `${this.host} has sent to ${to}`;
  }
}

export const limits = { perDay: 10, servers: ["a", "b"] };
export const version = "1.0";
export function deliver(to: string): string {
  return `delivered to ${to}`;
}
export default function send(to: string): string {
  return `sent to ${to}`;
}
