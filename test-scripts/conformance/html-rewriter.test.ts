// HTMLRewriter: what handlers see and change, in which order, and what becomes of their errors.
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const STALE =
  "TypeError: This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.";

// The types of the platform's package know no streams as content, and no `this`.
type Handler = (token: any) => unknown;

function rewrite(html: BodyInit, build: (rewriter: any) => unknown, init?: ResponseInit): Promise<string> {
  const rewriter = new HTMLRewriter();
  build(rewriter);
  return rewriter.transform(new Response(html, init)).text();
}

function onElement(html: string, element: Handler, selector = "a") {
  return rewrite(html, (rewriter) => rewriter.on(selector, { element }));
}

async function onAnchor(change: Handler) {
  return await onElement("<a>x</a>", change);
}

export const contentIsInsertedAroundAndInElements = inside(async () => {
  const places = ["before", "after", "prepend", "append", "replace", "setInnerContent"];
  const results: Record<string, string[]> = {};
  for (const place of places) {
    results[place] = [
      await onAnchor((e) => e[place]("<b>&")),
      await onAnchor((e) => e[place]("<b>&", { html: true })),
      await onAnchor((e) => e[place]("1")[place](2)),
    ];
  }
  assertEquals(results, {
    before: ["&lt;b&gt;&amp;<a>x</a>", "<b>&<a>x</a>", "12<a>x</a>"],
    after: ["<a>x</a>&lt;b&gt;&amp;", "<a>x</a><b>&", "<a>x</a>21"],
    prepend: ["<a>&lt;b&gt;&amp;x</a>", "<a><b>&x</a>", "<a>21x</a>"],
    append: ["<a>x&lt;b&gt;&amp;</a>", "<a>x<b>&</a>", "<a>x12</a>"],
    replace: ["&lt;b&gt;&amp;", "<b>&", "2"],
    setInnerContent: ["<a>&lt;b&gt;&amp;</a>", "<a><b>&</a>", "<a>2</a>"],
  });
});

export const streamsAndResponsesAreContent = inside(async () => {
  assertEquals(await onAnchor((e) => e.append(new Response("<i>"))), "<a>x&lt;i&gt;</a>");
  assertEquals(await onAnchor((e) => e.replace(new Response("<i>é").body, { html: true })), "<i>é");
  const slow = () => {
    const pieces = ["1", "2", "3"];
    return new ReadableStream({
      async pull(controller) {
        await scheduler.wait(1);
        const piece = pieces.shift();
        if (piece === undefined) controller.close();
        else controller.enqueue(new TextEncoder().encode(piece));
      },
    });
  };
  assertEquals(await onAnchor((e) => e.before(slow()).after(slow())), "123<a>x</a>123");
  await assertRejects(onAnchor((e) => e.append(new ReadableStream({ pull: (c) => c.error(new RangeError("inner")) }))), "RangeError: inner");
});

export const contentOfVoidElementsHasNoPlace = inside(async () => {
  assertEquals(await onElement("<br>", (e) => e.prepend("y").append("y").setInnerContent("y"), "br"), "<br>");
  assertEquals(await onElement("<br>", (e) => e.before("b").after("a"), "br"), "b<br>a");
});

export const elementsAreRemoved = inside(async () => {
  assertEquals(await onElement("<a>x<b>y</b></a>z", (e) => e.remove()), "z");
  assertEquals(await onElement("<a>x<b>y</b></a>z", (e) => e.removeAndKeepContent()), "x<b>y</b>z");
  const removed: boolean[] = [];
  await onAnchor((e) => removed.push(e.removed, e.remove().removed));
  assertEquals(removed, [false, true]);
});

export const attributesAreReadAndWritten = inside(async () => {
  let seen: unknown[] = [];
  const html = await onElement(`<a HREF="x" b c='1"'>x</a>`, (e) => {
    seen = [e.tagName, e.namespaceURI, [...e.attributes], e.getAttribute("HREF"), e.getAttribute("b"), e.getAttribute("no"), e.hasAttribute("b")];
    e.setAttribute("d", '"&<').removeAttribute("b").setAttribute("href", 5);
  });
  assertEquals(html, `<a HREF="5" c='1"' d="&quot;&<">x</a>`);
  assertEquals(seen, ["a", "http://www.w3.org/1999/xhtml", [["href", "x"], ["b", ""], ["c", '1"']], "x", "", null, true]);
});

