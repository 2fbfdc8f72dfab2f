// What several suites share: a module that is mocked for all of them.
import { vi } from "vitest";
import { now } from "./clock.ts";

vi.mock("./clock.ts", () => ({ now: () => "mocked elsewhere" }));

export const mockClock = (): string => now();
