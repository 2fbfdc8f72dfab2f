export const later: string = "imported later";
