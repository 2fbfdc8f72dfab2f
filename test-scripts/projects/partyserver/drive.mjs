// Two of the package's own clients in one room.
import assert from "node:assert/strict";
import { PartySocket } from "partysocket";

/** A client that keeps what it hears. */
function join(url, id) {
  const socket = new PartySocket({ host: new URL(url).host, party: "room", room: "lobby", id, WebSocket });
  const heard = [];
  let wake = () => {};
  socket.addEventListener("message", ({ data }) => {
    heard.push(data);
    wake();
  });
  const next = async () => {
    while (heard.length === 0) await new Promise((resolve) => (wake = resolve));
    return heard.shift();
  };
  return { socket, next };
}

export default async function drive(url) {
  const ann = join(url, "ann");
  assert.equal(await ann.next(), "welcome to lobby, you are ann");
  const bob = join(url, "bob");
  assert.equal(await bob.next(), "welcome to lobby, you are bob");
  assert.equal(await ann.next(), "bob came");
  ann.socket.send("hi");
  assert.equal(await ann.next(), "ann: hi");
  assert.equal(await bob.next(), "ann: hi");
  bob.socket.close();
  assert.equal(await ann.next(), "bob left");
  ann.socket.close();
}
