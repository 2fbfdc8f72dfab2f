export const counted = (): number => 1;
export default (): string => "never";
throw new Error("a module that is mocked does not run");
