// Keys of `node:crypto` and what they agree on: ECDH, Diffie-Hellman, X25519, keys as JSON, primes.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import crypto from "node:crypto";
import { assertEquals } from "./assert";

/** What a function throws, in short. */
function thrown(run: () => unknown): string {
  try {
    return `nothing, but ${run()}`;
  } catch (error) {
    const { name, code, message } = error as Error & { code?: string };
    return code === undefined ? `${name}: ${message}` : `${code}: ${message}`;
  }
}

const CURVES = ["prime256v1", "secp384r1", "secp521r1"];

export const twoSidesOfACurveAgree = {
  test() {
    for (const curve of CURVES) {
      const [ann, bob] = [crypto.createECDH(curve), crypto.createECDH(curve)];
      const public_ = ann.generateKeys();
      bob.generateKeys();
      const secret = ann.computeSecret(bob.getPublicKey());
      assertEquals(bob.computeSecret(ann.getPublicKey("hex"), "hex", "hex"), secret.toString("hex"));
      assertEquals(bob.computeSecret(ann.getPublicKey("base64", "compressed"), "base64").equals(secret), true);
      assertEquals(public_.equals(ann.getPublicKey()), true);
      const compressed = ann.getPublicKey("hex", "compressed");
      const converted = crypto.ECDH.convertKey(compressed, curve, "hex", "hex", "uncompressed");
      assertEquals(converted, ann.getPublicKey("hex"));
      assertEquals(crypto.ECDH.convertKey(public_, curve, undefined, "hex", "compressed"), compressed);
    }
  },
};

export const aPrivateKeyOfACurveGivesThePublicOne = {
  test() {
    const ecdh = crypto.createECDH("prime256v1");
    ecdh.setPrivateKey("01".repeat(32), "hex");
    assertEquals(ecdh.getPrivateKey("hex"), "01".repeat(32));
    assertEquals(
      ecdh.getPublicKey("hex", "compressed"),
      "026ff03b949241ce1dadd43519e6960e0a85b41a69a05c328103aa2bce1594ca16",
    );
    assertEquals(
      crypto.ECDH.convertKey("021b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f", "prime256v1", "hex", "hex", "uncompressed"),
      "041b84c5567b126440995d3ed5aaba0565d71e1834604819ff9c17f5e9d5dd078f67efd595752197a8bb31e93263ebb2824db3d3c5fe58c1f7828565c241fc1128",
    );
    assertEquals(new crypto.ECDH("prime256v1") instanceof crypto.ECDH, true);
  },
};

export const whatIsWrongWithACurveIsTold = {
  test() {
    const ecdh = crypto.createECDH("prime256v1");
    assertEquals(thrown(() => ecdh.getPublicKey()), "Error: Failed to get ECDH public key");
    assertEquals(thrown(() => ecdh.getPrivateKey()), "Error: Failed to get ECDH private key");
    const other = crypto.createECDH("prime256v1").generateKeys();
    assertEquals(thrown(() => ecdh.computeSecret(other)), "Error: Invalid keypair");
    ecdh.generateKeys();
    assertEquals(thrown(() => ecdh.computeSecret(Buffer.alloc(65))), "Error: Failed to set point");
    other[40] ^= 1;
    assertEquals(thrown(() => ecdh.computeSecret(other)), "Error: Failed to set point");
    assertEquals(
      thrown(() => ecdh.setPrivateKey(Buffer.alloc(32))),
      "Error: Private key is not valid for specified curve.",
    );
    assertEquals(thrown(() => crypto.createECDH("nope")), "Error: Invalid curve");
    assertEquals(thrown(() => crypto.createECDH("secp256k1")), "Error: Failed to create key using named curve");
    assertEquals(thrown(() => ecdh.getPublicKey("hex", "hybrid")), "Error: Failed to get public key length");
    assertEquals(thrown(() => crypto.ECDH.convertKey("02ff", "prime256v1", "hex")), "Error: Failed to set point");
    assertEquals(
      thrown(() => crypto.createECDH(undefined as never)),
      'ERR_INVALID_ARG_TYPE: The "curveName" argument must be of type string. Received undefined',
    );
  },
};

export const twoSidesOfAKnownGroupAgree = {
  test() {
    const [ann, bob] = [crypto.getDiffieHellman("modp14"), crypto.createDiffieHellmanGroup("modp14")];
    ann.generateKeys();
    bob.generateKeys();
    assertEquals(ann.computeSecret(bob.getPublicKey()).equals(bob.computeSecret(ann.getPublicKey())), true);
    assertEquals([ann.getPrime().length, ann.getGenerator("hex"), ann.verifyError], [256, "02", 8]);
    assertEquals(ann.constructor.name, "DiffieHellmanGroup");
    assertEquals(ann.setPublicKey, undefined);
    // The primes of the standard begin and end in ones.
    for (const [name, bytes] of [["modp14", 256], ["modp15", 384], ["modp16", 512]] as const) {
      const prime = crypto.getDiffieHellman(name).getPrime("hex");
      assertEquals(prime.length, bytes * 2);
      assertEquals([prime.slice(0, 40), prime.slice(-16)], ["ffffffffffffffffc90fdaa22168c234c4c6628b", "f".repeat(16)]);
    }
    assertEquals(crypto.checkPrimeSync(crypto.getDiffieHellman("modp14").getPrime()), true);
    assertEquals(
      thrown(() => crypto.getDiffieHellman("modp5")),
      "Error: Failed to init DiffieHellmanGroup: invalid group. Only groups {modp14, modp15, modp16, modp17, modp18} are supported.",
    );
  },
};

