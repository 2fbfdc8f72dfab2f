import { title } from "./late.ts";

let counted = 0;
export const count = (): number => ++counted;
export const late = (): string => title();