export const attributesAreIteratedOnce = inside(async () => {
  let steps: unknown[] = [];
  await onElement("<a b=1>", (e) => {
    const iterator = e.attributes;
    steps = [iterator.next().value, iterator.next().done, iterator[Symbol.iterator]() === iterator];
  });
  assertEquals(steps, [["b", "1"], true, true]);
});

export const elementsAreRenamed = inside(async () => {
  assertEquals(await onAnchor((e) => void (e.tagName = "b")), "<b>x</b>");
  await assertRejects(onAnchor((e) => void (e.tagName = "b c")), "TypeError: Parser error: ` ` character is forbidden in the tag name");
  await assertRejects(onAnchor((e) => void (e.tagName = "")), "TypeError: Parser error: Tag name can't be empty.");
  await assertRejects(onAnchor((e) => void (e.tagName = "1")), "TypeError: Parser error: The first character of the tag name should be an ASCII alphabetical character.");
});

export const argumentsAreChecked = inside(async () => {
  await assertRejects(onAnchor((e) => e.before()), "TypeError: Failed to execute 'before' on 'Element': parameter 1 is not of type 'string or JsReadableStream or Response'.");
  await assertRejects(onAnchor((e) => e.setAttribute("a")), "TypeError: Failed to execute 'setAttribute' on 'Element': parameter 2 is not of type 'string'.");
  await assertRejects(onAnchor((e) => e.setAttribute("a b", "")), "TypeError: Parser error: ` ` character is forbidden in the attribute name");
  await assertRejects(onAnchor((e) => e.setAttribute("", "")), "TypeError: Parser error: Attribute name can't be empty.");
  await assertRejects(onAnchor((e) => e.onEndTag()), "TypeError: Failed to execute 'onEndTag' on 'Element': parameter 1 is not of type 'function'.");
});

export const endTagsHaveHandlers = inside(async () => {
  assertEquals(await onAnchor((e) => e.onEndTag((t: any) => t.before("B").after("A"))), "<a>xB</a>A");
  assertEquals(await onAnchor((e) => e.onEndTag((t: any) => void (t.name = t.name + "b"))), "<a>x</ab>");
  assertEquals(await onAnchor((e) => e.onEndTag((t: any) => t.remove())), "<a>x");
  const twice = await onAnchor((e) => {
    e.onEndTag((t: any) => t.before("1"));
    e.onEndTag(async (t: any) => {
      await scheduler.wait(1);
      t.before("2");
    });
  });
  assertEquals(twice, "<a>x2</a>");
  await assertRejects(onElement("<br>", (e) => e.onEndTag(() => {}), "br"), "TypeError: Parser error: No end tag.");
});

export const commentsAreChanged = inside(async () => {
  const onComment = (comments: Handler) => rewrite("<a><!-- c --></a>", (r) => r.on("a", { comments }));
  let text = "";
  assertEquals(await onComment((c) => {
    text = c.text;
    c.text = "new";
    c.before("B").after("A");
  }), "<a>B<!--new-->A</a>");
  assertEquals(text, " c ");
  assertEquals(await onComment((c) => c.replace("<x>", { html: true })), "<a><x></a>");
  assertEquals(await onComment((c) => assertEquals(c.remove().removed, true)), "<a></a>");
  await assertRejects(onComment((c) => void (c.text = "-->")), "TypeError: Parser error: Comment text shouldn't contain a comment-closing sequence.");
});

export const textComesInPieces = inside(async () => {
  const seen: unknown[] = [];
  const html = await rewrite("<a>hi &amp; x</a>", (r) => r.on("a", {
    text(t: any) {
      seen.push([t.text, t.lastInTextNode, t.removed]);
      if (t.lastInTextNode) t.after("!");
      else t.replace("Y");
    },
  }));
  assertEquals(html, "<a>Y!</a>");
  assertEquals(seen, [["hi &amp; x", false, false], ["", true, false]]);
});

export const theDocumentHasHandlers = inside(async () => {
  let doctype: unknown;
  const source = '<!DOCTYPE html PUBLIC "-//W3C//DTD HTML 4.01//EN" "http://www.w3.org/TR/html4/strict.dtd"><!--a-->b';
  const html = await rewrite(source, (r) => r.onDocument({
    doctype: (d: any) => void (doctype = [d.name, d.publicId, d.systemId]),
    comments: (c: any) => void (c.text = "z"),
    text: (t: any) => void (t.text && t.replace("T")),
    end: (e: any) => e.append("<x>").append("<y>", { html: true }),
  }));
  assert(html.endsWith("<!--z-->T&lt;x&gt;<y>"), html);
  assertEquals(doctype, ["html", "-//W3C//DTD HTML 4.01//EN", "http://www.w3.org/TR/html4/strict.dtd"]);
});

