// What older compatibility dates bring back in the web platform. Every test holds for any date: it asks which flags are on.
import { DurableObject, env as imported, WorkerEntrypoint } from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";

const scope = globalThis as any;
const flags: Record<string, boolean> = scope.Cloudflare.compatibilityFlags;

async function settled(promise: Promise<unknown>): Promise<string> {
  const outcome = promise.then(() => "fulfilled", (error) => String(error));
  return await Promise.race([outcome, scheduler.wait(10).then(() => "pending")]);
}

export const namesOfTheGlobalScope = {
  test() {
    assertEquals(typeof scope.importScripts, flags.no_global_importscripts ? "undefined" : "function");
    if (!flags.no_global_importscripts) {
      assertThrows(() => scope.importScripts("x"), "Error: Failed to execute 'importScripts' on 'WorkerGlobalScope': the method is not implemented.");
    }
    for (const name of ["Performance", "PerformanceEntry", "PerformanceMark", "PerformanceObserver", "PerformanceResourceTiming"]) {
      assertEquals(name in scope, flags.enable_global_performance_classes);
    }
  },
};

export const objectsShowTheirClass = {
  test(_: unknown, _env: unknown, ctx: object) {
    const shown = [new Headers(), new URL("http://host"), new Event("x"), new ReadableStream(), crypto, ctx, new DOMException()];
    const names = flags.set_tostring_tag
      ? ["Headers", "URL", "Event", "ReadableStream", "Crypto", "ExecutionContext", "DOMException"]
      : shown.map(() => "Object");
    assertEquals(shown.map((one) => Object.prototype.toString.call(one)), names.map((name) => `[object ${name}]`));
  },
};

export const methodsInLowerCase = {
  test() {
    assertEquals(new Request("http://host", { method: "post" }).method, "POST");
    const make = () => new Request("http://host", { method: "patch" }).method;
    if (flags.upper_case_all_http_methods) assertEquals(make(), "PATCH");
    else assertThrows(make, "TypeError: Invalid HTTP method string: patch");
  },
};

export const searchParamsByValue = {
  test() {
    const params = new URLSearchParams("a=1&a=2");
    (params as any).delete("a", "1");
    assertEquals(params.toString(), flags.urlsearchparams_delete_has_value_arg ? "a=2" : "");
    params.set("b", "1");
    assertEquals((params as any).has("b", "2"), !flags.urlsearchparams_delete_has_value_arg);
  },
};

export const cookiesThatAreSet = {
  test() {
    const headers = new Headers([["set-cookie", "a=1"], ["x", "1"], ["set-cookie", "b=2"]]);
    assertEquals("getSetCookie" in headers, flags.http_headers_getsetcookie);
    const cookies = flags.http_headers_getsetcookie ? [["set-cookie", "a=1"], ["set-cookie", "b=2"]] : [["set-cookie", "a=1, b=2"]];
    assertEquals([...headers], [...cookies, ["x", "1"]]);
    assertEquals([...headers.keys()].length, cookies.length + 1);
    const seen: string[] = [];
    headers.forEach((value) => seen.push(value));
    assertEquals(seen, [...headers.values()]);
    assertEquals([headers.get("set-cookie"), (headers as any).getAll("set-cookie")], ["a=1, b=2", ["a=1", "b=2"]]);
  },
};

export const lastReadsIntoBuffers = {
  async test() {
    const last = async (stream: ReadableStream) => {
      const reader = stream.getReader({ mode: "byob" });
      for (;;) {
        const { done, value } = await reader.read(new Uint8Array(4));
        if (done) return (value as any)?.byteLength ?? "nothing";
      }
    };
    const own = flags.internal_stream_byob_return_view ? 0 : "nothing";
    assertEquals(await last(new Response("abc").body!), own);
    assertEquals(await last(new Response("").body!), own);
    assertEquals(await last(new Response("abc").body!.tee()[0]), own);
    assertEquals(await last(new Blob(["abc"]).stream()), own);
    const { readable, writable } = new IdentityTransformStream();
    void writable.close();
    assertEquals(await last(readable), own);
    const made = new ReadableStream({ type: "bytes", start: (controller) => controller.close() });
    assertEquals(await last(made), 0);
  },
};