export const aGroupOfOnesOwnIsCheckedAndUsed = {
  test() {
    const own = crypto.createDiffieHellman("17", "hex", "05", "hex");
    own.setPrivateKey("06", "hex");
    assertEquals([own.generateKeys("hex"), own.getPrivateKey("hex"), own.verifyError], ["08", "06", 0]);
    assertEquals(own.computeSecret("13", "hex", "hex"), "02");
    own.setPublicKey("09", "hex");
    assertEquals(own.getPublicKey("hex"), "09");
    const prime = crypto.getDiffieHellman("modp14").getPrime();
    const [ann, bob] = [crypto.createDiffieHellman(prime), crypto.createDiffieHellman(prime.toString("hex"), "hex", 2)];
    ann.generateKeys();
    bob.generateKeys("hex");
    assertEquals(ann.computeSecret(bob.getPublicKey()).equals(bob.computeSecret(ann.getPublicKey())), true);
    const errors = [[23, 3], [21, 2], [13, 5]].map(([p, g]) => crypto.createDiffieHellman(Buffer.from([p]), g).verifyError);
    assertEquals(errors, [4, 9, 2]);
    assertEquals(crypto.createDiffieHellman(64).getPrime().length, 8);
    assertEquals(thrown(() => crypto.createDiffieHellman(1)), "Error: DiffieHellman init failed: could not generate parameters");
    assertEquals(
      thrown(() => crypto.createDiffieHellman({} as never)),
      'ERR_INVALID_ARG_TYPE: The "sizeOrKey" argument must be one of type number or string or an instance of ArrayBuffer, Buffer, TypedArray, or DataView. Received an instance of Object',
    );
  },
};

export const whatIsWrongWithAnExchangeIsTold = {
  test() {
    const dh = crypto.getDiffieHellman("modp14");
    assertEquals(thrown(() => dh.getPublicKey()), "Error: No public key");
    assertEquals(thrown(() => dh.getPrivateKey()), "Error: No private key");
    const failed = "DiffieHellman computeSecret() failed:";
    assertEquals(thrown(() => dh.computeSecret(Buffer.from([5]))), `Error: ${failed} error computing shared secret`);
    dh.generateKeys();
    assertEquals(thrown(() => dh.computeSecret(Buffer.from([1]))), `RangeError: ${failed} Supplied key is too small`);
    assertEquals(thrown(() => dh.computeSecret(Buffer.from([]))), `Error: ${failed} invalid key`);
    assertEquals(thrown(() => dh.computeSecret(dh.getPrime())), `RangeError: ${failed} Supplied key is too large`);
  },
};

const KINDS: [string, object][] = [
  ["ec", { namedCurve: "P-256" }],
  ["ec", { namedCurve: "secp384r1" }],
  ["ec", { namedCurve: "P-521" }],
  ["ed25519", {}],
  ["x25519", {}],
  ["rsa", { modulusLength: 2048 }],
];
const pairOf = (kind: string, options: object) => crypto.generateKeyPairSync(kind, options);

export const keysComeBackFromJson = {
  test() {
    for (const [kind, options] of KINDS) {
      const { publicKey, privateKey } = pairOf(kind, options);
      const [open, secret] = [publicKey.export({ format: "jwk" }), privateKey.export({ format: "jwk" })];
      const import_ = (key: object) => crypto.createPublicKey({ key, format: "jwk" });
      assertEquals(import_(open).equals(publicKey), true);
      assertEquals(import_(secret).equals(publicKey), true);
      assertEquals(crypto.createPrivateKey({ key: secret, format: "jwk" }).equals(privateKey), true);
      assertEquals([open.d, typeof secret.d], [undefined, "string"]);
      const pem = privateKey.export({ format: "pem", type: "pkcs8" });
      assertEquals(crypto.createPrivateKey(pem).equals(privateKey), true);
    }
    const names = (kind: string, options: object) => {
      const { kty, crv } = pairOf(kind, options).publicKey.export({ format: "jwk" });
      return [kty, crv ?? "none"].join(" ");
    };
    const found = KINDS.map(([kind, options]) => names(kind, options));
    assertEquals(found, ["EC P-256", "EC P-384", "EC P-521", "OKP Ed25519", "OKP X25519", "RSA none"]);
    assertEquals(crypto.createSecretKey(Buffer.from("abc")).export({ format: "jwk" }).k, "YWJj");
  },
};

