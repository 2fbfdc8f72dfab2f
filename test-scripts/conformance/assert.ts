// What the conformance scripts assert with.

export function assert(condition: unknown, message = "assertion failed"): asserts condition {
  if (!condition) throw new Error(message);
}

export function assertEquals(actual: unknown, expected: unknown) {
  if (!equal(actual, expected)) throw new Error(`expected ${show(expected)}, got ${show(actual)}`);
}

// `expected` is the error as a string, "TypeError: message", or a pattern for it.
export function assertThrows(body: () => unknown, expected: string | RegExp) {
  let result;
  try {
    result = body();
  } catch (error) {
    return assertError(error, expected);
  }
  throw new Error(`expected ${expected}, but returned ${show(result)}`);
}

export async function assertRejects(body: PromiseLike<unknown> | (() => unknown), expected: string | RegExp) {
  let result;
  try {
    // The promise of a call is a function, too.
    result = await (typeof (body as any).then === "function" ? body : (body as () => unknown)());
  } catch (error) {
    return assertError(error, expected);
  }
  throw new Error(`expected ${expected}, but resolved to ${show(result)}`);
}

function assertError(error: unknown, expected: string | RegExp) {
  const matches = typeof expected === "string" ? String(error) === expected : expected.test(String(error));
  if (!matches) throw new Error(`expected ${expected}, but threw ${error}`);
}

function equal(a: any, b: any): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (a instanceof ArrayBuffer) return equal(new Uint8Array(a), new Uint8Array(b));
  if (a instanceof Date) return Object.is(a.getTime(), b.getTime());
  if (a instanceof RegExp || a instanceof Error) return String(a) === String(b);
  if (a instanceof Map || a instanceof Set) return equal([...a], [...b]);
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => key in b && equal(a[key], b[key]));
}

function show(value: any): string {
  if (value instanceof Map || value instanceof Set) return `${value.constructor.name} ${show([...value])}`;
  if (value instanceof ArrayBuffer) return `ArrayBuffer ${show([...new Uint8Array(value)])}`;
  if (typeof value !== "object" || value instanceof RegExp || value instanceof Error) return typeof value === "string" ? JSON.stringify(value) : String(value);
  return JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v));
}
