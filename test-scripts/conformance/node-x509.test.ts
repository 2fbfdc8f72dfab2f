// Certificates of `node:crypto`.
// @ts-ignore: no types of Node's modules are installed
import { Buffer } from "node:buffer";
// @ts-ignore: the same
import { createPrivateKey, createPublicKey, X509Certificate } from "node:crypto";
import { assert, assertEquals, assertThrows } from "./assert";
import { AUTHORITY, AUTHORITY_KEY, PLAIN, SERVER } from "./certificates";

const authority = () => new X509Certificate(AUTHORITY);
const server = () => new X509Certificate(SERVER);
const plain = () => new X509Certificate(PLAIN);

export const aCertificateSaysWhoseItIs = {
  test() {
    const certificate = server();
    assertEquals(certificate.subject, "C=DE\nST=Bayern\nL=M\u00fcnchen\nO=Stead\nCN=leaf.example\nemailAddress=mail@leaf.example");
    assertEquals(certificate.issuer, "C=DE\nO=Stead Test\\, Inc.\nOU=Unit\\+One\nCN=Stead Test CA");
    assertEquals(certificate.serialNumber, "FEDC");
    assertEquals(authority().serialNumber, "0102030405060708090A");
    assertEquals([certificate.validFrom, certificate.validTo], ["Nov 24 19:28:46 2026 GMT", "Oct 31 19:28:46 2126 GMT"]);
    assertEquals(certificate.fingerprint, "2A:8D:A1:9A:6A:EF:51:D8:E3:D2:0D:79:87:23:B9:68:15:B4:F6:5F");
    assertEquals([certificate.fingerprint256.slice(0, 11), certificate.fingerprint512.length], ["AB:08:B6:D7", 191]);
    assertEquals(certificate.keyUsage, ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"]);
    assertEquals(certificate.infoAccess, "OCSP - URI:http://ocsp.example/\nCA Issuers - URI:http://ca.example/ca.crt\n");
    assertEquals([certificate.publicKey.asymmetricKeyType, authority().publicKey.asymmetricKeyType, plain().publicKey.asymmetricKeyType], ["rsa", "ec", "ed25519"]);
    assertEquals([certificate.issuerCertificate, plain().keyUsage, plain().infoAccess, plain().subjectAltName], [undefined, undefined, undefined, undefined]);
  },
};

export const namesThatCouldBeTakenForOthersAreInQuotes = {
  test() {
    const names = server().subjectAltName.split(", ");
    assertEquals(names, [
      "DNS:example.com", "DNS:*.example.org", 'DNS:"a\\u002cb.example"', "IP Address:127.0.0.1",
      "IP Address:2001:DB8:0:0:0:0:0:1", "email:me@example.com", "URI:https://example.com/a?b", "Registered ID:1.2.3.4",
      'DirName:"CN=Some One\\u002cC=DE"', "othername:<unsupported>",
    ]);
  },
};

export const oneIsReadFromPemAndFromDer = {
  test() {
    const certificate = server();
    assertEquals(certificate.toString(), `${SERVER}\n`);
    assertEquals(JSON.parse(JSON.stringify({ certificate })).certificate, `${SERVER}\n`);
    assertEquals(new X509Certificate(certificate.raw).fingerprint256, certificate.fingerprint256);
    assertEquals(new X509Certificate(Buffer.from(`text before\n${SERVER}\n${PLAIN}`)).fingerprint256, certificate.fingerprint256);
    const form = { format: "pem", type: "spki" };
    assertEquals(createPublicKey(SERVER).export(form), certificate.publicKey.export(form));
  },
};

export const whatIsNoneIsRefused = {
  test() {
    assertThrows(() => new X509Certificate("x"), /The argument 'buffer' is not a valid certificate. Received <Buffer 78>/);
    assertThrows(() => new X509Certificate(SERVER.replace(/M/, "A")), /is not a valid certificate/);
    assertThrows(() => new X509Certificate(server().raw.subarray(0, 500)), /is not a valid certificate/);
    assertThrows(() => new X509Certificate(5), /The "buffer" argument must be of type string or an instance of Buffer, TypedArray, or DataView. Received type number \(5\)/);
    assertThrows(() => server().checkHost(5), /The "name" argument must be of type string/);
    assertThrows(() => server().checkHost("x", { subject: "x" }), "Error: Invalid subject option");
    assertThrows(() => server().checkHost("x", { wildcards: 1 }), /The "options.wildcards" property must be of type boolean/);
    assertThrows(() => server().checkIssued("x"), /The "otherCert" argument must be an instance of X509Certificate/);
    assertThrows(() => server().verify("x"), /The "pkey" argument must be an instance of KeyObject/);
    assertThrows(() => server().verify(createPrivateKey(AUTHORITY_KEY)), /The "pkey" argument must be an instance of KeyObject/);
  },
};

export const hostsMatchTheirNames = {
  test() {
    const check = (name: string, options?: object) => server().checkHost(name, options);
    assertEquals([check("example.com"), check("EXAMPLE.com"), check("a.example.org")], ["example.com", "example.com", "*.example.org"]);
    for (const name of ["www.example.com", "a.b.example.org", "example.org", ".example.org", "example.com.", "127.0.0.1", ""]) assertEquals([name, check(name)], [name, undefined]);
    assertThrows(() => check("a\0b"), "Error: Invalid name");
    assertEquals(check("a.example.org", { wildcards: false }), undefined);
    // The subject counts only where there are no names.
    assertEquals(check("leaf.example", { subject: "always" }), undefined);
    assertEquals([plain().checkHost("plain.example"), plain().checkHost("plain.example", { subject: "never" })], ["plain.example", undefined]);
  },
};

export const addressesMatchTheirs = {
  test() {
    const certificate = server();
    const emails = ["me@example.com", "me@EXAMPLE.com", "ME@example.com", "mail@leaf.example", "x"];
    assertEquals(emails.map((email) => certificate.checkEmail(email)), ["me@example.com", "me@EXAMPLE.com", undefined, undefined, undefined]);
    const addresses = ["127.0.0.1", "2001:db8::1", "2001:DB8:0:0::1", "1.1.1.1", "::1"];
    assertEquals(addresses.map((ip) => certificate.checkIP(ip)), ["127.0.0.1", "2001:db8::1", "2001:DB8:0:0::1", undefined, undefined]);
    assertThrows(() => certificate.checkEmail("a\0b"), "Error: Invalid name");
    for (const ip of ["x", "127.0.0.01", "1.2.3", "1.2.3.4.", "::1%0", "256.1.1.1"]) assertThrows(() => certificate.checkIP(ip), "Error: Invalid IP");
  },
};

export const signaturesLeadToTheIssuer = {
  test() {
    const all = [authority(), server(), plain()];
    assertEquals(all.map((one) => all.map((other) => one.checkIssued(other))), [[true, false, false], [true, false, false], [false, false, true]]);
    assertEquals(all.map((one) => all.map((other) => one.verify(other.publicKey))), [[true, false, false], [true, false, false], [false, false, true]]);
    const forged = server().raw;
    forged[forged.indexOf("leaf.example")] ^= 1;
    assertEquals(new X509Certificate(forged).verify(authority().publicKey), false);
    // The algorithm that is named outside of what is signed: ecdsa-with-SHA384 in the place of SHA256.
    const renamed = server().raw;
    renamed[renamed.lastIndexOf(Buffer.from("2a8648ce3d040302", "hex")) + 7] = 3;
    assertEquals(new X509Certificate(renamed).verify(authority().publicKey), false);
    assertEquals(all.map((one) => one.ca), [true, false, true]);
  },
};

export const theOlderFormIsThere = {
  test() {
    const { subject, issuer, infoAccess, ca, modulus, bits, exponent, ext_key_usage: usage, serialNumber, raw } = server().toLegacyObject();
    assertEquals({ ...subject }, { C: "DE", ST: "Bayern", L: "M\u00fcnchen", O: "Stead", CN: "leaf.example", emailAddress: "mail@leaf.example" });
    assertEquals([issuer.O, issuer.OU], ["Stead Test, Inc.", "Unit+One"]);
    assertEquals({ ...infoAccess }, { "OCSP - URI": ["http://ocsp.example/"], "CA Issuers - URI": ["http://ca.example/ca.crt"] });
    assertEquals([ca, modulus.slice(0, 8), bits, exponent, usage.length, serialNumber, raw.equals(server().raw)], [false, "C610A63A", 2048, "0x10001", 2, "FEDC", true]);
    const other = authority().toLegacyObject();
    assertEquals([other.asn1Curve, other.nistCurve, other.bits, other.pubkey.length], ["prime256v1", "P-256", 256, 65]);
  },
};
