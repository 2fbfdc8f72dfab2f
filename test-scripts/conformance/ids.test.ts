// Object ids: names, strings, unique ids, and what an object knows of its own.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertThrows } from "./assert.ts";

export class Room extends DurableObject {
  self() {
    return { id: this.ctx.id.toString(), name: this.ctx.id.name };
  }

  same(id: string, env: Env = this.env as Env) {
    return this.ctx.id.equals(env.Room.idFromString(id));
  }
}

export class Hall extends DurableObject {}

interface Env {
  Room: DurableObjectNamespace<Room>;
  ROOM: DurableObjectNamespace<Room>;
  Hall: DurableObjectNamespace<Hall>;
}

// The keys of these namespaces are "ids-Room" and "ids-Hall".
export const anIdIsMadeFromTheKeyOfItsNamespaceAndItsName = {
  test(_: unknown, { Room, Hall }: Env) {
    assertEquals(Room.idFromName("").toString(), "db4338fbd9646aa9c3e0919a4f3157dae560339d339f0f0b383a8b19debe0c0b");
    assertEquals(Room.idFromName("lobby").toString(), "8c257bc3e40039f8e90a23f4e1934db64c81aed17320092d1c2c64f63c072647");
    assertEquals(Room.idFromName("café 🦀").toString(), "1f7d0b5d0b1158dcf9c059b20f8983b84ad4eec863e42846072ce735f5ae9dcf");
    assertEquals(Hall.idFromName("lobby").toString(), "328bd423b03627fc2ddaec50fbe322635bf3b69bf78799c50818e03e553c9de9");
  },
};

export const aNameHasOneId = {
  test(_: unknown, { Room }: Env) {
    assertEquals(Room.idFromName("a").toString(), Room.idFromName("a").toString());
    assert(Room.idFromName("a").equals(Room.idFromName("a")));
    assert(!Room.idFromName("a").equals(Room.idFromName("b")));
  },
};

export const bothBindingsOfAClassAreOneNamespace = {
  test(_: unknown, { Room, ROOM }: Env) {
    assert(Room.idFromName("a").equals(ROOM.idFromName("a")));
  },
};

export const anIdIsSixtyFourHexDigits = {
  test(_: unknown, { Room }: Env) {
    assert(/^[0-9a-f]{64}$/.test(Room.idFromName("a").toString()));
    assert(/^[0-9a-f]{64}$/.test(Room.newUniqueId().toString()));
    assertEquals(`${Room.idFromName("a")}`, Room.idFromName("a").toString());
  },
};

export const anIdReturnsFromItsString = {
  test(_: unknown, { Room }: Env) {
    for (const id of [Room.idFromName("a"), Room.newUniqueId()]) {
      assert(Room.idFromString(id.toString()).equals(id));
      assertEquals(Room.idFromString(id.toString().toUpperCase()).toString(), id.toString());
    }
  },
};

export const aStringThatIsNoIdIsRefused = {
  test(_: unknown, { Room }: Env) {
    const message = "TypeError: Invalid Durable Object ID: must be 64 hex digits";
    for (const text of ["", "xyz", "0".repeat(63), "0".repeat(65), "g".repeat(64)]) {
      assertThrows(() => Room.idFromString(text), message);
    }
  },
};

export const anIdOfAnotherNamespaceIsRefused = {
  test(_: unknown, { Room, Hall }: Env) {
    const message = "TypeError: Durable Object ID is not valid for this namespace.";
    assertThrows(() => Room.idFromString("0".repeat(64)), message);
    assertThrows(() => Room.idFromString(Hall.idFromName("a").toString()), message);
    assertThrows(() => Room.idFromString(Hall.newUniqueId().toString()), message);
  },
};

export const uniqueIdsDiffer = {
  test(_: unknown, { Room }: Env) {
    assertEquals(new Set(Array.from({ length: 100 }, () => Room.newUniqueId().toString())).size, 100);
  },
};

export const anIdFromANameKnowsIt = {
  test(_: unknown, { Room }: Env) {
    assertEquals(Room.idFromName("a").name, "a");
    assertEquals(Room.newUniqueId().name, undefined);
    assertEquals(Room.idFromString(Room.idFromName("a").toString()).name, undefined);
  },
};

export const aStubKnowsItsIdAndName = {
  test(_: unknown, { Room }: Env) {
    const id = Room.idFromName("a");
    assert(Room.get(id).id.equals(id));
    assertEquals(Room.get(id).name, "a");
    assert(Room.getByName("a").id.equals(id));
    assertEquals(Room.getByName("a").name, "a");
    assertEquals(Room.get(Room.newUniqueId()).name, undefined);
  },
};

export const anObjectKnowsItsId = {
  async test(_: unknown, { Room }: Env) {
    const id = Room.newUniqueId();
    assertEquals(await Room.get(id).self(), { id: id.toString(), name: undefined });
    assertEquals(await Room.get(id).same(id.toString()), true);
  },
};

export const anObjectKnowsItsName = {
  async test(_: unknown, { Room }: Env) {
    assertEquals((await Room.getByName("named").self()).name, "named");
    assertEquals((await Room.getByName("").self()).name, "");
  },
};

export const anObjectReachedByTheStringOfItsIdHasNoName = {
  async test(_: unknown, { Room }: Env) {
    const id = Room.idFromString(Room.idFromName("by string").toString());
    assertEquals((await Room.get(id).self()).name, undefined);
  },
};

export const aLongNameIsNotPassedOn = {
  async test(_: unknown, { Room }: Env) {
    assertEquals((await Room.getByName("x".repeat(1024)).self()).name, "x".repeat(1024));
    assertEquals((await Room.getByName("x".repeat(1025)).self()).name, undefined);
  },
};

export const getNeedsAnId = {
  test(_: unknown, { Room }: Env) {
    const message =
      "TypeError: Failed to execute 'get' on 'DurableObjectNamespace': parameter 1 is not of type 'DurableObjectId'.";
    assertThrows(() => (Room as any).get("a"), message);
    assertThrows(() => (Room as any).get(), message);
  },
};

export const getTakesALocationHintAndARoutingMode = {
  async test(_: unknown, { Room }: Env) {
    const id = Room.idFromName("hint");
    assertEquals((await Room.get(id, { locationHint: "weur" }).self()).name, "hint");
    assertEquals((await Room.get(id, { routingMode: "primary-only" } as any).self()).name, "hint");
    assertThrows(() => Room.get(id, { routingMode: "x" } as any), "RangeError: unknown routingMode: x");
    const refused = (method: string) =>
      `TypeError: Failed to execute '${method}' on 'DurableObjectNamespace': parameter 2 is not of type 'GetDurableObjectOptions'.`;
    assertThrows(() => Room.get(id, 5 as any), refused("get"));
    assertThrows(() => Room.getByName("hint", "x" as any), refused("getByName"));
  },
};
