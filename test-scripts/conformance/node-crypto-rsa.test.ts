// RSA of `node:crypto`, keys behind passphrases, and keys of Web Crypto.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import crypto from "node:crypto";
import { assert, assertEquals, assertThrows } from "./assert";
import { AUTHORITY_KEY, AUTHORITY_KEY_SCRYPT, AUTHORITY_KEY_SHA1, AUTHORITY_KEY_TRIPLE_DES, PLAIN_KEY, SERVER, SERVER_KEY, SERVER_KEY_AES256, SERVER_KEY_OLD_PEM } from "./certificates";

const privateKey = () => crypto.createPrivateKey(SERVER_KEY);
const publicKey = () => crypto.createPublicKey(SERVER_KEY);
const hello = Buffer.from("hello");

export const whatIsEncryptedForAKeyTheHolderReads = {
  test() {
    const paddings = [{}, { padding: 1 }, { padding: 4 }, { padding: 4, oaepHash: "sha256" }, { padding: 4, oaepHash: "sha512", oaepLabel: Buffer.from("label") }, { padding: 4, oaepHash: "md5" }];
    for (const options of paddings) {
      const secret = crypto.publicEncrypt({ key: publicKey(), ...options }, hello);
      assertEquals([secret.length, crypto.privateDecrypt({ key: privateKey(), ...options }, secret).toString()], [256, "hello"]);
    }
    const raw = Buffer.concat([Buffer.alloc(251), hello]);
    assert(crypto.privateDecrypt({ key: privateKey(), padding: 3 }, crypto.publicEncrypt({ key: publicKey(), padding: 3 }, raw)).equals(raw));
    assertEquals(crypto.privateDecrypt(privateKey(), crypto.publicEncrypt(SERVER, hello)).toString(), "hello");
    assertEquals(crypto.privateDecrypt(SERVER_KEY, crypto.publicEncrypt(SERVER_KEY, "text")).toString(), "text");
    const labelled = crypto.publicEncrypt({ key: publicKey(), padding: 4, oaepLabel: "one" }, hello);
    assertThrows(() => crypto.privateDecrypt({ key: privateKey(), padding: 4, oaepLabel: "two" }, labelled), "Error: Failed to cipher/decipher");
  },
};

export const whatTheHolderSendsEverybodyReads = {
  test() {
    const made = crypto.privateEncrypt(privateKey(), hello);
    assertEquals(crypto.publicDecrypt(publicKey(), made).toString(), "hello");
    assert(crypto.privateEncrypt(privateKey(), hello).equals(made));
    assertEquals(crypto.publicDecrypt(publicKey(), crypto.privateEncrypt({ key: SERVER_KEY_AES256, passphrase: "secret" }, hello)).toString(), "hello");
  },
};

export const whatRsaCannotDoIsTold = {
  test() {
    assertThrows(() => crypto.publicEncrypt(publicKey(), Buffer.alloc(300)), "Error: Failed to cipher/decipher");
    assertThrows(() => crypto.publicEncrypt({ key: publicKey(), padding: 99 }, hello), "Error: Failed to set the padding");
    assertThrows(() => crypto.privateEncrypt({ key: privateKey(), padding: 4 }, hello), "Error: Failed to set the padding");
    assertThrows(() => crypto.publicEncrypt({ key: publicKey(), oaepHash: "nope" }, hello), "Error: Unsupported hash digest");
    assertThrows(() => crypto.publicEncrypt({ key: publicKey(), oaepLabel: "label" }, hello), "Error: Failed to set the OAEP label");
    assertThrows(() => crypto.publicEncrypt({ key: publicKey(), oaepHash: 5 }, hello), /The "options.oaepHash" property must be of type string/);
    assertThrows(() => crypto.publicEncrypt(privateKey(), hello), /Invalid key object type private, expected public\./);
    assertThrows(() => crypto.privateDecrypt(publicKey(), hello), /Invalid key object type public, expected private\./);
    assertThrows(() => crypto.publicEncrypt(crypto.createPublicKey(AUTHORITY_KEY), hello), "Error: publicEncrypt() currently only supports RSA keys");
    assertThrows(() => crypto.privateDecrypt(privateKey(), Buffer.alloc(256, 1)), "Error: Failed to cipher/decipher");
    assertThrows(() => crypto.publicDecrypt(publicKey(), Buffer.alloc(256, 1)), "Error: Failed to cipher/decipher");
  },
};

