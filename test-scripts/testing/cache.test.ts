// The Cache API. The same suite passes on the platform's own plugin, whose cache workerd does not have by itself.
import { describe, expect, it } from "vitest";

const KEEP = { "Cache-Control": "max-age=100" };

let addresses = 0;
const address = () => `http://example.com/${addresses++}?q=1`;

async function put(init: ResponseInit = { headers: KEEP }, body: BodyInit | null = "hello", asked: RequestInit = {}) {
  const url = address();
  await caches.default.put(new Request(url, asked), new Response(body, init));
  return await caches.default.match(url);
}

const withHeaders = (headers: Record<string, string>) => put({ headers });

describe("what is kept", () => {
  it("comes back with its status, its headers and its body", async () => {
    const found = (await put({ status: 404, headers: { ...KEEP, "X-A": "1" } }))!;
    expect([found.status, found.statusText, found.headers.get("X-A")]).toEqual([404, "Not Found", "1"]);
    expect([found.headers.get("CF-Cache-Status"), found.headers.get("Age"), found.headers.get("Content-Length")]).toEqual(["HIT", "0", "5"]);
    expect(await found.text()).toBe("hello");
    expect(() => found.headers.set("a", "b")).toThrow("Can't modify immutable headers.");
  });

  it("is found by its address without the fragment", async () => {
    await caches.default.put("HTTP://Example.com:80/fragment#a", new Response("x", { headers: KEEP }));
    expect(await (await caches.default.match(new URL("http://example.com/fragment#b")))!.text()).toBe("x");
    expect(await caches.default.match("http://example.com/other")).toBeUndefined();
  });

  it("is found by a key of its own", async () => {
    const keyed = (url: string) => new Request(url, { cf: { cacheKey: "key" } });
    await caches.default.put(keyed("http://example.com/keyed"), new Response("x", { headers: KEEP }));
    expect(await caches.default.match("http://example.com/keyed")).toBeUndefined();
    expect((await caches.default.match(keyed("http://example.com/elsewhere")))!.status).toBe(200);
  });

  it("is whatever the body was", async () => {
    const stream = new ReadableStream({
      start(controller) {
        for (const text of ["a", "b"]) controller.enqueue(new TextEncoder().encode(text));
        controller.close();
      },
    });
    expect(await (await put(undefined, stream))!.text()).toBe("ab");
    expect(await (await put(undefined, new Uint8Array([104, 105])))!.text()).toBe("hi");
    expect(await (await put(undefined, null))!.text()).toBe("");
  });

  it("is replaced", async () => {
    const url = address();
    for (const body of ["old", "new"]) await caches.default.put(url, new Response(body, { headers: KEEP }));
    expect(await (await caches.default.match(url))!.text()).toBe("new");
  });

  it("does not depend on the other headers of the request", async () => {
    const url = address();
    const accepting = (type: string) => new Request(url, { headers: { Accept: type } });
    await caches.default.put(accepting("a"), new Response("x", { headers: { ...KEEP, Vary: "Accept" } }));
    expect((await caches.default.match(accepting("b")))!.status).toBe(200);
  });
});

