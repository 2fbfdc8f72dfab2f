// node:buffer and node:string_decoder.
// @ts-ignore: no types of Node's modules are installed
import buffer, { Buffer, constants, isAscii, isUtf8, kMaxLength, transcode } from "node:buffer";
// @ts-ignore: the same
import { StringDecoder } from "node:string_decoder";

import { assert, assertEquals, assertThrows } from "./assert";

const list = (bytes: Uint8Array) => [...bytes];

export const encodings = {
  test() {
    const text = "h\u00e9llo \u20ac \u{1f600}";
    for (const encoding of ["utf8", "utf-8", "UTF8", "ucs2", "utf16le", "base64", "base64url", "hex"]) {
      const bytes = Buffer.from(text);
      const encoded = bytes.toString(encoding);
      if (encoding.toLowerCase().startsWith("utf8") || encoding === "utf-8") assertEquals(encoded, text);
      else if (encoding !== "ucs2" && encoding !== "utf16le") assertEquals(Buffer.from(encoded, encoding).toString(), text);
    }
    assertEquals(Buffer.from(text, "utf16le").toString("utf16le"), text);
    assertEquals(Buffer.from("\u00ff\u0100", "latin1").toString("hex"), "ff00");
    assertEquals(Buffer.from([0xe9, 0x41]).toString("latin1"), "\u00e9A");
    assertEquals(Buffer.from([0xe9, 0x41]).toString("ascii"), "iA");
    assertEquals(Buffer.from("\ufeffa").toString(), "\ufeffa");
    assertEquals(Buffer.from([0xff, 0x41]).toString(), "\ufffdA");
  },
};

export const lenientText = {
  test() {
    assertEquals(Buffer.from("abcxyz", "hex").toString("hex"), "abc".slice(0, 2));
    assertEquals(Buffer.from("abc", "hex").length, 1);
    assertEquals(Buffer.from("aGk=\n", "base64").toString(), "hi");
    assertEquals(Buffer.from("a G k", "base64").toString(), "hi");
    assertEquals(list(Buffer.from("-_-_", "base64")), [251, 255, 191]);
    assertEquals(list(Buffer.from("+/+/", "base64url")), [251, 255, 191]);
    assertEquals(Buffer.from([251, 255, 191]).toString("base64url"), "-_-_");
    assertEquals(Buffer.from("hi").toString("base64"), "aGk=");
    assertEquals(Buffer.from("hi").toString("base64url"), "aGk");
    assertEquals(Buffer.byteLength("\u20ac"), 3);
    assertEquals(Buffer.byteLength("aGk=", "base64"), 2);
    assertEquals(Buffer.byteLength("abcd", "hex"), 2);
    assertThrows(() => Buffer.from("a", "nope"), /^TypeError \[ERR_UNKNOWN_ENCODING\]: Unknown encoding: nope$/);
    assertThrows(() => Buffer.from("a").toString("nope"), /^TypeError \[ERR_UNKNOWN_ENCODING\]: Unknown encoding: nope$/);
    assert(Buffer.isEncoding("Base64URL") && !Buffer.isEncoding("nope") && !Buffer.isEncoding(""));
  },
};

export const making = {
  test() {
    const made = Buffer.from("ab");
    assert(made instanceof Uint8Array && made instanceof Buffer && Buffer.isBuffer(made) && !Buffer.isBuffer(new Uint8Array(1)));
    assertEquals(list(Buffer.alloc(3)), [0, 0, 0]);
    assertEquals(list(Buffer.alloc(5, "ab")), [97, 98, 97, 98, 97]);
    assertEquals(list(Buffer.alloc(3, "YQ==", "base64")), [97, 97, 97]);
    assertEquals(Buffer.allocUnsafe(4).length, 4);
    assertEquals(list(Buffer.from([1, 256, -1, 2.7])), [1, 0, 255, 2]);
    const shared = new Uint8Array([1, 2, 3, 4]);
    const view = Buffer.from(shared.buffer, 1, 2);
    shared[1] = 9;
    assertEquals(list(view), [9, 3]);
    const copy = Buffer.from(shared);
    shared[0] = 7;
    assertEquals(copy[0], 1);
    assertEquals(Buffer.from(JSON.parse(JSON.stringify(copy))).equals(copy), true);
    assertEquals(JSON.stringify(Buffer.from("a")), '{"type":"Buffer","data":[97]}');
    assertEquals(Buffer.concat([Buffer.from("a"), new Uint8Array([98])]).toString(), "ab");
    assertEquals(Buffer.concat([Buffer.from("abc")], 2).toString(), "ab");
    assertEquals(list(Buffer.concat([Buffer.from("a")], 3)), [97, 0, 0]);
    assertThrows(() => Buffer.from(5 as any), /^TypeError \[ERR_INVALID_ARG_TYPE\]: The first argument must be of type string or an instance of Buffer, TypedArray, ArrayBuffer, SharedArrayBuffer, or Array/);
    assertThrows(() => Buffer.alloc("5" as any), `TypeError [ERR_INVALID_ARG_TYPE]: The "size" argument must be of type number. Received type string ('5')`);
    assertThrows(() => Buffer.concat(1 as any), /^TypeError \[ERR_INVALID_ARG_TYPE\]: The "list" argument must be an/);
  },
};