export const keysAreReadWithTheirPassphrase = {
  test() {
    for (const [key, plain] of [[SERVER_KEY_AES256, SERVER_KEY], [SERVER_KEY_OLD_PEM, SERVER_KEY], [AUTHORITY_KEY_SHA1, AUTHORITY_KEY], [AUTHORITY_KEY_TRIPLE_DES, AUTHORITY_KEY]]) {
      const expected = crypto.createPrivateKey(plain);
      assert(crypto.createPrivateKey({ key, passphrase: "secret" }).equals(expected));
      assert(crypto.createPrivateKey({ key, passphrase: Buffer.from("secret") }).equals(expected));
      assert(crypto.createPublicKey({ key, passphrase: "secret" }).equals(crypto.createPublicKey(plain)));
      assert(crypto.createVerify("sha256").update("x").verify(crypto.createPublicKey(plain), crypto.createSign("sha256").update("x").sign({ key, passphrase: "secret" })));
      for (const passphrase of ["wrong", "", undefined]) assertThrows(() => crypto.createPrivateKey({ key, passphrase }), "Error: Failed to parse private key");
      assertThrows(() => crypto.createPrivateKey(key), "Error: Failed to parse private key");
      assertThrows(() => crypto.createPrivateKey({ key, passphrase: 5 }), /The "passphrase" argument must be of type string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView/);
    }
    assertThrows(() => crypto.createPrivateKey({ key: AUTHORITY_KEY_SCRYPT, passphrase: "secret" }), "Error: Failed to parse private key");
    assertThrows(() => crypto.createPrivateKey("x"), "Error: Failed to parse private key");
    assertThrows(() => crypto.createPublicKey("x"), "Error: Failed to parse public key");
    const der = Buffer.from(SERVER_KEY_AES256.split("\n").slice(1, -1).join(""), "base64");
    assert(crypto.createPrivateKey({ key: der, format: "der", type: "pkcs8", passphrase: "secret" }).equals(privateKey()));
  },
};

