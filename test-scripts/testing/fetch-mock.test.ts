// Answers in place of other servers.

import { afterEach, beforeEach, expect, fetchMock, test } from "stead:test";

beforeEach(() => {
  fetchMock.activate();
  fetchMock.disableNetConnect();
});
afterEach(() => {
  fetchMock.deactivate();
});

test("a request gets the answer that was prepared for it, once", async () => {
  fetchMock.get("https://example.com").intercept({ path: "/a", method: "POST", body: /x/ }).reply(201, { made: true }, { headers: { "x-by": "mock" } });
  const response = await fetch("https://example.com/a", { method: "POST", body: "xyz" });
  expect([response.status, response.headers.get("x-by"), await response.json()]).toEqual([201, "mock", { made: true }]);
  fetchMock.assertNoPendingInterceptors();
  await expect(fetch("https://example.com/a", { method: "POST", body: "xyz" })).rejects.toThrow("no mock matches POST https://example.com/a");
});

test("an answer can be given again and again, or be an error", async () => {
  fetchMock.get("https://example.com").intercept({ path: /^\/b/ }).reply(({ path }: { path: string }) => ({ statusCode: 200, data: path })).persist();
  fetchMock.get("https://example.com").intercept({ path: "/c" }).replyWithError(new Error("no route"));
  for (const path of ["/b1", "/b2?q=1"]) expect(await (await fetch(`https://example.com${path}`)).text()).toBe(path);
  await expect(fetch("https://example.com/c")).rejects.toThrow("no route");
});

test("what was not asked for is named", () => {
  fetchMock.get("https://example.com").intercept({ path: "/d" }).reply(200, "");
  expect(() => fetchMock.assertNoPendingInterceptors()).toThrow("GET https://example.com/d");
});