export const redirectsToUrls = {
  test() {
    const location = Response.redirect("http://HOST/a b").headers.get("location");
    assertEquals(location, flags.response_redirect_url_standard ? "http://host/a%20b" : "http://host/a b");
  },
};

export const typesOfBlobsOfBodies = {
  async test() {
    const response = new Response("text", { headers: { "content-type": "TEXT/Html; Charset=UTF-8" } });
    const { type } = await response.blob();
    assertEquals(type, flags.blob_standard_mime_type ? "text/html;charset=UTF-8" : "TEXT/Html; Charset=UTF-8");
    const form = new Response("", { headers: { "content-type": "multipart/form-data; boundary=ABC" } });
    assertEquals((await form.blob()).type, "multipart/form-data; boundary=ABC");
  },
};

export const byteOrderMarks = {
  async test() {
    const mark = new Uint8Array([0xef, 0xbb, 0xbf, 0x31]);
    assertEquals((await new Response(mark).text()).length, flags.strip_bom_in_read_all_text ? 1 : 2);
    if (flags.strip_bom_in_read_all_text) assertEquals(await new Response(mark).json(), 1);
    else await assertRejects(() => new Response(mark).json(), /^SyntaxError/);
    // A blob keeps it.
    assertEquals((await new Blob([mark]).text()).length, 2);
  },
};

export const bodiesThatAreIterated = {
  async test() {
    const bytes = () => [new Uint8Array([65]), new Uint8Array([66])];
    const text = await new Response(bytes() as any).text();
    assertEquals(text, flags.fetch_iterable_type_support ? "AB" : "65,66");
    const generated = await new Response((function* () { yield* bytes(); })() as any).text();
    assertEquals(generated, flags.fetch_iterable_type_support ? "AB" : "[object Generator]");
    class Worded {
      toString() {
        return "worded";
      }
      *[Symbol.iterator]() {
        yield* bytes();
      }
    }
    const asStream = flags.fetch_iterable_type_support && !flags.fetch_iterable_type_support_override_adjustment;
    assertEquals(await new Response(new Worded() as any).text(), asStream ? "AB" : "worded");
    assertEquals(await new Response(new String("text") as any).text(), "text");
    if (flags.fetch_iterable_type_support) {
      await assertRejects(() => new Response([1] as any).text(), "TypeError: This ReadableStream did not return bytes.");
    }
  },
};

export const filesOfForms = {
  async test() {
    const form = new FormData();
    form.append("file", new File(["words"], "name.txt"));
    const parsed = (await new Response(form).formData()).get("file") as any;
    assertEquals(typeof parsed, flags.formdata_parser_supports_files ? "object" : "string");
    if (typeof parsed === "string") assertEquals(parsed, "words");
  },
};

export const listenersAndTheirThis = {
  test() {
    const target = new EventTarget() as any;
    let seen: unknown;
    target.addEventListener("x", function (this: unknown) {
      seen = this;
    });
    target.dispatchEvent(new Event("x"));
    assert(seen === (flags.set_event_target_this ? target : globalThis));
    target.ony = function (this: unknown) {
      seen = this;
    };
    seen = undefined;
    target.dispatchEvent(new Event("y"));
    assert(seen === globalThis);
  },
};

export const listenersThatThrow = {
  test() {
    const target = new EventTarget();
    const called: number[] = [];
    target.addEventListener("x", () => {
      called.push(1);
      throw new RangeError("out of bounds");
    });
    target.addEventListener("x", () => called.push(2));
    const noted = (event: Event) => event.preventDefault();
    scope.addEventListener("error", noted);
    const event = new Event("x");
    if (flags.spec_compliant_dispatch_exceptions) {
      assertEquals(target.dispatchEvent(event), true);
      assertEquals(called, [1, 2]);
    } else {
      assertThrows(() => target.dispatchEvent(event), "RangeError: out of bounds");
      assertEquals(called, [1]);
      // The event is not being dispatched any more.
      assertThrows(() => target.dispatchEvent(event), "RangeError: out of bounds");
      const controller = new AbortController();
      controller.signal.addEventListener("abort", () => {
        throw new RangeError("aborted");
      });
      assertThrows(() => controller.abort(), "RangeError: aborted");
    }
    scope.removeEventListener("error", noted);
  },
};

