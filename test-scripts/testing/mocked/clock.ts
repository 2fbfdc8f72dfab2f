export const zone = "UTC";
export const now = (): string => "noon";
