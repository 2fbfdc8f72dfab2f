// transactionSync(), transaction(), and what is atomic without either.
import { DurableObject } from "cloudflare:workers";
import { assert, assertEquals, assertRejects, assertThrows } from "./assert.ts";
import { inside } from "./inside.ts";

export { Inside } from "./inside.ts";

const keys = (storage: DurableObjectStorage) => [...storage.kv.list()].map(([key]) => key);

export const transactionSyncReturnsWhatItsCallbackReturns = inside(({ storage }) => {
  assertEquals(storage.transactionSync(() => 42), 42);
});

export const transactionSyncKeepsItsWrites = inside(({ storage }) => {
  storage.sql.exec("CREATE TABLE t (a)");
  storage.transactionSync(() => {
    storage.kv.put("key", 1);
    storage.sql.exec("INSERT INTO t VALUES (1)");
  });
  assertEquals(storage.kv.get("key"), 1);
  assertEquals(storage.sql.exec("SELECT * FROM t").toArray(), [{ a: 1 }]);
});

export const transactionSyncRollsBackWhenItThrows = inside(({ storage }) => {
  storage.sql.exec("CREATE TABLE t (a)");
  storage.kv.put("before", 1);
  const error = new Error("stop");
  try {
    storage.transactionSync(() => {
      storage.kv.put("key", 1);
      storage.sql.exec("INSERT INTO t VALUES (1)");
      throw error;
    });
    assert(false, "should have thrown");
  } catch (thrown) {
    assert(thrown === error);
  }
  assertEquals(keys(storage), ["before"]);
  assertEquals(storage.sql.exec("SELECT * FROM t").toArray(), []);
});

export const transactionSyncRollsBackASchemaChange = inside(({ storage }) => {
  assertThrows(() => {
    storage.transactionSync(() => {
      storage.sql.exec("CREATE TABLE t (a)");
      throw new Error("stop");
    });
  }, "Error: stop");
  assertThrows(() => storage.sql.exec("SELECT * FROM t"), "Error: no such table: t: SQLITE_ERROR");
});

export const anInnerTransactionSyncRollsBackAlone = inside(({ storage }) => {
  storage.transactionSync(() => {
    storage.kv.put("outer", 1);
    assertThrows(() => {
      storage.transactionSync(() => {
        storage.kv.put("inner", 1);
        throw new Error("inner");
      });
    }, "Error: inner");
    storage.kv.put("after", 1);
  });
  assertEquals(keys(storage), ["after", "outer"]);
});

export const anOuterTransactionSyncRollsBackTheInner = inside(({ storage }) => {
  assertThrows(() => {
    storage.transactionSync(() => {
      storage.transactionSync(() => storage.kv.put("inner", 1));
      assertEquals(keys(storage), ["inner"]);
      throw new Error("outer");
    });
  }, "Error: outer");
  assertEquals(keys(storage), []);
});

export const transactionSyncDoesNotWaitForAPromise = inside(async ({ storage }) => {
  const promise = storage.transactionSync(async () => {
    storage.kv.put("inside", 1);
    await null;
    storage.kv.put("outside", 1);
    throw new Error("too late");
  });
  await assertRejects(promise, "Error: too late");
  assertEquals(keys(storage), ["inside", "outside"]);
});

export const transactionSyncRollsBackAnAlarm = inside(async ({ storage }) => {
  assertThrows(() => {
    storage.transactionSync(() => {
      storage.setAlarm(Date.now() + 60_000);
      throw new Error("stop");
    });
  }, "Error: stop");
  assertEquals(await storage.getAlarm(), null);
});

export const transactionResolvesToWhatItsCallbackReturns = inside(async ({ storage }) => {
  assertEquals(await storage.transaction(async () => 42), 42);
});

export const transactionKeepsItsWrites = inside(async ({ storage }) => {
  await storage.transaction(async (txn) => {
    await txn.put("a", 1);
    await txn.put({ b: 2, c: 3 });
    await txn.delete("c");
    assertEquals(await txn.get("a"), 1);
    assertEquals(await txn.get(["a", "b"]), new Map([["a", 1], ["b", 2]]));
    assertEquals(await txn.list({ prefix: "b" }), new Map([["b", 2]]));
  });
  assertEquals(await storage.list(), new Map([["a", 1], ["b", 2]]));
});

export const transactionRollsBackWhenItThrows = inside(async ({ storage }) => {
  await storage.put("key", "before");
  await assertRejects(
    storage.transaction(async (txn) => {
      await txn.put("key", "within");
      await txn.put("other", 1);
      assertEquals(await txn.get("key"), "within");
      throw new RangeError("stop");
    }),
    "RangeError: stop",
  );
  assertEquals(await storage.list(), new Map([["key", "before"]]));
});

export const theObjectGoesOnAfterAThrowingTransaction = inside(async ({ storage }) => {
  await assertRejects(storage.transaction(async () => { throw new Error("stop"); }), "Error: stop");
  await storage.put("key", 1);
  assertEquals(await storage.get("key"), 1);
});

export const rollbackUndoesAndTheResultIsStillReturned = inside(async ({ storage }) => {
  const result = await storage.transaction(async (txn) => {
    await txn.put("key", 1);
    txn.rollback();
    txn.rollback();
    return "done";
  });
  assertEquals(result, "done");
  assertEquals(await storage.get("key"), undefined);
});

