// Requests of tests to their worker, as they are on the platform: a service binding's. The same suite passes on its own plugin.
import { SELF } from "cloudflare:test";
import { expect, it } from "vitest";

export * from "./worker.ts";
export { default } from "./worker.ts";

const HOST = "https://example.com";
const echo = async (init?: RequestInit) => (await (await SELF.fetch(`${HOST}/echo?a=1#part`, init)).json()) as any;

it("the worker sees the request as it was made", async () => {
  const { method, url, headers, cf, body } = await echo({ method: "POST", body: "five!", headers: { "X-Mixed-Case": "1", Host: "other" }, cf: { country: "NZ" } } as any);
  expect([method, url, body, cf]).toEqual(["POST", `${HOST}/echo?a=1`, "five!", { country: "NZ" }]);
  expect(headers).toEqual({ "content-length": "5", "content-type": "text/plain;charset=UTF-8", host: "other", "x-mixed-case": "1" });
});

it("nothing is added to a plain request", async () => {
  const { headers, cf } = await echo();
  expect([headers, cf]).toEqual([{}, undefined]);
});

it("redirects are followed, or not", async () => {
  const to = `${HOST}/to?location=/echo`;
  const followed = await SELF.fetch(to);
  expect([followed.status, followed.redirected, followed.url]).toEqual([200, true, `${HOST}/echo`]);
  expect((await followed.json() as any).url).toBe(`${HOST}/echo`);
  const answered = await SELF.fetch(to, { redirect: "manual" });
  expect([answered.status, answered.redirected, answered.headers.get("Location")]).toEqual([302, false, "/echo"]);
  expect(await answered.text()).toBe("moved");
});

it("answers have the usual names, and HEAD has no body", async () => {
  const response = await SELF.fetch(`${HOST}/echo`, { method: "HEAD" });
  expect([response.status, response.statusText, response.body]).toEqual([200, "OK", null]);
});
