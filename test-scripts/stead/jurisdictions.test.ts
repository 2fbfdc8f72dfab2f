// A jurisdiction is a partition of a namespace's ids: one machine has one place, so nothing else can differ. workerd
// refuses them.

import { DurableObject } from "cloudflare:workers";
import { assertEquals, assertThrows } from "../conformance/assert.ts";

export class Place extends DurableObject<Env> {
  #count = 0;

  visit() {
    return { count: ++this.#count, jurisdiction: this.ctx.id.jurisdiction ?? null, id: this.ctx.id.toString() };
  }
}

interface Env {
  Place: DurableObjectNamespace<Place>;
}

export const anIdKnowsItsJurisdiction = {
  async test(_: unknown, env: Env) {
    const unique = env.Place.newUniqueId({ jurisdiction: "eu" });
    assertEquals(unique.jurisdiction, "eu");
    assertEquals(env.Place.idFromString(unique.toString()).jurisdiction, "eu");
    assertEquals(env.Place.newUniqueId().jurisdiction, undefined);
    assertEquals(env.Place.jurisdiction("fedramp").newUniqueId().jurisdiction, "fedramp");
    const visit = await env.Place.get(unique).visit();
    assertEquals(visit, { count: 1, jurisdiction: "eu", id: unique.toString() });
  },
};

export const aNameMeansAnotherObjectInEachJurisdiction = {
  async test(_: unknown, env: Env) {
    const everywhere = env.Place.getByName("name");
    const eu = env.Place.jurisdiction("eu").getByName("name");
    assertEquals((await everywhere.visit()).count, 1);
    assertEquals((await eu.visit()).count, 1);
    assertEquals((await env.Place.jurisdiction("eu").getByName("name").visit()).count, 2);
    assertEquals((await everywhere.visit()).jurisdiction, null);
  },
};

export const aJurisdictionalNamespaceRefusesOtherIds = {
  test(_: unknown, env: Env) {
    const eu = env.Place.jurisdiction("eu");
    const refusal = "TypeError: get called on jurisdictional subnamespace with an ID from a different jurisdiction";
    assertThrows(() => eu.get(env.Place.idFromName("a")), refusal);
    assertThrows(() => eu.get(env.Place.newUniqueId({ jurisdiction: "fedramp" })), refusal);
    eu.get(env.Place.newUniqueId({ jurisdiction: "eu" }));
    env.Place.get(eu.idFromName("a"));
  },
};

export const anUnknownJurisdictionIsRefused = {
  test(_: unknown, env: Env) {
    const namespace = env.Place as any;
    assertThrows(() => namespace.jurisdiction("moon"), /^TypeError: unknown jurisdiction `moon`/);
    assertThrows(() => namespace.newUniqueId({ jurisdiction: "moon" }), /^TypeError: unknown jurisdiction `moon`/);
  },
};