export const nothingCanBeDoneAfterRollback = inside(async ({ storage }) => {
  await storage.transaction(async (txn) => {
    txn.rollback();
    await assertRejects(() => txn.get("key"), "Error: Cannot get() on rolled back transaction");
    await assertRejects(() => txn.put("key", 1), "Error: Cannot put() on rolled back transaction");
    await assertRejects(() => txn.delete("key"), "Error: Cannot delete() on rolled back transaction");
    await assertRejects(() => txn.list(), "Error: Cannot list() on rolled back transaction");
  });
});

export const nothingCanBeDoneAfterCommit = inside(async ({ storage }) => {
  const txn = await storage.transaction(async (txn) => ({ txn }));
  await assertRejects(
    () => txn.txn.get("key"),
    "Error: Cannot call get() on transaction that has already committed: did you move `txn` outside of the closure?",
  );
});

export const storageIsPartOfARunningTransaction = inside(async ({ storage }) => {
  storage.sql.exec("CREATE TABLE t (a)");
  await assertRejects(
    storage.transaction(async () => {
      await storage.put("async", 1);
      storage.kv.put("sync", 1);
      storage.sql.exec("INSERT INTO t VALUES (1)");
      throw new Error("stop");
    }),
    "Error: stop",
  );
  assertEquals(keys(storage), []);
  assertEquals(storage.sql.exec("SELECT * FROM t").toArray(), []);
});

export const transactionMayWaitForATimer = inside(async ({ storage }) => {
  await assertRejects(
    storage.transaction(async (txn) => {
      await txn.put("key", 1);
      await scheduler.wait(1);
      throw new Error("stop");
    }),
    "Error: stop",
  );
  assertEquals(await storage.get("key"), undefined);
});

export const transactionSyncRunsWithinATransaction = inside(async ({ storage }) => {
  await storage.transaction(async () => {
    storage.transactionSync(() => storage.kv.put("kept", 1));
    assertThrows(() => storage.transactionSync(() => {
      storage.kv.put("undone", 1);
      throw new Error("stop");
    }), "Error: stop");
  });
  assertEquals(keys(storage), ["kept"]);
});

export const aTransactionWithinATransactionRollsBackAlone = inside(async ({ storage }) => {
  await storage.transaction(async () => {
    await storage.put("outer", 1);
    await assertRejects(
      storage.transaction(async (inner) => {
        await inner.put("inner", 1);
        throw new Error("stop");
      }),
      "Error: stop",
    );
  });
  assertEquals(keys(storage), ["outer"]);
});

export const transactionRollsBackAnAlarm = inside(async ({ storage }) => {
  await assertRejects(
    storage.transaction(async (txn) => {
      await txn.setAlarm(Date.now() + 60_000);
      assert((await txn.getAlarm()) !== null);
      throw new Error("stop");
    }),
    "Error: stop",
  );
  assertEquals(await storage.getAlarm(), null);
});

export const deleteAllIsRefusedWithinATransaction = inside(async ({ storage }) => {
  await storage.put("key", 1);
  await assertRejects(
    storage.transaction(async () => storage.deleteAll()),
    "Error: Cannot call deleteAll() within a transaction",
  );
  assertEquals(await storage.get("key"), 1);
});

export class Account extends DurableObject {
  async balance() {
    return (await this.ctx.storage.get<number>("balance")) ?? 0;
  }

  async writeThenThrow() {
    await this.ctx.storage.put("balance", 1);
    throw new Error("after the write");
  }

  async writeThenAbort() {
    await this.ctx.storage.put("balance", 2);
    this.ctx.abort("before the commit");
  }

  // Reads, waits, writes: other events wait meanwhile, so none is lost.
  async deposit() {
    await this.ctx.storage.transaction(async (txn) => {
      const balance = (await txn.get<number>("balance")) ?? 0;
      await scheduler.wait(1);
      await txn.put("balance", balance + 1);
    });
  }
}

interface Env {
  Account: DurableObjectNamespace<Account>;
}

export const anExceptionDoesNotUndoWrites = {
  async test(_: unknown, env: Env) {
    const account = env.Account.getByName("throws");
    await assertRejects(account.writeThenThrow(), "Error: after the write");
    assertEquals(await account.balance(), 1);
  },
};

export const anAbortUndoesTheWritesOfItsTurn = {
  async test(_: unknown, env: Env) {
    await assertRejects(env.Account.getByName("aborts").writeThenAbort(), "Error: before the commit");
    assertEquals(await env.Account.getByName("aborts").balance(), 0);
  },
};

export const otherEventsWaitForATransaction = {
  async test(_: unknown, env: Env) {
    const account = env.Account.getByName("deposits");
    await Promise.all(Array.from({ length: 10 }, () => account.deposit()));
    assertEquals(await account.balance(), 10);
  },
};

export const anAlarmCanBeDeletedWithinATransaction = inside(async ({ storage }) => {
  const time = Date.now() + 3600_000;
  await storage.setAlarm(time);
  const rolledBack = storage.transaction(async (txn) => {
    await txn.deleteAlarm();
    assertEquals(await txn.getAlarm(), null);
    throw new Error("no");
  });
  await assertRejects(rolledBack, "Error: no");
  assertEquals(await storage.getAlarm(), time);
  await storage.transaction((txn) => txn.deleteAlarm());
  assertEquals(await storage.getAlarm(), null);
});
