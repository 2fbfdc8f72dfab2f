import whole, { missing, there } from "./partly.ts";

export const uses = { there: () => there(), missing: () => missing(), whole: () => `${whole}` };
