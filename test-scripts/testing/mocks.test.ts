// Modules that tests replace. The same suite passes on the platform's own plugin.
import { afterEach, describe, expect, it, vi } from "vitest";
import broken, { counted as countedThere } from "./mocked/broken.ts";
import { now, zone } from "./mocked/clock.ts";
import { deliverTo, greet, mailer } from "./mocked/greet.ts";
import send, { deliver, limits, Mailer, version } from "./mocked/mail.ts";
import * as partly from "./mocked/partly.ts";
import * as spied from "./mocked/spied.ts";
import { uses } from "./mocked/uses.ts";

const texts = vi.hoisted(() => ({ now: "midnight" }));
const { counted } = vi.hoisted(() => {
  return { counted: vi.fn(() => 0) };
});

vi.mock("./mocked/clock.ts", async (importOriginal) => {
  const original = await importOriginal<typeof import("./mocked/clock.ts")>();
  return { ...original, now: () => `${texts.now}, ${later()}` };
});
vi.mock("./mocked/mail.ts");
vi.mock(import("./mocked/spied.ts"), { spy: true });
vi.mock("./mocked/broken.ts", () => ({ default: () => "made up", counted }));
vi.mock("./mocked/partly.ts", () => ({ there: () => "made up" }));

// Used by a factory, when it is called.
const later = () => suffix;
const suffix = "or later";

describe("a factory", () => {
  it("makes the module that everyone imports", () => {
    expect(now()).toBe("midnight, or later");
    expect(greet("Ada")).toContain("at midnight, or later");
  });

  it("keeps what it takes from the original", async () => {
    expect(zone).toBe("UTC");
    const actual = await vi.importActual<typeof import("./mocked/clock.ts")>("./mocked/clock.ts");
    expect(actual.now()).toBe("noon");
  });

  it("takes the place of a module that does not run", () => {
    expect(broken()).toBe("made up");
    expect(countedThere).toBe(counted);
  });

  it("refuses what it has not made", async () => {
    const text = (name: string) =>
      `[vitest] No "${name}" export is defined on the "./mocked/partly.ts" mock. Did you forget to return it from "vi.mock"?\nIf you need to partially mock a module, you can use "importOriginal" helper inside:\n`;
    expect([uses.there(), partly.there()]).toEqual(["made up", "made up"]);
    expect(uses.missing).toThrow(text("missing"));
    expect(uses.whole).toThrow(text("default"));
    expect(() => partly.missing).toThrow(text("missing"));
    const again = await import("./mocked/partly.ts");
    expect(again.there()).toBe("made up");
    expect(() => again.default).toThrow(text("default"));
    expect(["missing" in partly, (partly as any).then]).toEqual([false, undefined]);
  });
});

describe("without a factory", () => {
  afterEach(() => {
    vi.resetAllMocks();
  });

  it("functions answer nothing, and remember their calls", () => {
    expect(send("Ada")).toBeUndefined();
    expect(deliverTo("Ada")).toBeUndefined();
    expect(vi.mocked(deliver)).toHaveBeenCalledWith("Ada");
    vi.mocked(deliver).mockReturnValue("by hand");
    expect(deliverTo("Grace")).toBe("by hand");
  });

  it("classes are empty, lists too, and plain values are kept", () => {
    expect(mailer()).toBeInstanceOf(Mailer);
    expect(mailer().send("Ada")).toBeUndefined();
    expect(limits).toEqual({ perDay: 10, servers: [] });
    expect(version).toBe("1.0");
  });

  it("spies call the module itself", () => {
    expect(spied.add(1, 2)).toBe(3);
    expect(spied.add).toHaveBeenCalledWith(1, 2);
    vi.mocked(spied.add).mockReturnValueOnce(7);
    expect([spied.add(1, 2), spied.add(1, 2), spied.table.double(4)]).toEqual([7, 3, 8]);
  });
});

describe("later", () => {
  it("a module is mocked for those who import it then", async () => {
    vi.doMock("./mocked/late.ts", () => ({ title: () => "mocked" }));
    expect((await import("./mocked/late.ts")).title()).toBe("mocked");
    vi.doUnmock("./mocked/late.ts");
    expect((await import("./mocked/late.ts")).title()).toBe("late");
  });

  it("a mock is imported on its own", async () => {
    const mocked = await vi.importMock<typeof import("./mocked/late.ts")>("./mocked/late.ts");
    expect(mocked.title()).toBeUndefined();
    expect(vi.isMockFunction(mocked.title)).toBe(true);
  });

  it("modules are evaluated anew", async () => {
    const first = await import("./mocked/state.ts");
    expect([first.count(), first.count()]).toEqual([1, 2]);
    expect((await import("./mocked/state.ts")).count()).toBe(3);
    vi.resetModules();
    vi.doMock("./mocked/late.ts", () => ({ title: () => "mocked" }));
    const second = await import("./mocked/state.ts");
    expect([second.count(), second.late()]).toEqual([1, "mocked"]);
    vi.doUnmock("./mocked/late.ts");
    vi.resetModules();
    expect((await import("./mocked/state.ts")).late()).toBe("late");
  });

  it("an object is mocked", () => {
    const mocked = vi.mockObject({ add: (a: number, b: number) => a + b, inner: { value: 5 } });
    expect(mocked.add(1, 2)).toBeUndefined();
    mocked.add.mockReturnValue(4);
    expect([mocked.add(1, 2), mocked.inner.value]).toEqual([4, 5]);
  });
});
