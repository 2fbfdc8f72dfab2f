export const title = (): string => "late";