export const keysAreWrittenWithAPassphrase = {
  test() {
    const key = privateKey();
    for (const cipher of ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"]) {
      for (const [format, type] of [["pem", "pkcs8"], ["der", "pkcs8"], ["pem", "pkcs1"]]) {
        const made = key.export({ format, type, cipher, passphrase: "top" });
        assert(crypto.createPrivateKey({ key: made, format, type, passphrase: "top" }).equals(key), `${cipher} ${format} ${type}`);
        assertThrows(() => crypto.createPrivateKey({ key: made, format, type, passphrase: "secret" }), "Error: Failed to parse private key");
      }
    }
    const pem = key.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc", passphrase: "top" });
    assertEquals(pem.slice(0, 38), "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
    assert(/^-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,[0-9A-F]{32}\n\n/.test(key.export({ format: "pem", type: "pkcs1", cipher: "aes-128-cbc", passphrase: "top" })));
    const pair = crypto.generateKeyPairSync("ec", { namedCurve: "P-256", publicKeyEncoding: { type: "spki", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem", cipher: "aes-256-cbc", passphrase: "top" } });
    assert(crypto.createPublicKey({ key: pair.privateKey, passphrase: "top" }).equals(crypto.createPublicKey(pair.publicKey)));
    assertThrows(() => key.export({ format: "pem", type: "pkcs8", cipher: "nope", passphrase: "top" }), "Error: Unknown cipher: nope");
    assertThrows(() => key.export({ format: "pem", type: "pkcs8", cipher: "aes-256-gcm", passphrase: "top" }), "Error: Failed to export key");
    assertThrows(() => key.export({ format: "der", type: "pkcs1", cipher: "aes-256-cbc", passphrase: "top" }), /The selected key encoding pkcs1 does not support encryption\./);
    assertThrows(() => key.export({ format: "pem", type: "pkcs8", cipher: "aes-256-cbc" }), /The "options.passphrase" property must be of type string or an instance of Uint8Array. Received undefined/);
  },
};

export const keysOfWebCryptoAreKeysOfNode = {
  async test() {
    const { subtle } = crypto.webcrypto as any;
    const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
    const [secret, open] = [crypto.KeyObject.from(pair.privateKey), crypto.KeyObject.from(pair.publicKey)];
    assertEquals([secret.type, open.type, secret.asymmetricKeyType, secret[Symbol.toStringTag]], ["private", "public", "ec", "KeyObject"]);
    assertEquals(secret.export({ format: "der", type: "pkcs8" }).equals(Buffer.from(await subtle.exportKey("pkcs8", pair.privateKey))), true);
    const made = crypto.createSign("sha256").update("x").sign({ key: secret.export({ format: "pem", type: "pkcs8" }), dsaEncoding: "ieee-p1363" });
    assertEquals(await subtle.verify({ name: "ECDSA", hash: "SHA-256" }, pair.publicKey, made, Buffer.from("x")), true);
    const hidden = crypto.KeyObject.from(await subtle.importKey("raw", Buffer.alloc(16, 7), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]));
    assertEquals([hidden.type, hidden.symmetricKeySize], ["secret", 16]);
    assertThrows(() => hidden.export(), "TypeError: Unable to export non-extractable key");
    assertThrows(() => hidden.toCryptoKey("HKDF", true, ["deriveBits"]), /Cannot create an extractable CryptoKey from a non-extractable key\./);
    assertThrows(() => crypto.KeyObject.from("x"), /The "key" argument must be an instance of CryptoKey\. Received type string \('x'\)/);
  },
};

export const keysOfNodeAreKeysOfWebCrypto = {
  async test() {
    const { subtle } = crypto.webcrypto as any;
    const key = crypto.createSecretKey(Buffer.alloc(16, 7)).toCryptoKey({ name: "AES-CBC" }, false, ["encrypt"]);
    assertEquals([key.type, key.algorithm, key.extractable, key.usages], ["secret", { name: "AES-CBC", length: 128 }, false, ["encrypt"]]);
    assertEquals((await subtle.encrypt({ name: "AES-CBC", iv: Buffer.alloc(16) }, key, hello)).byteLength, 16);
    const [signs, verifies] = [crypto.createPrivateKey(PLAIN_KEY).toCryptoKey("Ed25519", true, ["sign"]), crypto.createPublicKey(PLAIN_KEY).toCryptoKey("Ed25519", true, ["verify"])];
    assertEquals(await subtle.verify("Ed25519", verifies, await subtle.sign("Ed25519", signs, hello), hello), true);
    const rsa = privateKey().toCryptoKey({ name: "RSA-OAEP", hash: "SHA-256" }, false, ["decrypt"]);
    const sent = crypto.publicEncrypt({ key: publicKey(), padding: 4, oaepHash: "sha256" }, hello);
    assertEquals(Buffer.from(await subtle.decrypt("RSA-OAEP", rsa, sent)).toString(), "hello");
    assertThrows(() => crypto.createSecretKey(Buffer.alloc(16)).toCryptoKey("nope", false, []), /Unrecognized key import algorithm "nope" requested\./);
    assertThrows(() => crypto.createSecretKey(Buffer.alloc(16)).toCryptoKey("AES-CBC", false, []), /Secret\/private CryptoKeys must have at least one usage\./);
  },
};

export const everyHashSigns = {
  test() {
    const curve = crypto.createPublicKey(AUTHORITY_KEY).export({ format: "pem", type: "spki" });
    for (const hash of ["sha1", "sha224", "sha256", "sha384", "sha512", "RSA-SHA256"]) {
      assert(crypto.verify(hash, hello, SERVER, crypto.sign(hash, hello, SERVER_KEY)), `rsa ${hash}`);
      for (const dsaEncoding of ["der", "ieee-p1363"]) {
        const made = crypto.sign(hash, hello, { key: AUTHORITY_KEY, dsaEncoding });
        assert(crypto.verify(hash, hello, { key: curve, dsaEncoding }, made), `ec ${hash}`);
        assertEquals(crypto.verify(hash, Buffer.from("hullo"), { key: curve, dsaEncoding }, made), false);
      }
    }
    assert(crypto.verify("md5", hello, SERVER, crypto.sign("md5", hello, SERVER_KEY)));
    assertEquals(crypto.verify("sha256", hello, { key: curve, dsaEncoding: "ieee-p1363" }, Buffer.alloc(63, 1)), false);
    assertThrows(() => crypto.sign(null, hello, SERVER_KEY), "Error: Failed to initialize signing context");
    assertThrows(() => crypto.sign("sha256", hello, PLAIN_KEY), "Error: Failed to initialize signing context");
    assertThrows(() => crypto.createSign("sha256").update("x").sign(PLAIN_KEY), "Error: Failed to set signature digest");
    assertThrows(() => crypto.sign("nope", hello, SERVER_KEY), "Error: Unknown digest: nope");
    assertThrows(() => crypto.sign("sha256", hello, { key: AUTHORITY_KEY, dsaEncoding: "x" }), /The property 'options.dsaEncoding' is invalid\. Received 'x'/);
  },
};

export const aSaltHasAnyLength = {
  test() {
    const sign = (saltLength?: number) => crypto.createSign("sha256").update("x").sign({ key: SERVER_KEY, padding: 6, saltLength });
    const verify = (made: unknown, saltLength?: number) => crypto.createVerify("sha256").update("x").verify({ key: SERVER, padding: 6, saltLength }, made);
    assertEquals([verify(sign(20), 20), verify(sign(20), -2), verify(sign(20), -1), verify(sign(-2), 222), verify(sign(), 32), verify(sign(32))], [true, true, false, true, true, true]);
    assertThrows(() => sign(300), "Error: Failed to generate signature");
  },
};

export const keysOfRsaHaveManySizes = {
  test() {
    const details = (modulusLength: number, publicExponent: number) => crypto.generateKeyPairSync("rsa", { modulusLength, publicExponent }).publicKey.asymmetricKeyDetails;
    assertEquals([details(1024, 3).modulusLength, String(details(1024, 17).publicExponent)], [1024, "17"]);
    for (const exponent of [0, 1, 2, 4]) assertThrows(() => details(1024, exponent), "Error: Failed to generate key");
    assertThrows(() => details(100, 65537), "Error: Failed to set modulus length");
  },
};
