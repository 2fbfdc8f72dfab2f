// @ts-check

// What a certificate says, read from its DER, in the forms that Node gives it in.
// https://www.rfc-editor.org/rfc/rfc5280

import { Buffer } from "node:buffer";
import { decode, items, unreadable } from "./der.js";

const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const NAMES = {
  "2.5.4.3": "CN", "2.5.4.4": "SN", "2.5.4.5": "serialNumber", "2.5.4.6": "C", "2.5.4.7": "L", "2.5.4.8": "ST", "2.5.4.9": "street",
  "2.5.4.10": "O", "2.5.4.11": "OU", "2.5.4.12": "title", "2.5.4.13": "description", "2.5.4.15": "businessCategory",
  "2.5.4.17": "postalCode", "2.5.4.41": "name", "2.5.4.42": "GN", "2.5.4.43": "initials", "2.5.4.44": "generationQualifier",
  "2.5.4.46": "dnQualifier", "2.5.4.65": "pseudonym", "2.5.4.97": "organizationIdentifier", "0.9.2342.19200300.100.1.1": "UID",
  "0.9.2342.19200300.100.1.25": "DC", "1.2.840.113549.1.9.1": "emailAddress", "1.2.840.113549.1.9.2": "unstructuredName",
  "1.3.6.1.4.1.311.60.2.1.1": "jurisdictionL", "1.3.6.1.4.1.311.60.2.1.2": "jurisdictionST", "1.3.6.1.4.1.311.60.2.1.3": "jurisdictionC",
};
const ACCESS = { "1.3.6.1.5.5.7.48.1": "OCSP", "1.3.6.1.5.5.7.48.2": "CA Issuers" };
const EXTENSIONS = {
  "2.5.29.14": "subjectKey", "2.5.29.15": "keyUsage", "2.5.29.17": "names", "2.5.29.19": "constraints", "2.5.29.35": "authorityKey",
  "2.5.29.37": "extendedUsage", "1.3.6.1.5.5.7.1.1": "access",
};

/** An object identifier with dots. @param {any} content */
export function dotted(content) {
  const numbers = [];
  let number = 0n;
  for (const byte of content) {
    number = (number << 7n) | BigInt(byte & 0x7f);
    if (byte > 127) continue;
    numbers.push(number);
    number = 0n;
  }
  const first = numbers[0] ?? 0n;
  const top = first < 40n ? 0n : first < 80n ? 1n : 2n;
  return [top, first - top * 40n, ...numbers.slice(1)].join(".");
}

/** The text of one of the many types of texts. @param {{ tag: number, content: any }} item */
function textOf({ tag, content }) {
  if (tag === 0x0c) return content.toString("utf8");
  if (tag === 0x1e) return Buffer.from(content).swap16().toString("utf16le");
  return content.toString("latin1");
}

/** The parts of a name: each relative one has one attribute or more. @param {any} der @returns {{ id: string, text: string }[][]} */
export function nameOf(der) {
  return items(der).map((relative) => {
    if (relative.tag !== 0x31) throw unreadable();
    const attributes = [];
    for (let rest = relative.content; rest.length > 0;) {
      const one = decode(rest);
      const [id, value] = items(rest.subarray(0, rest.length - one.rest.length));
      attributes.push({ id: dotted(id.content), text: textOf(value) });
      rest = one.rest;
    }
    return attributes;
  });
}

/** @param {string} id */
const attributeName = (id) => NAMES[/** @type {"2.5.4.3"} */ (id)] ?? id;