describe("whether a response is kept", () => {
  it.each([
    ["s-maxage=100, max-age=0", true],
    ["max-age=0", false],
    ["no-store", false],
    ["no-cache", false],
    ["private, max-age=100", false],
    ["public", false],
    ["proxy-revalidate, max-age=10", false],
    ["must-revalidate, max-age=10", true],
    ["max-age=0, stale-while-revalidate=10", true],
    ["immutable", true],
  ])("with Cache-Control: %s", async (control, kept) => {
    expect((await withHeaders({ "Cache-Control": control })) !== undefined).toBe(kept);
  });

  it("follows from other headers", async () => {
    expect(await put({})).toBeUndefined();
    expect(await withHeaders({ Pragma: "no-cache" })).toBeUndefined();
    expect(await withHeaders({ Expires: new Date(Date.now() + 100_000).toUTCString() })).toBeDefined();
    expect(await withHeaders({ "Last-Modified": "Tue, 01 Jan 2019 00:00:00 GMT" })).toBeDefined();
    expect(await withHeaders({ ...KEEP, Age: "150" })).toBeUndefined();
    expect((await withHeaders({ ...KEEP, Age: "50" }))!.headers.get("Age")).toBe("50");
  });

  it("follows from cookies", async () => {
    expect(await withHeaders({ ...KEEP, "Set-Cookie": "a=b" })).toBeUndefined();
    const found = await withHeaders({ "Cache-Control": "max-age=100, private=set-cookie", "Set-Cookie": "a=b" });
    expect(found!.headers.has("Set-Cookie")).toBe(false);
  });

  it.each([[201, false], [301, true], [302, true], [307, true], [400, false], [410, true], [500, false], [501, true], [503, false]])(
    "follows from its status: %i",
    async (status, kept) => expect((await put({ status, headers: KEEP })) !== undefined).toBe(kept),
  );

  it("follows from the authorization of the request", async () => {
    const asked = { headers: { Authorization: "a" } };
    expect(await put({ headers: KEEP }, "x", asked)).toBeUndefined();
    expect(await put({ headers: { "Cache-Control": "public, max-age=100" } }, "x", asked)).toBeDefined();
    expect(await put({ headers: KEEP }, "x", { headers: { "Cache-Control": "no-store" } })).toBeDefined();
  });
});

describe("what is refused", () => {
  it("is no GET", async () => {
    await expect(put(undefined, "x", { method: "POST", body: "a" })).rejects.toThrow("Cannot cache response to non-GET request.");
  });

  it("is a part, or varies with everything", async () => {
    await expect(put({ status: 206, headers: KEEP })).rejects.toThrow("Cannot cache response to a range request (206 Partial Content).");
    await expect(withHeaders({ ...KEEP, Vary: "*" })).rejects.toThrow("Cannot cache response with 'Vary: *' header.");
  });

  it("was read", async () => {
    const response = new Response("x", { headers: KEEP });
    await response.text();
    await expect(caches.default.put(address(), response)).rejects.toThrow("Body has already been used. It can only be used once. Use tee() first if you need to read it twice.");
  });

  it("breaks off", async () => {
    const torn = new ReadableStream({ pull: (controller) => controller.error(new Error("torn")) });
    await expect(put(undefined, torn)).rejects.toThrow("torn");
  });

  it("is no address, or no response", async () => {
    const cache = caches.default as any;
    await expect(cache.match("/path")).rejects.toThrow("Invalid URL: /path");
    await expect(cache.match("ftp://host/")).rejects.toThrow("Fetch API cannot load: ftp://host/");
    await expect(cache.match()).rejects.toThrow("Failed to execute 'match' on 'Cache': parameter 1 is not of type 'Request or string'.");
    await expect(cache.put("http://example.com/", "x")).rejects.toThrow("Failed to execute 'put' on 'Cache': parameter 2 is not of type 'Response'.");
    await expect((caches as any).open()).rejects.toThrow("Failed to execute 'open' on 'CacheStorage': parameter 1 is not of type 'string'.");
  });

  it("is what the platform does not have", () => {
    for (const name of ["add", "addAll", "keys", "matchAll"]) {
      expect(() => (caches.default as any)[name]("http://example.com/")).toThrow(`Failed to execute '${name}' on 'Cache': the method is not implemented.`);
    }
    for (const name of ["delete", "has", "keys", "match"]) {
      expect(() => (caches as any)[name]("x")).toThrow(`Failed to execute '${name}' on 'CacheStorage': the method is not implemented.`);
    }
  });
});

describe("deleting", () => {
  it("says whether there was something", async () => {
    const url = address();
    await caches.default.put(url, new Response("x", { headers: KEEP }));
    expect([await caches.default.delete(url), await caches.default.delete(url)]).toEqual([true, false]);
    expect(await caches.default.match(url)).toBeUndefined();
  });

  it("and matching are for GET, unless the method is ignored", async () => {
    const url = address();
    const post = () => new Request(url, { method: "POST" });
    await caches.default.put(url, new Response("x", { headers: KEEP }));
    expect(await caches.default.match(post())).toBeUndefined();
    expect((await caches.default.match(post(), { ignoreMethod: true }))!.status).toBe(200);
    expect([await caches.default.delete(post()), await caches.default.delete(post(), { ignoreMethod: true })]).toEqual([false, true]);
  });
});