export const jsonThatIsNoKeyIsRefused = {
  test() {
    const from = (key: object) => () => crypto.createPublicKey({ key, format: "jwk" } as never);
    assertEquals(thrown(from({ kty: "nope" })), "Error: JWK public key import is not implemented for this key type");
    assertEquals(thrown(from({ kty: "EC", crv: "P-256", x: "AA" })), "Error: EC JWK missing y parameter");
    const key = pairOf("ed25519", {}).publicKey.export({ format: "jwk" });
    assertEquals(
      thrown(() => crypto.createPrivateKey({ key, format: "jwk" })),
      "Error: OKP JWK missing d parameter",
    );
  },
};

export const aKeyOfACurveHasTheOlderForm = {
  test() {
    const { privateKey } = pairOf("ec", { namedCurve: "P-256" });
    const pem = privateKey.export({ format: "pem", type: "sec1" });
    assertEquals(String(pem).split("\n")[0], "-----BEGIN EC PRIVATE KEY-----");
    assertEquals(
      thrown(() => pairOf("x25519", {}).privateKey.export({ format: "pem", type: "sec1" })),
      "ERR_CRYPTO_INCOMPATIBLE_KEY_OPTIONS: The selected key encoding sec1 can only be used for EC keys.",
    );
  },
};

export const twoKeysAgree = {
  test() {
    for (const [kind, options] of KINDS.filter(([kind]) => kind === "ec" || kind === "x25519")) {
      const [ann, bob] = [pairOf(kind, options), pairOf(kind, options)];
      const secret = crypto.diffieHellman({ privateKey: ann.privateKey, publicKey: bob.publicKey });
      const same = crypto.diffieHellman({ privateKey: bob.privateKey, publicKey: ann.publicKey });
      assertEquals(secret.equals(same), true);
    }
    const [curve, edwards] = [pairOf("ec", { namedCurve: "P-256" }), pairOf("x25519", {})];
    const agree = (options: object) => thrown(() => crypto.diffieHellman(options as never));
    assertEquals(
      agree({ privateKey: edwards.privateKey, publicKey: curve.publicKey }),
      "ERR_INVALID_ARG_VALUE: The property 'options.publicKey.asymmetricKeyType' must equal privateKey.asymmetricKeyType. Received 'ec'",
    );
    assertEquals(
      agree({ publicKey: edwards.publicKey }),
      'ERR_INVALID_ARG_TYPE: The "options.privateKey" property must be an instance of KeyObject. Received undefined',
    );
    assertEquals(
      agree({}),
      'ERR_INVALID_ARG_TYPE: The "options.publicKey" property must be an instance of KeyObject. Received undefined',
    );
    assertEquals(
      thrown(() => pairOf("nope", {})),
      "ERR_INVALID_ARG_VALUE: The argument 'type' must be one of: 'rsa', 'ec', 'ed25519', 'x25519', 'dh'. Received 'nope'",
    );
    assertEquals(thrown(() => pairOf("ec", { namedCurve: "zz" })), "Error: Invalid or unsupported curve");
    assertEquals(thrown(() => pairOf("ec", { namedCurve: "secp256k1" })), "Error: Failed to initialize key");
  },
};

export const primesAreMadeAndChecked = {
  async test() {
    const checked = [0n, 1n, 2n, 7n, 561n, 2n ** 89n - 1n, 2n ** 89n + 1n].map((n) => crypto.checkPrimeSync(n));
    assertEquals(checked, [false, false, true, true, false, true, false]);
    assertEquals([crypto.checkPrimeSync(Buffer.from([8])), crypto.checkPrimeSync(Buffer.from([0, 251]))], [false, true]);
    const prime = crypto.generatePrimeSync(64, { bigint: true });
    assertEquals([prime.toString(2).length, crypto.checkPrimeSync(prime)], [64, true]);
    assertEquals(crypto.generatePrimeSync(64).byteLength, 8);
    const safe = crypto.generatePrimeSync(24, { safe: true, bigint: true });
    assertEquals(crypto.checkPrimeSync(safe >> 1n), true);
    const later = await new Promise((resolve, reject) => {
      crypto.generatePrime(32, { bigint: true }, (error: unknown, found: bigint) => error === null || error === undefined ? resolve(found) : reject(error));
    });
    assertEquals(crypto.checkPrimeSync(later as bigint), true);
    assertEquals(
      thrown(() => crypto.generatePrimeSync(0)),
      'ERR_OUT_OF_RANGE: The value of "size" is out of range. It must be >= 1 && <= 2147483647. Received 0',
    );
    assertEquals(
      thrown(() => crypto.checkPrimeSync(-7n)),
      'ERR_OUT_OF_RANGE: The value of "candidate" is out of range. It must be >= 0. Received -7n',
    );
  },
};