/** What would mean something in a name, behind backslashes. @param {string} text @param {boolean} controls whether of control characters, too */
function escape(text, controls) {
  const escaped = text.replace(/[,+"\\<>;]/g, "\\$&").replace(/^[ #]/, "\\$&").replace(/(?<!^) $/, "\\ ");
  if (!controls) return escaped;
  // eslint-disable-next-line no-control-regex
  return escaped.replace(/[\x00-\x1f\x7f]/g, (character) => `\\${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`);
}

/** A name with a line for each part. @param {ReturnType<typeof nameOf>} name */
export function lines(name) {
  const shown = name.map((relative) => relative.map(({ id, text }) => `${attributeName(id)}=${escape(text, true)}`).join(" + "));
  return shown.join("\n");
}

/** A name as an object; what is there more than once is a list. @param {ReturnType<typeof nameOf>} name */
export function nameObject(name) {
  /** @type {any} */
  const made = Object.create(null);
  for (const { id, text } of name.flat()) {
    const key = attributeName(id);
    if (key in made) made[key] = [made[key], text].flat();
    else made[key] = text;
  }
  return made;
}

/** What two names have in common that are one. @param {ReturnType<typeof nameOf>} name */
export function canonical(name) {
  return JSON.stringify(name.map((relative) => relative.map(({ id, text }) => [id, text.trim().replace(/\s+/g, " ").toLowerCase()])));
}

/** A name in a list, in quotes if it could be taken for two. @param {string} label @param {string} text @param {boolean} [isUtf8] */
function quoted(label, text, isUtf8 = false) {
  const isPlain = isUtf8 ? /^[^\x00-\x1f\x7f"\\,']*$/ : /^[ !#-&(-+\--[\]-~]*$/;
  if (isPlain.test(text)) return `${label}:${text}`;
  const inner = [...text].map((character) => {
    if (character === '"' || character === "\\") return `\\${character}`;
    if (/[ -+\--~]/.test(character) || (isUtf8 && character > "\x7f")) return character;
    return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  });
  return `${label}:"${inner.join("")}"`;
}

/** @param {any} bytes */
function address(bytes) {
  if (bytes.length === 4) return [...bytes].join(".");
  if (bytes.length !== 16) return `<invalid length=${bytes.length}>`;
  return Array.from({ length: 8 }, (_, at) => bytes.readUInt16BE(at * 2).toString(16).toUpperCase()).join(":");
}

/** One of the names that a certificate is for. @param {{ tag: number, content: any }} item */
export function generalName({ tag, content }) {
  const text = content.toString("latin1");
  switch (tag & 0x1f) {
    case 1: return quoted("email", text);
    case 2: return quoted("DNS", text);
    case 4: {
      const name = nameOf(content).reverse();
      return quoted("DirName", name.map((relative) => relative.map(({ id, text: value }) => `${attributeName(id)}=${escape(value, false)}`).join("+")).join(","), true);
    }
    case 6: return quoted("URI", text);
    case 7: return `IP Address:${address(content)}`;
    case 8: return `Registered ID:${dotted(content)}`;
    case 3: return "X400Name:<unsupported>";
    case 5: return "EdiPartyName:<unsupported>";
    default: return "othername:<unsupported>";
  }
}

/** A point in time, as `Nov 24 19:28:46 2026 GMT`. @param {{ tag: number, content: any }} item */
function timeOf({ tag, content }) {
  const found = /^(\d{2}|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(content.toString("latin1"));
  if (found === null || (tag === 0x17) !== (found[1].length === 2)) throw unreadable();
  const [, year, month, day, hour, minute, second] = found;
  const full = tag !== 0x17 ? year : `${Number(year) < 50 ? 20 : 19}${year}`;
  return `${MONTHS[Number(month) - 1]} ${String(Number(day)).padStart(2)} ${hour}:${minute}:${second} ${full} GMT`;
}

/** @param {any} content */
function integer(content) {
  const isNegative = content[0] > 127;
  const number = BigInt(`0x${content.toString("hex")}`) - (isNegative ? 1n << BigInt(8 * content.length) : 0n);
  const hex = (isNegative ? -number : number).toString(16).toUpperCase();
  return `${isNegative ? "-" : ""}${hex.length % 2 === 1 ? "0" : ""}${hex}`;
}

/** What its extensions hold, as DER. @param {any} item @returns {Record<string, any>} */
function extensionsOf(item) {
  const found = Object.create(null);
  if (item === undefined) return found;
  for (const one of items(item.content)) {
    const members = items(one.whole);
    const name = EXTENSIONS[/** @type {"2.5.29.14"} */ (dotted(members[0].content))];
    if (name !== undefined) found[name] = members.at(-1)?.content;
  }
  return found;
}

/** The certificate in some DER. Throws if there is none. @param {any} der */
export function parseCertificate(der) {
  const { rest } = decode(der);
  const raw = der.subarray(0, der.length - rest.length);
  const [body, algorithm, signature, ...more] = items(raw);
  if (more.length > 0 || signature?.tag !== 0x03 || signature.content[0] !== 0) throw unreadable();
  const fields = items(body.whole);
  const version = fields[0].tag === 0xa0 ? fields.shift() : undefined;
  const [serial, promised, issuer, validity, subject, key] = fields;
  const [begin, end] = items(validity.whole);
  const extensions = extensionsOf(fields.find(({ tag }) => tag === 0xa3));
  const names = extensions.names === undefined ? undefined : items(extensions.names);
  const access = extensions.access === undefined ? [] : items(extensions.access).map((one) => items(one.whole));
  return {
    raw,
    signed: body.whole,
    isFirstVersion: version === undefined,
    signatureScheme: algorithm.whole,
    // What is not signed itself says the same as what is.
    isSchemeSigned: promised.whole.equals(algorithm.whole),
    signature: signature.content.subarray(1),
    serialNumber: integer(serial.content),
    issuer: nameOf(issuer.whole),
    subject: nameOf(subject.whole),
    validFrom: timeOf(begin),
    validTo: timeOf(end),
    key: key.whole,
    names,
    shownNames: names?.map(generalName).join(", "),
    access: access.map(([method, place]) => {
      const id = dotted(method.content);
      return `${ACCESS[/** @type {"1.3.6.1.5.5.7.48.1"} */ (id)] ?? id} - ${generalName(place)}\n`;
    }),
    extendedUsage: extensions.extendedUsage === undefined ? undefined : items(extensions.extendedUsage).map((one) => dotted(one.content)),
    keyUsage: extensions.keyUsage === undefined ? undefined : decode(extensions.keyUsage).content,
    isAuthority: extensions.constraints === undefined ? undefined : items(extensions.constraints)[0]?.content[0] === 0xff,
    subjectKey: extensions.subjectKey === undefined ? undefined : decode(extensions.subjectKey).content,
    authorityKey: extensions.authorityKey === undefined ? undefined : items(extensions.authorityKey).find(({ tag }) => tag === 0x80)?.content,
  };
}