export const streamsOfText = {
  async test() {
    const writer = new TextEncoderStream().writable.getWriter();
    const written = writer.write("text");
    assertEquals(await settled(written), flags.encoder_stream_spec_compliant_backpressure ? "pending" : "fulfilled");
  },
};

export const transformersAndWhatTheyHold = {
  async test() {
    const writer = new TransformStream({}, undefined, { highWaterMark: 1 }).writable.getWriter();
    const writes = [1, 2, 3].map((chunk) => writer.write(chunk));
    assertEquals(await settled(writes[0]), "fulfilled");
    assertEquals(await settled(writes[2]), flags["fixup-transform-stream-backpressure"] ? "pending" : "fulfilled");
  },
};

export const writersThatWereReleased = {
  async test() {
    const writer = new WritableStream().getWriter();
    const { ready } = writer;
    writer.releaseLock();
    const released = "TypeError: This WritableStream writer has been released.";
    assertEquals(await settled(writer.closed), released);
    assertEquals(await settled(writer.ready), flags.writable_stream_spec_compliant_writer ? released : "fulfilled");
    assertEquals(await settled(ready), "fulfilled");
  },
};

export const pipesWhoseDestinationFails = {
  async test() {
    let cancelled: unknown;
    let controller: any;
    const source = new ReadableStream({ cancel: (reason) => void (cancelled = reason) });
    const piped = source.pipeTo(new WritableStream({ start: (given) => void (controller = given) }));
    const outcome = settled(piped);
    await scheduler.wait(1);
    controller.error(new RangeError("full"));
    assertEquals(await outcome, flags.pipe_to_backward_propagation ? "RangeError: full" : "fulfilled");
    assertEquals(String(cancelled), "RangeError: full");
    const failing = new WritableStream({
      write() {
        throw new RangeError("no");
      },
    });
    await assertRejects(() => new Response("text").body!.pipeTo(failing), "RangeError: no");
  },
};

export const compressedDataWithMoreOrLess = {
  async test() {
    const whole = new Uint8Array(await new Response(new Response("text ".repeat(20)).body!.pipeThrough(new CompressionStream("gzip"))).arrayBuffer());
    const read = (bytes: Uint8Array) => new Response(new Response(bytes).body!.pipeThrough(new DecompressionStream("gzip"))).text();
    const longer = new Uint8Array(whole.length + 3);
    longer.set(whole);
    if (flags.strict_compression_checks) {
      await assertRejects(() => read(longer), "TypeError: Trailing bytes after end of compressed data");
      await assertRejects(() => read(whole.slice(0, -6)), "TypeError: Called close() on a decompression stream with incomplete data");
    } else {
      assertEquals(await read(longer), "text ".repeat(20));
      assertEquals(await read(whole.slice(0, -6)), "text ".repeat(20));
    }
  },
};