export const handlersMayWait = inside(async () => {
  const html = await onElement("<a>x</a><a>y</a>", async (e) => {
    await scheduler.wait(2);
    e.before("1");
    await null;
    e.after("2");
  });
  assertEquals(html, "1<a>x</a>21<a>y</a>2");
});

export const handlersMayRewrite = inside(async () => {
  const html = await onElement("<a></a>", async (e) => {
    const inner = await onElement("<b></b>", (b) => b.before("N"), "b");
    e.setInnerContent(inner, { html: true });
  });
  assertEquals(html, "<a>N<b></b></a>");
});

export const errorsOfHandlersReachTheReader = inside(async () => {
  const fail = () => {
    throw new RangeError("mine");
  };
  await assertRejects(onAnchor(fail), "RangeError: mine");
  await assertRejects(onAnchor(async () => fail()), "RangeError: mine");
  await assertRejects(onAnchor((e) => e.onEndTag(fail)), "RangeError: mine");
  await assertRejects(rewrite("<a>", (r) => r.onDocument({ end: fail })), "RangeError: mine");
});

export const tokensAreOfNoUseAfterTheirHandler = inside(async () => {
  let element: any, attributes: any;
  await onElement("<a b=1>x</a>", (e) => {
    element = e;
    attributes = e.attributes;
  });
  for (const use of [() => element.tagName, () => void (element.tagName = "x"), () => element.before("x"), () => attributes.next(), () => element.removed]) {
    assertThrows(use, STALE);
  }
});

export const selectorsMatch = inside(async () => {
  const html = '<div id=i class="k l" lang=en-us data-x="Abc"><p>1</p><p class=q>2<span>3</span></p></div><p>4</p>';
  const expected: Record<string, number> = {
    "*": 5, p: 3, "div p": 2, "div > p": 2, "p.q": 1, "#i": 1, ".k.l": 1, "[data-x]": 1, '[data-x="Abc"]': 1, '[data-x="abc" i]': 1,
    '[data-x^="A"]': 1, '[data-x$="c"]': 1, '[data-x*="b"]': 1, '[lang|="en"]': 1, '[class~="l"]': 1, "p:nth-child(2)": 2,
    "p:first-child": 1, "p:nth-of-type(2)": 1, "p:not(.q)": 2, "p, span": 4,
  };
  for (const [selector, count] of Object.entries(expected)) {
    let seen = 0;
    await rewrite(html, (r) => r.on(selector, { element: () => void seen++ }));
    assertEquals([selector, seen], [selector, count]);
  }
});

export const selectorsAreRefusedAtOnce = inside(() => {
  const on = (selector: string) => () => new HTMLRewriter().on(selector, {});
  assertThrows(on("a::before"), "TypeError: Parser error: Unsupported pseudo-class or pseudo-element in selector.");
  assertThrows(on(""), "TypeError: Parser error: The selector is empty.");
  assertThrows(on("a + b"), "TypeError: Parser error: Unsupported combinator `+` in selector.");
});

export const registrationsAreChecked = inside(() => {
  const rewriter = new HTMLRewriter() as any;
  assert(rewriter.on("a", {}) === rewriter && rewriter.onDocument({}) === rewriter);
  assertThrows(() => rewriter.on(), "TypeError: Failed to execute 'on' on 'HTMLRewriter': parameter 1 is not of type 'string'.");
  assertThrows(() => rewriter.on("a", 5), "TypeError: Failed to execute 'on' on 'HTMLRewriter': parameter 2 is not of type 'ElementContentHandlers'.");
  assertThrows(() => rewriter.on("a", { element: 5 }), "TypeError: Incorrect type for the 'element' field on 'ElementContentHandlers': the provided value is not of type 'function'.");
  assertThrows(() => rewriter.transform("x"), "TypeError: Failed to execute 'transform' on 'HTMLRewriter': parameter 1 is not of type 'Response'.");
});

