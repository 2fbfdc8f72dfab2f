// What is said of wrong uses of URLs, patterns, texts and base64.
import { ILLEGAL_INVOCATION, refused } from "./refused.ts";

export { Inside } from "./inside.ts";

const enc = (text: string) => new TextEncoder().encode(text);

export const urls = refused([
  [() => new (URL as any)(), "TypeError: Failed to construct 'URL': constructor parameter 1 is not of type 'USVString'."],
  [() => new URL("nope"), "TypeError: Invalid URL string."],
  [() => new URL("x", "nope"), "TypeError: Invalid URL string."],
  [() => new URL(undefined as any), "TypeError: Invalid URL string."],
  [() => new URL(Symbol("x") as any), "TypeError: Cannot convert a Symbol value to a string"],
  [() => { const u = new URL("http://a/"); u.href = "bad"; return u.href; }, "TypeError: Failed to set the 'href' property on 'URL': the provided value is not of type 'valid URL string'."],
  [() => (URL as any).canParse(), "TypeError: Failed to execute 'canParse' on 'URL': parameter 1 is not of type 'USVString'."],
  [() => (URL as any).parse(), "TypeError: Failed to execute 'parse' on 'URL': parameter 1 is not of type 'USVString'."],
  [() => (URL as any).createObjectURL(new Blob([])), "Error: URL.createObjectURL() is not implemented"],
  [() => (URL as any).createObjectURL(), "TypeError: Failed to execute 'createObjectURL' on 'URL': parameter 1 is not of type 'File or Blob'."],
  [() => (URL as any).revokeObjectURL("x"), "Error: URL.revokeObjectURL() is not implemented"],
  [() => Object.getOwnPropertyDescriptor(URL.prototype, "href")!.get!.call({}), ILLEGAL_INVOCATION],
  [() => URL.prototype.toString.call({} as any), ILLEGAL_INVOCATION],
]);

export const searchParameters = refused([
  [() => new URLSearchParams([["a"]] as any), "TypeError: Invalid URL search params sequence."],
  [() => new URLSearchParams([["a", "b", "c"]] as any), "TypeError: Invalid URL search params sequence."],
  [() => (new URLSearchParams() as any).get(), "TypeError: Failed to execute 'get' on 'URLSearchParams': parameter 1 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).append("a"), "TypeError: Failed to execute 'append' on 'URLSearchParams': parameter 2 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).set("a"), "TypeError: Failed to execute 'set' on 'URLSearchParams': parameter 2 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).has(), "TypeError: Failed to execute 'has' on 'URLSearchParams': parameter 1 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).delete(), "TypeError: Failed to execute 'delete' on 'URLSearchParams': parameter 1 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).getAll(), "TypeError: Failed to execute 'getAll' on 'URLSearchParams': parameter 1 is not of type 'USVString'."],
  [() => (new URLSearchParams() as any).forEach(), "TypeError: Failed to execute 'forEach' on 'URLSearchParams': parameter 1 is not of type 'function'."],
  [() => (new URLSearchParams() as any).forEach("x"), "TypeError: Failed to execute 'forEach' on 'URLSearchParams': parameter 1 is not of type 'function'."],
  [() => URLSearchParams.prototype.get.call({} as any, "a"), ILLEGAL_INVOCATION],
  [() => new URLSearchParams({ a: Symbol("x") } as any), "TypeError: Cannot convert a Symbol value to a string"],
]);

export const patterns = refused([
  [() => new URLPattern({ pathname: "/:" }), "TypeError: Failed to construct URLPattern"],
  [() => new URLPattern("nope"), "TypeError: Failed to construct URLPattern"],
  [() => new URLPattern("/x", "nope"), "TypeError: Failed to construct URLPattern"],
  [() => new URLPattern({ pathname: "/x" }, "http://a/" as any), "TypeError: Failed to construct URLPattern"],
  [() => new URLPattern({ pathname: "/(" }), "TypeError: Failed to construct URLPattern"],
  [() => new URLPattern({ pathname: "/([" }), "TypeError: Failed to construct URLPattern"],
  [() => new (URLPattern as any)(5), "TypeError: Failed to construct URLPattern"],
]);

