export const nextNumber = (): number => 99;
