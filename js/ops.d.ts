// Every op, and every class that Rust implements. One interface per extension.

/** `ops/src/console.rs` */
interface ConsoleOps {
  op_console_print(text: string, method: string): void;
}

/** `ops/src/exception.rs` */
interface ExceptionOps {
  op_report_exception(rejection: boolean, exception: unknown): void;
}

/** `ops/src/digest.rs` */
interface DigestOps {
  op_crypto_timing_safe_equal(left: Uint8Array, right: Uint8Array): boolean;
  Digester: new (name: string) => {
    update(bytes: Uint8Array): void;
    finish(): ArrayBuffer;
  };
}

interface Ops extends ConsoleOps, ExceptionOps, DigestOps {}
