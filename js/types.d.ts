// What the shim is given by deno_core and by the scripts of the deno packages.

declare module "ext:core/mod.js" {
  /**
   * deno_core's own functions (`01_core.js` of that package). Only those the shim uses are typed.
   */
  export const core: {
    readonly ops: Ops;
    getAsyncContext(): unknown;
    setAsyncContext(context: unknown): void;
    /** Evaluates a script of `lazy_loaded_js`, once, and returns its exports. */
    loadExtScript(specifier: string): any;
    encode(text: string): Uint8Array<ArrayBuffer>;
    decode(bytes: Uint8Array): string;
    serialize(value: unknown, options?: object, onError?: (message: string) => void): Uint8Array;
    deserialize(bytes: Uint8Array, options?: object): any;
    /** The key of the member that says how an object is cloned, or that it cannot be. */
    readonly hostObjectBrand: symbol;
    getCloneableDeserializers(): Record<string, (data: any) => object>;
    registerCloneableResource(type: string, make: (data: any) => object): void;
    isAnyArrayBuffer(value: unknown): value is ArrayBufferLike;
    registerErrorBuilder(name: string, build: (message: string) => unknown): void;
    registerErrorClass(name: string, constructor: Function): void;
    setUnhandledPromiseRejectionHandler(
      handler: (promise: Promise<unknown>, reason: unknown) => boolean,
    ): void;
    setHandledPromiseRejectionHandler(
      handler: (promise: Promise<unknown>, reason: unknown) => void,
    ): void;
    setReportExceptionCallback(callback: (error: unknown) => void): void;
    wrapConsole(console: object, inspectorConsole: object): void;
    readonly v8Console: object;
    [name: string]: any;
  };

  /** A place where scripts leave things for each other. */
  export const internals: Record<string, any>;

  /** The intrinsics as they were before any user code ran. */
  export const primordials: Record<string, any>;
}
