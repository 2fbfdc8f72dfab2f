// node:path, node:url, node:querystring and node:punycode.
// @ts-ignore: no types of Node's modules are installed
import path, { posix } from "node:path";
// @ts-ignore: the same
import posixModule from "node:path/posix";
// @ts-ignore: the same
import url, { domainToASCII, domainToUnicode, fileURLToPath, pathToFileURL, urlToHttpOptions } from "node:url";
// @ts-ignore: the same
import querystring from "node:querystring";

import { assert, assertEquals, assertThrows } from "./assert";

export const paths = {
  test() {
    assertEquals([path.join("/a", "..", "b", "./c", ""), path.join(), path.join("a", "../..")], ["/b/c", ".", ".."]);
    assertEquals([path.resolve("/a/b", "../c"), path.resolve("/a", "/b"), path.resolve("/", "x")], ["/a/c", "/b", "/x"]);
    assertEquals([path.normalize("/a//b/../c/."), path.normalize("a\\b/..")], ["/a/c", "."]);
    assertEquals([path.dirname("/a/b/c.txt"), path.basename("/a/b/c.txt"), path.basename("c.txt", ".txt"), path.extname("a.b.c"), path.extname(".bashrc")], ["/a/b", "c.txt", "c", ".c", ""]);
    assertEquals(path.parse("/home/user/file.txt"), { root: "/", dir: "/home/user", base: "file.txt", ext: ".txt", name: "file" });
    assertEquals(path.format({ dir: "/a", base: "b.c" }), "/a/b.c");
    assertEquals([path.relative("/a/b/c", "/a/d"), path.isAbsolute("/a"), path.isAbsolute("a"), path.sep, path.delimiter], ["../../d", true, false, "/", ":"]);
    assertEquals([posix.join("a", "b"), posixModule.join("a", "b"), path.posix.sep, path.win32.sep, path.toNamespacedPath("/a")], ["a/b", "a/b", "/", "\\", "/a"]);
    assertThrows(() => path.join(1 as any), /^TypeError.*The "path" argument must be of type string/);
  },
};

export const urls = {
  test() {
    const parsed = url.parse("http://user:pw@host.com:8080/p/a?q=1&r=2#hash");
    assertEquals([parsed.protocol, parsed.auth, parsed.host, parsed.port, parsed.pathname, parsed.search, parsed.query, parsed.hash], ["http:", "user:pw", "host.com:8080", "8080", "/p/a", "?q=1&r=2", "q=1&r=2", "#hash"]);
    assertEquals({ ...url.parse("/a?b=c", true).query }, { b: "c" });
    assertEquals(url.format({ protocol: "https", hostname: "a.b", pathname: "/c", query: { d: "e" } }), "https://a.b/c?d=e");
    assertEquals(url.format(new URL("https://u:p@a.b/c?d#e"), { auth: false, fragment: false, search: false }), "https://a.b/c");
    assertEquals([url.resolve("/one/two/three", "four"), url.resolve("http://example.com/one", "/two")], ["/one/two/four", "http://example.com/two"]);
    assertEquals([domainToASCII("espa\u00f1ol.com"), domainToUnicode("xn--espaol-zwa.com")], ["xn--espaol-zwa.com", "espa\u00f1ol.com"]);
    assertEquals([fileURLToPath("file:///a%20b/c"), pathToFileURL("/a b/#c?").href], ["/a b/c", "file:///a%20b/%23c%3F"]);
    assertThrows(() => fileURLToPath("https://a.b"), /must be of scheme file/);
    const options = urlToHttpOptions(new URL("https://u:p@a.b:1/c?d"));
    assertEquals([options.protocol, options.hostname, options.port, options.path, options.auth], ["https:", "a.b", 1, "/c?d", "u:p"]);
    assert(url.URL === URL && url.URLSearchParams === URLSearchParams);
  },
};

