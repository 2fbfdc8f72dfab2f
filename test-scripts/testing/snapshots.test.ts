// Snapshots, in a file beside this one and in its own text. The same suite passes on the platform's own plugin, with the
// same file.
import { describe, expect, it } from "vitest";

expect.addSnapshotSerializer({
  test: (value) => value instanceof Point,
  serialize: ({ x, y }: Point) => `Point(${x}, ${y})`,
});

class Point {
  constructor(readonly x: number, readonly y: number) {}
}

describe("snapshots in a file", () => {
  it("hold values of all kinds", () => {
    expect({ name: "a `quoted` ${name}\\", list: [1, 2n, null, undefined, /a\/b/], at: new Date(0) }).toMatchSnapshot();
    expect(new Map<string, unknown>([["bytes", new Uint8Array([1, 2])], ["set", new Set(["a"])]])).toMatchSnapshot();
    expect(new Point(1, 2)).toMatchSnapshot();
  });

  it("have names of their own", () => {
    expect("first line\nsecond line").toMatchSnapshot("two lines");
    expect("again").toMatchSnapshot("two lines");
  });

  it("leave out what differs each time", () => {
    expect({ id: crypto.randomUUID(), kind: "room" }).toMatchSnapshot({ id: expect.any(String) });
  });

  it("hold what was thrown", async () => {
    expect(() => {
      throw new RangeError("too far");
    }).toThrowErrorMatchingSnapshot();
    await expect(Promise.reject(new TypeError("no"))).rejects.toThrowErrorMatchingSnapshot();
  });

  it.concurrent("know their test by its context", async ({ expect }) => {
    expect("of the concurrent test").toMatchSnapshot();
  });

  it.skip("are not obsolete while their test is skipped", () => {
    expect(1).toMatchSnapshot();
  });
});

describe("snapshots in the source", () => {
  it("are compared without their indentation", () => {
    expect({ rooms: ["lobby"] }).toMatchInlineSnapshot(`
      {
        "rooms": [
          "lobby",
        ],
      }
    `);
    expect("one line").toMatchInlineSnapshot(`"one line"`);
    expect({ id: 5, kind: "room" }).toMatchInlineSnapshot({ id: expect.any(Number) }, `
      {
        "id": Any<Number>,
        "kind": "room",
      }
    `);
  });

  it("hold what was thrown, and what a promise came to", async () => {
    expect(() => {
      throw new RangeError("too far");
    }).toThrowErrorMatchingInlineSnapshot(`[RangeError: too far]`);
    await expect(Promise.resolve([])).resolves.toMatchInlineSnapshot(`[]`);
  });

  it("fail if they differ", () => {
    const differs = () => expect(1).toMatchInlineSnapshot(`2`);
    expect(differs).toThrow("Snapshot `snapshots in the source > fail if they differ 1` mismatched");
    expect(() => expect(1).not.toMatchInlineSnapshot(`2`)).toThrow("toMatchInlineSnapshot cannot be used with \"not\"");
  });
});

it("a file can be a snapshot", async () => {
  await expect("<p>hello</p>\n").toMatchFileSnapshot("./__snapshots__/page.html");
});
