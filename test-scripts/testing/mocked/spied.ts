export const add = (a: number, b: number): number => a + b;
export const table = { double: (n: number) => n * 2 };