export const encodersAndDecoders = refused([
  [() => new TextEncoder().encode(Symbol("x") as any), "TypeError: Cannot convert a Symbol value to a string"],
  [() => (new TextEncoder() as any).encodeInto("x"), "TypeError: Failed to execute 'encodeInto' on 'TextEncoder': parameter 2 is not of type 'Uint8Array'."],
  [() => (new TextEncoder() as any).encodeInto("x", {}), "TypeError: Failed to execute 'encodeInto' on 'TextEncoder': parameter 2 is not of type 'Uint8Array'."],
  [() => (new TextEncoder() as any).encodeInto("x", new Uint16Array(2)), "TypeError: Failed to execute 'encodeInto' on 'TextEncoder': parameter 2 is not of type 'Uint8Array'."],
  [() => (new TextEncoder() as any).encodeInto("x", new ArrayBuffer(2)), "TypeError: Failed to execute 'encodeInto' on 'TextEncoder': parameter 2 is not of type 'Uint8Array'."],
  [() => TextEncoder.prototype.encode.call({} as any, "x"), ILLEGAL_INVOCATION],
  [() => new TextDecoder("nope"), "RangeError: \"nope\" is not a valid encoding."],
  [() => new TextDecoder(""), "RangeError: \"\" is not a valid encoding."],
  [() => new TextDecoder("utf-8", 5 as any), "TypeError: Failed to construct 'TextDecoder': constructor parameter 2 is not of type 'ConstructorOptions'."],
  [() => new TextDecoder("utf-8", "x" as any), "TypeError: Failed to construct 'TextDecoder': constructor parameter 2 is not of type 'ConstructorOptions'."],
  [() => new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(new Uint8Array([255])), "TypeError: Failed to decode input."],
  [() => new TextDecoder("utf-16le", { fatal: true, ignoreBOM: false }).decode(new Uint8Array([0, 0xd8])), "TypeError: Failed to decode input."],
  [() => new TextDecoder("shift_jis", { fatal: true, ignoreBOM: false }).decode(new Uint8Array([0x81])), "TypeError: Failed to decode input."],
  [() => new TextDecoder().decode("x" as any), "TypeError: Failed to execute 'decode' on 'TextDecoder': parameter 1 is not of type 'Array'."],
  [() => new TextDecoder().decode(5 as any), "TypeError: Failed to execute 'decode' on 'TextDecoder': parameter 1 is not of type 'Array'."],
  [() => new TextDecoder().decode({} as any), "TypeError: Failed to execute 'decode' on 'TextDecoder': parameter 1 is not of type 'Array'."],
  [() => new TextDecoder().decode(null as any), "TypeError: Failed to execute 'decode' on 'TextDecoder': parameter 1 is not of type 'Array'."],
  [() => new TextDecoder().decode(enc("x"), 5 as any), "TypeError: Failed to execute 'decode' on 'TextDecoder': parameter 2 is not of type 'DecodeOptions'."],
  [() => new TextDecoderStream("nope"), "RangeError: \"nope\" is not a valid encoding."],
  [() => new TextDecoderStream("utf-8", 5 as any), "TypeError: Failed to construct 'TextDecoderStream': constructor parameter 2 is not of type 'TextDecoderStreamInit'."],
  [async () => { const s = new TextDecoderStream(); const w = s.writable.getWriter(); s.readable.getReader().read().catch(() => {}); return w.write("x" as any); }, "TypeError: This TransformStream is being used as a byte stream, but received a value that is not a BufferSource."],
  [async () => { const s = new TextDecoderStream("utf-8", { fatal: true, ignoreBOM: false }); const w = s.writable.getWriter(); w.write(new Uint8Array([255])).catch(() => {}); return s.readable.getReader().read(); }, "TypeError: Failed to decode input."],
  [async () => { const s = new TextEncoderStream(); const w = s.writable.getWriter(); s.readable.getReader().read().catch(() => {}); return w.write(Symbol("x") as any); }, "TypeError: Cannot convert a Symbol value to a string"],
]);

export const base64 = refused([
  [() => (atob as any)(), "TypeError: Failed to execute 'atob' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'string'."],
  [() => atob("a"), "InvalidCharacterError: atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)"],
  [() => atob("*"), "InvalidCharacterError: atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)"],
  [() => atob(undefined as any), "InvalidCharacterError: atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when the input data length is divisible by 4 are allowed.)"],
  [() => (btoa as any)(), "TypeError: Failed to execute 'btoa' on 'ServiceWorkerGlobalScope': parameter 1 is not of type 'String'."],
  [() => btoa("\u0100"), "InvalidCharacterError: btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range."],
  [() => btoa(Symbol("x") as any), "TypeError: Cannot convert a Symbol value to a string"],
]);
