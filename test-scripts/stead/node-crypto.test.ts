// node:crypto where workerd fails: it does not read back the older form of a key that it writes, and knows no private key
// as that of a certificate.
// @ts-ignore: no types of Node's modules are installed
import { createPrivateKey, createPublicKey, generateKeyPairSync, X509Certificate } from "node:crypto";
import { assertEquals, assertThrows } from "../conformance/assert";
import { AUTHORITY_KEY, SERVER, SERVER_KEY } from "../conformance/certificates";

export const aKeyInItsOlderFormIsTheSameKey = {
  test() {
    for (const namedCurve of ["P-256", "P-384", "P-521"]) {
      const { privateKey } = generateKeyPairSync("ec", { namedCurve });
      const pem = privateKey.export({ format: "pem", type: "sec1" });
      assertEquals(createPrivateKey(pem).equals(privateKey), true);
      const key = privateKey.export({ format: "der", type: "sec1" });
      assertEquals(createPrivateKey({ key, format: "der", type: "sec1" }).equals(privateKey), true);
    }
  },
};

export const aCertificateKnowsItsPrivateKey = {
  test() {
    const certificate = new X509Certificate(SERVER);
    assertEquals(certificate.checkPrivateKey(createPrivateKey(SERVER_KEY)), true);
    assertEquals(certificate.checkPrivateKey(createPrivateKey(AUTHORITY_KEY)), false);
    assertEquals(createPublicKey(SERVER_KEY).equals(certificate.publicKey), true);
    assertThrows(() => certificate.checkPrivateKey(certificate.publicKey), /must be an instance of KeyObject/);
  },
};