describe("conditional requests", () => {
  const url = "http://example.com/conditional";
  const headers = { ...KEEP, ETag: '"abc"', "Last-Modified": "Tue, 01 Jan 2019 00:00:00 GMT", "Content-Type": "text/plain" };
  const ask = async (asked: Record<string, string>) => {
    await caches.default.put(url, new Response("0123456789", { headers }));
    return (await caches.default.match(new Request(url, { headers: asked })))!;
  };

  it.each(['"abc"', 'W/"abc"', '"x", "abc"', "*"])("are answered with 304 to If-None-Match: %s", async (tag) => {
    const found = await ask({ "If-None-Match": tag });
    expect([found.status, found.body, found.headers.get("ETag")]).toEqual([304, null, '"abc"']);
  });

  it("are answered with 304 if nothing has changed since", async () => {
    expect((await ask({ "If-Modified-Since": "Tue, 01 Jan 2019 00:00:00 GMT" })).status).toBe(304);
    expect((await ask({ "If-Modified-Since": "Mon, 01 Jan 2018 00:00:00 GMT" })).status).toBe(200);
    expect((await ask({ "If-None-Match": '"other"' })).status).toBe(200);
  });

  it.each([
    ["bytes=2-4", "bytes 2-4/10", "234"],
    ["bytes=2-", "bytes 2-9/10", "23456789"],
    ["bytes=-3", "bytes 7-9/10", "789"],
    ["bytes=0-100", "bytes 0-9/10", "0123456789"],
    ["BYTES= 1-2", "bytes 1-2/10", "12"],
  ])("are answered with a part to Range: %s", async (range, part, text) => {
    const found = await ask({ Range: range });
    expect([found.status, found.headers.get("Content-Range"), found.headers.get("Content-Length")]).toEqual([206, part, `${text.length}`]);
    expect(await found.text()).toBe(text);
  });

  it.each(["bytes=20-30", "bytes=5-2", "items=1-2", "bytes=abc", "bytes=0-1,40-50"])("are refused with 416 for Range: %s", async (range) => {
    const found = await ask({ Range: range });
    expect([found.status, found.headers.get("Content-Range")]).toEqual([416, "bytes */10"]);
  });

  it.each(["bytes=-0", "bytes=-100", "bytes="])("are answered with all of it to Range: %s", async (range) => {
    expect(await (await ask({ Range: range })).text()).toBe("0123456789");
  });

  it("are answered with several parts", async () => {
    const found = await ask({ Range: "bytes=0-1,4-5" });
    const [, boundary] = /^multipart\/byteranges; boundary=(.+)$/.exec(found.headers.get("Content-Type")!)!;
    const parts = (await found.text()).split(`--${boundary}`).map((part) => part.trim());
    expect(parts).toEqual([
      "",
      "Content-Type: text/plain\r\nContent-Range: bytes 0-1/10\r\n\r\n01",
      "Content-Type: text/plain\r\nContent-Range: bytes 4-5/10\r\n\r\n45",
      "--",
    ]);
  });
});

describe("caches by name", () => {
  it("are apart from each other and from the default one", async () => {
    const url = address();
    await caches.default.put(url, new Response("default", { headers: KEEP }));
    const cache = await caches.open("named");
    expect(cache).toBeInstanceOf(Cache);
    expect(await cache.match(url)).toBeUndefined();
    await cache.put(url, new Response("named", { headers: KEEP }));
    expect(await (await (await caches.open("named")).match(url))!.text()).toBe("named");
    expect(await (await caches.default.match(url))!.text()).toBe("default");
    expect(await (await caches.open("default")).match(url)).toBeUndefined();
  });
});
