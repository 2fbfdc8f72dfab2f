// node:crypto. What is expected comes from the standards' test vectors and from Node itself.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import crypto, { createCipheriv, createDecipheriv, createHash, createHmac, createPrivateKey, createPublicKey, createSecretKey, createSign, createVerify, hkdfSync, pbkdf2, pbkdf2Sync, randomBytes, randomFillSync, randomInt, randomUUID, scrypt, scryptSync, sign, timingSafeEqual, verify } from "node:crypto";
// @ts-ignore: the same
import { promisify } from "node:util";

import { assert, assertEquals, assertThrows } from "./assert";

export const hashes = {
  test() {
    assertEquals(createHash("sha256").update("abc").digest("hex"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assertEquals(createHash("SHA1").update("a").update(Buffer.from("bc")).digest("base64"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
    assertEquals(createHash("md5").update("abc").digest("hex"), "900150983cd24fb0d6963f7d28e17f72");
    assertEquals(createHash("sha512").update("abc").digest("hex").slice(0, 16), "ddaf35a193617aba");
    assertEquals(createHash("sha384").update("616263", "hex").digest("base64url").slice(0, 8), "ywB1P0Wj");
    const hash = createHash("sha256").update("a");
    const copy = hash.copy();
    assertEquals([hash.update("b").digest("hex").slice(0, 8), copy.digest("hex").slice(0, 8)], ["fb8e20fc", "ca978112"]);
    assertThrows(() => hash.update("c"), /Digest already called/);
    assertThrows(() => createHash("nope"), /Digest method not supported/);
    assert(createHash("sha256").digest() instanceof Buffer);
    assert(crypto.getHashes().includes("sha256"));
  },
};

export const hmacs = {
  test() {
    assertEquals(createHmac("sha256", "key").update("The quick brown fox jumps over the lazy dog").digest("hex"), "f7bc83f430538424b13298e6aa6fb143ef4d59a14946175997479dbc2d1a3cd8");
    assertEquals(createHmac("md5", "key").update("The quick brown fox jumps over the lazy dog").digest("hex"), "80070713463e7749b90c2dc24911e275");
    assertEquals(createHmac("sha512", Buffer.alloc(200, 1)).update("x").digest("hex").slice(0, 16), createHmac("sha512", createSecretKey(Buffer.alloc(200, 1))).update("x").digest("hex").slice(0, 16));
    assertThrows(() => createHmac("nope", "key"), /Digest method not supported/);
    assertThrows(() => createHmac("sha256", undefined), /The "key" argument must be/);
  },
};

export const asStreams = {
  async test() {
    const hash = createHash("sha256");
    hash.end("abc");
    let text = "";
    for await (const chunk of hash) text += chunk.toString("hex");
    assertEquals(text.slice(0, 8), "ba7816bf");
  },
};

export const random = {
  async test() {
    assertEquals([randomBytes(60000).length, randomUUID().length, randomBytes(8).equals(randomBytes(8))], [60000, 36, false]);
    for (let i = 0; i < 100; i++) {
      const value = randomInt(3, 6);
      assert(value >= 3 && value < 6);
    }
    assertEquals(randomInt(1), 0);
    assert(randomFillSync(new Uint8Array(16)).some((byte: number) => byte !== 0));
    assertEquals((await promisify(randomBytes)(4) as any).length, 4);
    assertThrows(() => randomInt(5, 5), /The value of "min" is out of range. It must be min < max. Received 5/);
    assert(timingSafeEqual(Buffer.from("a"), Buffer.from("a")) && !timingSafeEqual(Buffer.from("a"), Buffer.from("b")));
    assertThrows(() => timingSafeEqual(Buffer.from("a"), Buffer.from("ab")), /Input buffers must have the same byte length/);
    assert(crypto.webcrypto.subtle === (globalThis as any).crypto.subtle);
  },
};

export const derivations = {
  async test() {
    const expected = "0c60c80f961f0e71f3a9b524af6012062fe037a6";
    assertEquals(pbkdf2Sync("password", "salt", 1, 20, "sha1").toString("hex"), expected);
    assertEquals((await promisify(pbkdf2)("password", "salt", 1, 20, "sha1") as any).toString("hex"), expected);
    assertEquals(Buffer.from(hkdfSync("sha256", Buffer.alloc(22, 0x0b), Buffer.from("000102030405060708090a0b0c", "hex"), Buffer.from("f0f1f2f3f4f5f6f7f8f9", "hex"), 42)).toString("hex"), "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
    assertEquals(scryptSync("pleaseletmein", "SodiumChloride", 64, { N: 16, r: 8, p: 1 }).length, 64);
    assertEquals(scryptSync("password", "NaCl", 64, { N: 1024, r: 8, p: 16 }).toString("hex").slice(0, 32), "fdbabe1c9d3472007856e7190d01e9fe");
    assertEquals((await promisify(scrypt as any)("password", "NaCl", 32) as any).length, 32);
    assertThrows(() => pbkdf2Sync("a", "b", 1, 1, "nope"), "TypeError: Invalid Pbkdf2 digest: nope.");
  },
};

export const ciphers = {
  test() {
    const key = Buffer.from("000102030405060708090a0b0c0d0e0f", "hex");
    const iv = Buffer.alloc(16, 7);
    for (const [name, size, ivSize] of [["aes-128-cbc", 16, 16], ["aes-192-cbc", 24, 16], ["aes-256-cbc", 32, 16], ["aes-256-ctr", 32, 16], ["aes-128-ecb", 16, 0]] as const) {
      for (const length of [0, 1, 15, 16, 17, 100]) {
        const secret = Buffer.alloc(size, 3);
        const start = ivSize === 0 ? null : iv;
        const text = Buffer.alloc(length, "xyz");
        const cipher = createCipheriv(name, secret, start);
        const encrypted = Buffer.concat([cipher.update(text.subarray(0, 7)), cipher.update(text.subarray(7)), cipher.final()]);
        const decipher = createDecipheriv(name, secret, start);
        const decrypted = Buffer.concat([decipher.update(encrypted.subarray(0, 20)), decipher.update(encrypted.subarray(20)), decipher.final()]);
        assertEquals([name, length, decrypted.equals(text)], [name, length, true]);
      }
    }
    assertThrows(() => createCipheriv("aes-128-cbc", "short", iv), /Invalid key length/);
    assertThrows(() => createCipheriv("aes-128-cbc", key, "short"), /Invalid initialization vector/);
    assertThrows(() => createCipheriv("nope", key, iv), /^Error: Unknown or unsupported cipher: nope$/);
    const wrong = createDecipheriv("aes-128-cbc", key, iv);
    wrong.update(Buffer.alloc(16, 9));
    assertThrows(() => wrong.final(), /Authentication failed/);
  },
};

export const knownCiphertexts = {
  test() {
    // NIST SP 800-38A, F.2.1 and F.5.1, and the GCM specification's test case 4.
    const key = Buffer.from("2b7e151628aed2a6abf7158809cf4f3c", "hex");
    const block = Buffer.from("6bc1bee22e409f96e93d7e117393172a", "hex");
    const cbc = createCipheriv("aes-128-cbc", key, Buffer.from("000102030405060708090a0b0c0d0e0f", "hex")).setAutoPadding(false);
    assertEquals(cbc.update(block, undefined, "hex") + cbc.final("hex"), "7649abac8119b246cee98e9b12e9197d");
    const ctr = createCipheriv("aes-128-ctr", key, Buffer.from("f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff", "hex"));
    assertEquals(ctr.update(block, undefined, "hex"), "874d6191b620e3261bef6864990db6ce");
    const gcm = createCipheriv("aes-128-gcm", Buffer.from("feffe9928665731c6d6a8f9467308308", "hex"), Buffer.from("cafebabefacedbaddecaf888", "hex"));
    gcm.setAAD(Buffer.from("feedfacedeadbeeffeedfacedeadbeefabaddad2", "hex"));
    const text = Buffer.from("d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39", "hex");
    assertEquals(gcm.update(text, undefined, "hex") + gcm.final("hex"), "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091");
    assertEquals(gcm.getAuthTag().toString("hex"), "5bc94fbc3221a5db94fae95ae7121a47");
  },
};

export const authenticated = {
  test() {
    const key = Buffer.alloc(32, 1);
    for (const ivSize of [12, 16, 7]) {
      const iv = Buffer.alloc(ivSize, 2);
      const cipher = createCipheriv("aes-256-gcm", key, iv);
      cipher.setAAD(Buffer.from("header"));
      const encrypted = Buffer.concat([cipher.update(Buffer.from("secret ")), cipher.update("text of some length", "utf8"), cipher.final()]);
      const tag = cipher.getAuthTag();
      const open = (changed: Uint8Array) => {
        const decipher = createDecipheriv("aes-256-gcm", key, iv);
        decipher.setAAD(Buffer.from("header"));
        decipher.setAuthTag(changed);
        return decipher.update(encrypted, undefined, "utf8") + decipher.final("utf8");
      };
      assertEquals([tag.length, open(tag)], [16, "secret text of some length"]);
      const other = Buffer.from(tag);
      other[0] ^= 1;
      assertThrows(() => open(other), /Authentication failed/);
    }
  },
};

// Made by `openssl genpkey` for this test alone.
const RSA = `-----BEGIN PRIVATE KEY-----
MIIEvAIBADANBgkqhkiG9w0BAQEFAASCBKYwggSiAgEAAoIBAQC5TTszK0A2POTa
R6Dj2DCvFy8ouK6z4m5RYF95tuwfUU7sOfQc9OYZSW2mT8jrMdJ/YcJfIQn8CL0Z
wzZvtuv0uA/i06srjMgviam2TDBC3R5aJfAsB+uioaO38CvXHk5CbeJHnkzClnUI
HW8baSn8hFmm7oyahOMLqe/UqvoPIZOBuh8MwkjeM8VA2GsAcx2RiEev7CukXNUn
K18+f8y21RzkkkS7rMQFu8FUGCv8P30FRuwCGPw6chPRC1aKqsAPHGKhez5uL3Ql
0rPDmQCtCvojQnEYbwho6myMqzX37C7OzU6Y1Vl4yqylfeGFlUlztkBz6WYaZKOI
1JjrR3tTAgMBAAECggEAMszwkOunk/cHyqveePh5CFdzz1cqVhiao+am5ih2/XL+
DxcoTJP7TS1rSTAQZiJnkhKMBiZ5pUYECb8R+niMoa+gc1ASWkMjUp0MEPU8OeiC
/LXv7TJSsGheCPxoGHavf9i+M2I7qxEyjoH7RumC4D6skW5Oz8HkuPrizEv/eAwF
/8oVKO9aZ4zs3m4PTboCgwz47wuhXieUtqzttLnsEhjnvQ+fplafRBDFF/v7zYnX
9YShWcmOufIB92VT3meoDINKcAKGKjPz9Oak/W5hEbt+QdBak1J6km+ACvf/A4ys
xTEoymx4fO5DMttPB4Hz5DOXxrBksf8liKdnuaS2gQKBgQDeuall2f4JHpXIwx6u
JHwq/NbjxogR6/m0ZAXkvAThuwAAEIBxdhu6ctU/Qqbt6jtMKF29Fvw6OiVac+iN
dnyEOuXEXIZOzeaKNmDSmGggckRxT3g131tTSRgheXr9iLHHm7LCBTmLb67aE/Kg
QgFO+ELd76OuhZhhuR3IrLHXEwKBgQDU/EUk0Ng8Dz8WGsWU94fdNRuu4t8ZvNG2
FM8K6+xWbiIOVpuYvXZmDM8J7fokwgRXK+x9onJ0TDugmC1EutJeQCPEtQVDHG3Q
k0rP6bNFBVJsxJev2atXA+TH4j6nfhf113k+biyrQ48W/MUP5WWQ3w3SrPaTiqfC
bxx4UTcSwQKBgAbjgSzISEYp7wINnuZN9JUzysWyv0SmosuEiHYhppkAuqhF2mMn
/wWORbA2NImJRBo/6V5O1rBKWhtpGFk/v+wrEi43mmPXlHjT47y/wAC46AsFJTet
V9rEmP14D2jGEJGW7Dl6BeSdKLBQC6IPSJETtqW8orhkI2lqW1R4muuHAoGAdVbO
mSveFaiorvrs49dDqOE7cSxYkYtvVgs8zd2QhUWDybZ5Xrry4eIopmXPrDSfw47V
aZn3yI6/QwjT18u9XmOj0RmR3plo/sJHMyijtWDrOjVNBHq9ZOEmR+Ejd4+Gj9C4
YWa9gVVlHdsAjnNpc1kP+oOEDWEUb5BbdQX5e4ECgYBntxr3wbDR45Q+gWeoCtvM
IbIMzTXhzz1/+CYG03jLAgU8+7kodLD0SIgg/pHDDeTx2QYIYDqpFVee2SWoVD48
Q0hBsb3CumtcRqlCkWjURMe3i6hlY1HXryAEeQEZY6pRTVHC9IY2Xz1eIqgezJLn
74S5DxKWYOUdyP0+4zJgxg==
-----END PRIVATE KEY-----
`;
const EC = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgQCvIAr+LLeujc2Ok
bxA0HpFab7L0V92klv62TXXp0UahRANCAAQjLzOJIMgh5ZEmZCFX33pTncgThq5j
aZ5uFGxkKThaM/d0P4/XfYYFqYMhDt/NxFE4Wn+PLYtoWIyHGmiNGrB0
-----END PRIVATE KEY-----
`;
const ED25519 = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIPyWpFh1/gFLfHEmodYwlmkTHjUVif3lZU9TOUR3I/3a
-----END PRIVATE KEY-----
`;

export const signatures = {
  test() {
    for (const [pem, hash] of [[RSA, "RSA-SHA256"], [RSA, "sha512"], [EC, "sha256"]] as const) {
      const made = createSign(hash).update("some ").update("data").sign(pem);
      const key = createPublicKey(pem);
      assert(createVerify(hash).update("some data").verify(key, made), hash);
      assert(!createVerify(hash).update("other data").verify(key, made), hash);
    }
    const made = sign(null, Buffer.from("data"), ED25519);
    assertEquals([made.length, verify(null, Buffer.from("data"), createPublicKey(ED25519), made)], [64, true]);
    assertEquals(made.toString("hex"), "20a558618c1925bc6e97b1bed46eb341fc2465baf12e37aea0832f0f706441a90b9f80237a886137f84cd05559ce7face3f93fc45313258a8c08b36c02527c0a");
    const plain = sign("sha256", Buffer.from("data"), { key: EC, dsaEncoding: "ieee-p1363" });
    assertEquals([plain.length, verify("sha256", Buffer.from("data"), { key: createPublicKey(EC).export({ type: "spki", format: "pem" }), dsaEncoding: "ieee-p1363" }, plain)], [64, true]);
  },
};

export const keys = {
  test() {
    const rsa = createPrivateKey(RSA);
    assertEquals([rsa.type, rsa.asymmetricKeyType, rsa.asymmetricKeyDetails.modulusLength], ["private", "rsa", 2048]);
    assertEquals(rsa.export({ type: "pkcs8", format: "pem" }), RSA);
    const open = createPublicKey(rsa);
    assertEquals([open.type, createPublicKey(open.export({ type: "spki", format: "pem" })).equals(open)], ["public", true]);
    assertEquals([createPrivateKey(EC).asymmetricKeyType, createPrivateKey(EC).asymmetricKeyDetails.namedCurve, createPrivateKey(ED25519).asymmetricKeyType], ["ec", "prime256v1", "ed25519"]);
    const secret = createSecretKey(Buffer.from("abc"));
    assertEquals([secret.type, secret.symmetricKeySize, secret.export().toString(), secret.export({ format: "jwk" }).k], ["secret", 3, "abc", "YWJj"]);
  },
};
