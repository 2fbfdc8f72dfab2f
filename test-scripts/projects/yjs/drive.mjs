// Two clients of y-partyserver edit one document at once; a third one comes when both have left.
import assert from "node:assert/strict";
import * as Y from "yjs";
import YProvider from "y-partyserver/provider";

/** A client, as soon as it has what the server has. */
async function join(url, room) {
  const document = new Y.Doc();
  const options = { party: "document", WebSocketPolyfill: WebSocket, disableBc: true };
  const provider = new YProvider(new URL(url).host, room, document, options);
  await new Promise((resolve) => provider.on("synced", resolve));
  return { provider, document, text: document.getText("text") };
}

/** Waits until a document's text is as expected. */
async function until({ document, text }, expected) {
  while (text.toString() !== expected) {
    await new Promise((resolve) => document.once("update", resolve));
  }
}

export default async function drive(url) {
  const [ann, bob] = await Promise.all([join(url, "essay"), join(url, "essay")]);
  ann.text.insert(0, "hello ");
  await until(bob, "hello ");
  bob.text.insert(6, "world");
  await until(ann, "hello world");
  // What somebody is doing is told to the others, too.
  const seen = new Promise((resolve) => {
    bob.provider.awareness.on("change", () => {
      const states = [...bob.provider.awareness.getStates().values()];
      if (states.some((state) => state.cursor === 3)) resolve();
    });
  });
  ann.provider.awareness.setLocalStateField("cursor", 3);
  await seen;
  const late = await join(url, "essay");
  assert.equal(late.text.toString(), "hello world");
  for (const { provider } of [ann, bob, late]) provider.destroy();
}
