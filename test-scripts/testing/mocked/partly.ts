// A module of which mocks.test.ts replaces a part.
export const there = (): string => "there";
export const missing = (): string => "missing";
export default "the default";