export const readingAndWriting = {
  test() {
    const bytes = Buffer.alloc(16);
    assertEquals(bytes.writeUInt32BE(0xdeadbeef, 0), 4);
    bytes.writeInt16LE(-2, 4);
    bytes.writeDoubleBE(1.5, 8);
    assertEquals(bytes.toString("hex"), "deadbeeffeff00003ff8000000000000");
    assertEquals([bytes.readUInt32BE(0), bytes.readInt32BE(0), bytes.readInt16LE(4), bytes.readUInt8(1), bytes.readUint8(1)], [0xdeadbeef, -559038737, -2, 0xad, 0xad]);
    assertEquals(bytes.readDoubleBE(8), 1.5);
    bytes.writeBigInt64LE(-5n, 0);
    assertEquals([bytes.readBigInt64LE(0), bytes.readBigUInt64LE(0)], [-5n, 18446744073709551611n]);
    bytes.writeUIntBE(0x123456, 0, 3);
    assertEquals([bytes.readUIntBE(0, 3), bytes.readUIntLE(0, 3)], [0x123456, 0x563412]);
    bytes.writeFloatLE(0.5, 0);
    assertEquals(bytes.readFloatLE(0), 0.5);
    assertThrows(() => bytes.readUInt32LE(14), /^RangeError.*: The value of "offset" is out of range\. It must be >= 0 and <= 12\. Received 14$/);
    assertThrows(() => bytes.writeUInt8(256, 0), /^RangeError.*: The value of "value" is out of range/);

    assertEquals(bytes.write("\u20ac\u20ac", 1, 5), 3);
    assertEquals(bytes.write("ff", 0, "hex"), 1);
    assertEquals(list(bytes.subarray(0, 4)), [0xff, 0xe2, 0x82, 0xac]);
    assertThrows(() => bytes.write("a", 99), /^RangeError.*: The value of "offset" is out of range/);
  },
};

export const searchingAndComparing = {
  test() {
    const bytes = Buffer.from("this is a buffer");
    assertEquals([bytes.indexOf("is"), bytes.indexOf("is", 3), bytes.lastIndexOf("is"), bytes.indexOf(98), bytes.indexOf(Buffer.from("a b")), bytes.indexOf("nope")], [2, 5, 5, 10, 8, -1]);
    assert(bytes.includes("buffer") && !bytes.includes("buffers"));
    assertEquals(bytes.indexOf("6973", 0, "hex"), 2);
    assertEquals([Buffer.compare(Buffer.from("a"), Buffer.from("b")), Buffer.from("b").compare(Buffer.from("a"))], [-1, 1]);
    assert(Buffer.from("a").equals(new Uint8Array([97])));
    assertEquals(Buffer.from("abc").slice(1).toString(), "bc");
    const whole = Buffer.from("abcd");
    whole.subarray(1, 3)[0] = 120;
    assertEquals(whole.toString(), "axcd");
    assertEquals(Buffer.from("abcd").swap16().toString(), "badc");
    assertEquals(Buffer.from("abcd").fill("xy", 1, 3).toString(), "axyd");
    const target = Buffer.alloc(4);
    assertEquals([Buffer.from("abcdef").copy(target, 1, 2, 9), target.toString("latin1")], [3, "\0cde"]);
    assertEquals(Buffer.from("abc").toString("utf8", 1, 2), "b");
    assertEquals([...Buffer.from("ab").entries()], [[0, 97], [1, 98]]);
    assert(Buffer.from("ab").map((b: number) => b + 1) instanceof Buffer);
  },
};

export const rest = {
  test() {
    assert(isAscii(Buffer.from("a")) && !isAscii(Buffer.from("\u00e9")));
    assert(isUtf8(Buffer.from("\u00e9")) && !isUtf8(Buffer.from([0xff])));
    assertEquals(transcode(Buffer.from("\u00e9"), "utf8", "utf16le").toString("hex"), "e900");
    assertEquals([typeof kMaxLength, typeof constants.MAX_LENGTH, buffer.Buffer === Buffer, (globalThis as any).Buffer === Buffer], ["number", "number", true, true]);
    assert(buffer.Blob === Blob && buffer.File === File && buffer.atob("YQ==") === "a");
  },
};

export const decoding = {
  test() {
    const euro = Buffer.from("\u20ac");
    const decoder = new StringDecoder("utf8");
    assertEquals([decoder.write(euro.subarray(0, 1)), decoder.write(euro.subarray(1, 2)), decoder.write(euro.subarray(2)), decoder.end()], ["", "", "\u20ac", ""]);
    assertEquals([decoder.write(Buffer.from([0x61, 0xe2, 0x82])), decoder.end()], ["a", "\ufffd"]);
    const base64 = new StringDecoder("base64");
    assertEquals([base64.write(Buffer.from("abcd")), base64.end(Buffer.from("e"))], ["YWJj", "ZGU="]);
    assertEquals(new StringDecoder("hex").write(Buffer.from("a")), "61");
    assertThrows(() => new StringDecoder("nope"), /^TypeError.*Unknown encoding: nope/);
  },
};