export const exponentsOfKeys = {
  async test() {
    const publicExponent = new Uint8Array([1, 0, 1]);
    const algorithm = { name: "RSASSA-PKCS1-v1_5", modulusLength: 1024, publicExponent, hash: "SHA-256" };
    const { publicKey } = (await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"])) as CryptoKeyPair;
    const shown = (publicKey.algorithm as any).publicExponent;
    assertEquals(shown instanceof ArrayBuffer, !flags.crypto_preserve_public_exponent);
    assertEquals([...new Uint8Array(shown)], [1, 0, 1]);
  },
};

export const keysThatAreNotGenerated = {
  async test() {
    const generate = (modulusLength: number, publicExponent: number[]) =>
      crypto.subtle.generateKey(
        { name: "RSA-PSS", modulusLength, publicExponent: new Uint8Array(publicExponent), hash: "SHA-256" },
        true,
        ["sign", "verify"],
      );
    const usual = [1, 0, 1];
    for (const bits of [128, 255, 1025, 32768]) {
      const text = `OperationError: The modulus length must be a multiple of 8 and between 256 and 16k, but ${bits} was requested.`;
      await assertRejects(() => generate(bits, usual), text);
    }
    await assertRejects(() => generate(0, usual), "OperationError: modulusLength must be greater than zero (requested 0).");
    for (const [exponent, shown] of [[[17], "17"], [[], "0"], [[1, 0, 0], "65536"], [[255, 255, 255, 255, 255], "a number larger than 2^32"]] as const) {
      const text = `OperationError: The "publicExponent" must be either 3 or 65537, but got ${shown}.`;
      await assertRejects(() => generate(1024, [...exponent]), text);
    }
    await generate(1024, [3]);
    const text = "OperationError: Can't generate key: RSA key size is required to be a multiple of 128";
    if (flags.strict_crypto_checks) await assertRejects(() => generate(1000, usual), text);
    else await generate(1000, usual);
  },
};

export const bindingsThatAreImported = {
  test(_: unknown, env: object) {
    assertEquals(Object.keys(imported), flags.disallow_importable_env ? [] : Object.keys(env));
  },
};

const thenable = (value: unknown): any => ({ then: (resolve: (value: unknown) => void) => resolve(value) });

export class Answering extends WorkerEntrypoint {
  override fetch(): any {
    return thenable(new Response("answered"));
  }

  get(): any {
    return thenable(7);
  }
}

export const handlersThatReturnThenables = {
  async test(_: unknown, _env: unknown, ctx: any) {
    if (!flags.rpc || !flags.enable_ctx_exports) return;
    const { Answering } = ctx.exports;
    if (flags.unwrap_custom_thenables) assertEquals(await (await Answering.fetch("http://host/")).text(), "answered");
    else await assertRejects(() => Answering.fetch("http://host/"), "TypeError: Callback returned incorrect type; expected 'Promise'");
    assertEquals(await Answering.get(), 7);
    let asked = false;
    ctx.waitUntil({ then: (resolve: () => void) => void (asked = true, resolve()) });
    await scheduler.wait(1);
    assertEquals(asked, flags.unwrap_custom_thenables);
  },
};

/** "hello" */
const BROTLI = [0x0b, 0x02, 0x80, 0x68, 0x65, 0x6c, 0x6c, 0x6f, 0x03];

export class Packed extends DurableObject {
  override fetch() {
    const headers = { "content-encoding": "br" };
    return new Response(new Uint8Array(BROTLI), { headers, encodeBody: "manual" });
  }
}

export const bodiesInBrotli = {
  async test(_: unknown, env: any) {
    const stub = env.Packed.get(env.Packed.idFromName("packed"));
    const bytes = new Uint8Array(await (await stub.fetch("http://object/")).arrayBuffer());
    assertEquals([...bytes], flags.brotli_content_encoding ? [..."hello"].map((c) => c.charCodeAt(0)) : BROTLI);
  },
};

export const modulesOfNode = {
  async test() {
    const outcome: any = await import("node:util" as any).then(() => "there", ({ message, stack }) => ({ message, stack }));
    if (flags.nodejs_compat) return assertEquals(outcome, "there");
    assertEquals(outcome.message, 'No such module "node:util".');
    assert(!/ext:/.test(outcome.stack), outcome.stack);
  },
};

export const channelsOfDiagnostics = {
  async test() {
    if (!flags.nodejs_compat) return;
    const { channel } = (await import("node:diagnostics_channel" as any)) as any;
    const { hasSubscribers } = channel("older dates");
    assertEquals(typeof hasSubscribers, flags.diagnostics_channel_has_subscribers_getter ? "boolean" : "function");
  },
};
