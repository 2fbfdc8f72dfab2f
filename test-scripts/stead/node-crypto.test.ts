// node:crypto where workerd fails: it does not read back the older form of a key that it writes.
// @ts-ignore: no types of Node's modules are installed
import { createPrivateKey, generateKeyPairSync } from "node:crypto";
import { assertEquals } from "../conformance/assert";

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