export const handlersRunInTheirOrderWithTheirThis = inside(async () => {
  const order: unknown[] = [];
  class Handlers {
    mark = "mine";
    element() {
      order.push(this.mark);
    }
  }
  await rewrite("<a>x</a>", (r) => {
    r.on("a", new Handlers());
    r.on("*", { element: () => void order.push(2) });
    r.on("a", { element: () => void order.push(3), text: () => void order.push("text") });
    r.onDocument({ text: () => void order.push("document") });
  });
  assertEquals(order, ["mine", 2, 3, "text", "document", "text", "document"]);
});

export const aRewriterIsUsedAgain = inside(async () => {
  let seen = 0;
  const rewriter = new HTMLRewriter().on("a", { element: () => void seen++ });
  for (let time = 0; time < 3; time++) await rewriter.transform(new Response("<a>")).text();
  assertEquals(seen, 3);
});

export const theResponseIsTheSameButForItsBody = inside(async () => {
  const response = new Response("<a>", { status: 201, statusText: "Made", headers: { "X-A": "1", "Content-Type": "text/html" } });
  const rewritten = new HTMLRewriter().transform(response);
  assertEquals([rewritten.status, rewritten.statusText, [...rewritten.headers]], [201, "Made", [["content-type", "text/html"], ["x-a", "1"]]]);
  assertEquals([response.bodyUsed, await rewritten.text()], [true, "<a>"]);
  const empty = new Response(null);
  assert(new HTMLRewriter().transform(empty) === empty);
});

export const tagsAreFoundAcrossChunks = inside(async () => {
  const { readable, writable } = new TransformStream();
  const rewritten = rewrite(readable, (r) => r.on("a", {
    element: (e: any) => e.setAttribute("k", "1"),
    text: (t: any) => void (t.lastInTextNode && t.after("|")),
  }));
  const writer = writable.getWriter();
  for (const chunk of ["<", "a hr", "ef=1", ">te", "xt</", "a>"]) await writer.write(new TextEncoder().encode(chunk));
  await writer.close();
  assertEquals(await rewritten, '<a href=1 k="1">text|</a>');
});

export const aLargeDocumentGoesThrough = inside(async () => {
  let made = 0;
  const source = new ReadableStream({
    pull(controller) {
      controller.enqueue(new TextEncoder().encode("<p><a href=x>text</a></p>".repeat(1000)));
      if (++made === 20) controller.close();
    },
  });
  let seen = 0;
  const html = await rewrite(source, (r) => r.on("a", {
    element(e: any) {
      e.onEndTag((t: any) => void (seen++, t.before("!")));
    },
  }));
  assertEquals([seen, html.length], [20_000, 20_000 * 26]);
});

export const encodingsAreKept = inside(async () => {
  const response = new Response(new Uint8Array([0x3c, 0x61, 0x3e, 0xe9]), { headers: { "Content-Type": "text/html; charset=iso-8859-1" } });
  const text = (t: any) => void (t.text && t.replace(t.text + "è"));
  const rewritten = new HTMLRewriter().on("a", { text }).transform(response);
  assertEquals([...new Uint8Array(await rewritten.arrayBuffer())], [0x3c, 0x61, 0x3e, 0xe9, 0xe8]);
  const as = (charset: string) => rewrite("<a>", () => {}, { headers: { "Content-Type": `text/html; charset=${charset}` } });
  await assertRejects(async () => await as("foo"), "TypeError: Parser error: Unknown character encoding has been provided.");
  await assertRejects(async () => await as("utf-16"), "TypeError: Parser error: Expected ASCII-compatible encoding.");
});

export const theSourceIsCancelledAndItsErrorsPass = inside(async () => {
  let reason: unknown;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(new TextEncoder().encode("<a>")),
    cancel: (why) => void (reason = why),
  });
  const reader = new HTMLRewriter().on("a", {}).transform(new Response(endless)).body!.getReader();
  await reader.read();
  await reader.cancel(new Error("enough"));
  await scheduler.wait(5);
  assert(String(reason).includes("enough"), String(reason));
  let pulled = 0;
  const torn = new ReadableStream({
    pull(controller) {
      if (pulled++) controller.error(new RangeError("torn"));
      else controller.enqueue(new TextEncoder().encode("<a>"));
    },
  });
  await assertRejects(rewrite(torn, () => {}), "RangeError: torn");
});

export const handlersRunBeforeAnybodyReads = inside(async () => {
  let seen = 0;
  new HTMLRewriter().on("a", { element: () => void seen++ }).transform(new Response("<a>"));
  await scheduler.wait(20);
  assertEquals(seen, 1);
});
