//! Staying awake for a moment. A thread that sleeps takes tens of microseconds to
//! wake up, which is more than a call between shards takes otherwise: after a shard
//! has sent a message to another one, or has taken one, it looks for what comes
//! back for a while before it sleeps.

use std::cell::Cell;
use std::time::Duration;
use std::time::Instant;

/// How long a shard stays awake after its last message to or from another one.
const LINGER: Duration = Duration::from_micros(50);
/// How many messages at most go by without lingering after it was in vain.
const SKIPPED_MAX: u32 = 64;

/// Whether a shard's thread stays awake.
#[derive(Default)]
pub struct Linger {
    until: Cell<Option<Instant>>,
    /// Messages that go by before the next try; doubles each time that nothing came.
    skipped: Cell<u32>,
    to_skip: Cell<u32>,
}

impl Linger {
    /// A message has gone to another shard, or has come from one.
    pub fn begin(&self) {
        if self.until.get().is_some() {
            self.skipped.set(0);
        } else if self.to_skip.get() > 0 {
            self.to_skip.set(self.to_skip.get() - 1);
            return;
        }
        self.until.set(Some(Instant::now() + LINGER));
    }

    /// Whether to look again rather than to sleep.
    pub fn goes_on(&self) -> bool {
        let Some(until) = self.until.get() else {
            return false;
        };
        if Instant::now() < until {
            return true;
        }
        self.until.set(None);
        let skipped = (self.skipped.get() * 2).clamp(1, SKIPPED_MAX);
        self.skipped.set(skipped);
        self.to_skip.set(skipped);
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_out(linger: &Linger) {
        while linger.goes_on() {
            std::hint::spin_loop();
        }
    }

    #[test]
    fn stays_awake_after_a_message_and_then_sleeps() {
        let linger = Linger::default();
        assert!(!linger.goes_on());
        linger.begin();
        assert!(linger.until.get().is_some());
        wait_out(&linger);
        assert!(!linger.goes_on());
    }

    #[test]
    fn lingers_less_often_the_more_often_it_was_in_vain() {
        let linger = Linger::default();
        let mut lingered = 0;
        for _ in 0..1_000 {
            linger.begin();
            lingered += u32::from(linger.until.get().is_some());
            wait_out(&linger);
        }
        assert!(lingered < 1_000 / SKIPPED_MAX + 10, "{lingered} times");
        // An answer that comes in time brings the courage back.
        while linger.until.get().is_none() {
            linger.begin();
        }
        linger.begin();
        wait_out(&linger);
        linger.begin();
        linger.begin();
        assert!(linger.until.get().is_some());
    }
}
