// A file in the folder `__mocks__` beside a module takes its place. (The platform's plugin does not look for one.)
import { expect, it, vi } from "vitest";
import { mockClock } from "./mocked/setup.ts";
import { greet } from "./mocked/greet.ts";

vi.mock("./mocked/numbers.ts");

it("a file in __mocks__ takes the module's place", () => {
  expect(greet("Ada")).toContain("as number 99");
});

it("a file that the test imports may mock modules, too", () => {
  expect(mockClock()).toBe("mocked elsewhere");
  expect(greet("Ada")).toBe("sent to Ada at mocked elsewhere as number 99");
});
