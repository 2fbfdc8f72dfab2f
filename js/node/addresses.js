// @ts-check

// IP addresses as text.

const V4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/;

/** @param {any} text */
export function isIPv4(text) {
  return V4.test(`${text}`);
}

/** @param {any} text */
export function isIPv6(text) {
  // A zone may be named after the address.
  const address = /^([0-9A-Fa-f:.]+)(?:%[0-9a-zA-Z.:-]+)?$/.exec(`${text}`)?.[1];
  return address !== undefined && address.includes(":") && URL.canParse(`http://[${address}]/`);
}

/** @param {any} text */
export function isIP(text) {
  return isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0;
}