export const queries = {
  test() {
    assertEquals({ ...querystring.parse("a=1&b=2&a=3&c=%20d+e&f") }, { a: ["1", "3"], b: "2", c: " d e", f: "" });
    assertEquals(querystring.stringify({ a: [1, 2], b: "c d", e: true, f: "" }), "a=1&a=2&b=c%20d&e=true&f=");
    assertEquals([querystring.escape("a b&"), querystring.unescape("a%20b")], ["a%20b%26", "a b"]);
    assertEquals({ ...querystring.parse("a:1;b:2", ";", ":") }, { a: "1", b: "2" });
    assert(querystring.encode === querystring.stringify && querystring.decode === querystring.parse);
  },
};

export const pathsOfWindows = {
  test() {
    const { win32 } = path;
    assertEquals([win32.sep, win32.delimiter, win32.posix === path.posix, path.win32.win32 === win32], ["\\", ";", true, true]);
    assertEquals(["", "/", "a/../..", "C:/a//b/..\\c\\", "C:a\\..\\..", "\\\\srv\\share\\x\\..\\y", "..\\..\\a", "a\\"].map((one) => win32.normalize(one)), [".", "\\", "..", "C:\\a\\c\\", "C:..", "\\\\srv\\share\\y", "..\\..\\a", "a\\"]);
    assertEquals([win32.join("a", "..", "b"), win32.join("\\", "\\a"), win32.join("C:", "x"), win32.join()], ["b", "\\a", "C:\\x", "."]);
    assertEquals([win32.resolve("C:\\a", "..\\b"), win32.resolve("C:\\a", "\\b"), win32.resolve("C:\\a", "D:\\b", "c")], ["C:\\b", "C:\\b", "D:\\b\\c"]);
    assertEquals([win32.relative("C:\\a\\b", "c:\\A\\d"), win32.relative("C:\\a", "D:\\a")], ["..\\d", "D:\\a"]);
    assertEquals(["C:\\a", "C:a", "\\a", "a", "//s/h"].map(win32.isAbsolute), [true, false, true, false, true]);
    assertEquals(["C:\\a\\b.txt", "C:\\", "a", "\\\\s\\h\\a"].map((one) => win32.dirname(one)), ["C:\\a", "C:\\", ".", "\\\\s\\h\\"]);
    assertEquals([win32.basename("C:\\a\\b.txt"), win32.basename("a/b.txt", ".txt"), win32.extname("a\\b.c.d"), win32.extname(".x")], ["b.txt", "b", ".d", ""]);
    assertEquals(win32.parse("C:\\a\\b.txt"), { root: "C:\\", dir: "C:\\a", base: "b.txt", ext: ".txt", name: "b" });
    assertEquals([win32.format({ dir: "C:\\a", base: "b" }), win32.format({ root: "C:\\", name: "a", ext: "b" })], ["C:\\a\\b", "C:\\a.b"]);
    assertThrows(() => win32.join(5), /must be of type string\. Received type number \(5\)/);
  },
};

export const pathsMatchPatterns = {
  test() {
    const matched = (list: string[], pattern: string) => list.filter((one) => path.matchesGlob(one, pattern));
    const files = ["a.js", "b.ts", "src/a.js", "src/deep/b.ts", ".hidden", "src/.git/x"];
    assertEquals(matched(files, "*.js"), ["a.js"]);
    assertEquals(matched(files, "**/*.js"), ["a.js", "src/a.js"]);
    assertEquals(matched(files, "**"), ["a.js", "b.ts", "src/a.js", "src/deep/b.ts"]);
    assertEquals(matched(files, "src/**/*.{js,ts}"), ["src/a.js", "src/deep/b.ts"]);
    assertEquals(matched(files, "[ab].??"), ["a.js", "b.ts"]);
    assertEquals([matched(files, "[!a].*"), matched(files, ".*")], [["b.ts"], [".hidden"]]);
    assertEquals([path.win32.matchesGlob("a\\b.js", "a/*.js"), path.posix.matchesGlob("a\\b.js", "a/*.js")], [true, false]);
  },
};
