//! `stead test`'s side of a worker: the clock and the controls that its tests hold.

use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;

use deno_core::OpState;
use deno_core::v8;
use serde_json::Value;
use serde_json::json;
use stead_ops::testing::TestAnswer;
use stead_ops::testing::TestCommand;
use stead_ops::testing::TestControl;
use stead_ops::testing::TestControlRef;
use stead_ops::testing::TestNote;
use stead_ops::time::VirtualClock;
use stead_ops::time::VirtualClockRef;

use crate::clock::Clock;
use crate::isolate::Isolate;
use crate::isolate::call;
use crate::placement::ShardIndex;
use crate::shard::Shard;
use crate::virtual_time::VirtualTime;

/// What `stead test` adds to a worker.
pub struct Testing {
    /// Fixes all random numbers.
    pub seed: u64,
}

/// The clock as one isolate asks it.
struct IsolateClock {
    clock: Arc<dyn Clock>,
    shard: ShardIndex,
}

impl IsolateClock {
    fn time(&self) -> &VirtualTime {
        self.clock.virtual_time().expect("`put_clock` has seen it")
    }
}

impl VirtualClock for IsolateClock {
    fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    fn elapsed_ms(&self) -> i64 {
        self.time().elapsed_ms()
    }

    fn next_timer(&self, at_ms: Option<i64>) {
        self.time().set_next(self.shard, at_ms);
    }
}

/// Hands the clock to an isolate's ops, if it is one that they are to follow.
pub fn put_clock(state: &mut OpState, clock: Arc<dyn Clock>, shard: ShardIndex) {
    if clock.virtual_time().is_some() {
        state.put::<VirtualClockRef>(Rc::new(IsolateClock { clock, shard }));
    }
}

/// Hands a test's controls to an isolate's ops.
pub fn put_control(state: &mut OpState, shard: &Rc<Shard>) {
    let control = Control {
        shard: Rc::downgrade(shard),
    };
    state.put::<TestControlRef>(Rc::new(control));
}

/// Prepares what the modules of tests import.
pub fn prepare(isolate: &Isolate, virtual_time: bool) {
    isolate.enter(|scope| {
        let virtual_time = v8::Boolean::new(scope, virtual_time).into();
        let prepared = call(scope, &isolate.dispatch.prepare_tests, &[virtual_time]);
        assert!(prepared.is_ok(), "making plain objects does not throw");
    });
}

/// The controls of the tests on one shard.
struct Control {
    shard: Weak<Shard>,
}

impl Control {
    fn shard(&self) -> Result<Rc<Shard>, String> {
        self.shard
            .upgrade()
            .ok_or_else(|| "the worker has ended".to_owned())
    }

    fn advance(&self, ms: f64) -> Result<TestAnswer, String> {
        let shard = self.shard()?;
        let reached = time(&shard)?.advance(ms as i64);
        Ok(Box::pin(async move {
            reached
                .await
                .map_err(|_| "the worker has ended".to_owned())?;
            arrived(&shard);
            Ok("null".to_owned())
        }))
    }

    fn run_next_alarm(&self) -> Result<TestAnswer, String> {
        let shard = self.shard()?;
        let ran = time(&shard)?.run_next_alarm();
        Ok(Box::pin(async move {
            let ran = ran.await.map_err(|_| "the worker has ended".to_owned())?;
            arrived(&shard);
            Ok(ran.to_string())
        }))
    }

    fn alarms(&self) -> Result<TestAnswer, String> {
        let shard = self.shard()?;
        Ok(Box::pin(async move {
            // What the running turn has set is told to the alarms before they are asked.
            shard.end_turn();
            // Time stands still until the answer is here.
            let time = shard.shared.clock.virtual_time();
            time.inspect(|time| time.sent());
            let pending = shard.shared.alarms.pending().await;
            arrived(&shard);
            let pending = pending.map_err(|_| "the worker has ended".to_owned())?;
            let alarms = pending.into_iter().map(|(key, entry)| {
                json!({
                    "class": shard.namespaces[key.namespace as usize].class,
                    "id": entry.id_hex,
                    "name": entry.name,
                    "time": entry.at_ms,
                })
            });
            Ok(alarms.collect::<Value>().to_string())
        }))
    }
}

/// Notes that an answer has arrived. The op's own task notes it, so the shard is busy from here on,
/// although its root task does not know yet.
fn arrived(shard: &Shard) {
    if let Some(time) = shard.shared.clock.virtual_time() {
        time.set_idle(shard.index, false);
        shard.wake();
        time.taken();
    }
}

fn time(shard: &Shard) -> Result<&VirtualTime, String> {
    let time = shard.shared.clock.virtual_time();
    time.ok_or_else(|| "the clock cannot be moved: the tests run with --real-time".to_owned())
}

impl TestControl for Control {
    fn ask(&self, command: TestCommand) -> TestAnswer {
        let answer = match command {
            TestCommand::Advance { ms } => self.advance(ms),
            TestCommand::RunNextAlarm {} => self.run_next_alarm(),
            TestCommand::Alarms {} => self.alarms(),
        };
        answer.unwrap_or_else(|error| Box::pin(async move { Err(error) }))
    }

    fn tell(&self, note: TestNote) -> Result<(), String> {
        let shard = self.shard()?;
        match note {
            TestNote::SetClock { now_ms } => time(&shard)?.set(now_ms as i64),
            TestNote::SetWall { now_ms } => time(&shard)?.set_wall(now_ms as i64),
            TestNote::Hold { held } => time(&shard)?.hold(held),
        }
        shard.wake();
        Ok(())
    }
}

impl Shard {
    /// Hears that nothing will happen any more by itself while a test waits.
    pub fn tell_stalled(&self) {}
}
