//! Cron triggers of a tested project: they fire when the clock of the tests passes their times.

use croner::Cron;
use tokio::sync::oneshot;

use super::TestDeed;
use crate::cli::logger::Level;
use crate::shared::HandlerEvent;
use crate::shared::Message;
use crate::shared::Shared;

/// The triggers, and when each is due next.
#[derive(Default)]
pub struct Crons {
    triggers: Vec<Trigger>,
}

struct Trigger {
    expression: String,
    cron: Cron,
    next_ms: Option<i64>,
}

impl Crons {
    /// Triggers that start at `now_ms`. Expressions were checked when the configuration was read.
    fn new(expressions: &[String], now_ms: i64) -> Crons {
        let trigger = |expression: &String| {
            let cron = crate::crons::parse(expression).ok()?;
            let next_ms = crate::crons::next_after(&cron, now_ms);
            let expression = expression.clone();
            Some(Trigger {
                expression,
                cron,
                next_ms,
            })
        };
        Crons {
            triggers: expressions.iter().filter_map(trigger).collect(),
        }
    }

    /// Those of a worker under test.
    pub fn of(shared: &Shared, now_ms: i64) -> Crons {
        match &shared.testing {
            Some(testing) => Crons::new(&testing.crons, now_ms),
            None => Crons::default(),
        }
    }

    /// Has the worker handle what is due, after the clock was set to `set_to`.
    pub fn run(&mut self, shared: &Shared, set_to: Option<i64>, now_ms: i64) {
        if let Some(set_to) = set_to {
            self.set(set_to);
        }
        for event in self.take_due(now_ms) {
            fire(shared, event);
        }
    }

    /// Has the triggers go on from a time that the clock was set to.
    fn set(&mut self, now_ms: i64) {
        for trigger in &mut self.triggers {
            trigger.next_ms = crate::crons::next_after(&trigger.cron, now_ms);
        }
    }

    /// The events of the triggers that are due, each at most once.
    fn take_due(&mut self, now_ms: i64) -> Vec<HandlerEvent> {
        let mut events = Vec::new();
        for trigger in &mut self.triggers {
            let Some(scheduled_time) = trigger.next_ms.filter(|due| *due <= now_ms) else {
                continue;
            };
            trigger.next_ms = crate::crons::next_after(&trigger.cron, now_ms);
            events.push(HandlerEvent::Scheduled {
                entrypoint: "default".to_owned(),
                cron: trigger.expression.clone(),
                scheduled_time,
            });
        }
        events
    }

    /// When the next one is due.
    pub fn next_ms(&self) -> Option<i64> {
        let times = self.triggers.iter().filter_map(|trigger| trigger.next_ms);
        times.min()
    }
}

/// Has the worker under test handle an event. What it throws fails the test that runs.
fn fire(shared: &Shared, event: HandlerEvent) {
    let deed: TestDeed = Box::new(move |shard| {
        let (sender, outcome) = oneshot::channel();
        shard.run_handler(&event, sender);
        let shared = shard.shared.clone();
        deno_core::unsync::spawn(async move {
            if let Ok(Err(error)) = outcome.await {
                shared.print(None, Level::Error, &error, true);
            }
        });
    });
    shared.hand_over(0, Message::Test(deed));
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: i64 = 60_000;

    #[track_caller]
    fn check(crons: &mut Crons, now_ms: i64, expect: &[(&str, i64)]) {
        let due = crons.take_due(now_ms);
        let due: Vec<_> = due
            .iter()
            .map(|event| match event {
                HandlerEvent::Scheduled {
                    cron,
                    scheduled_time,
                    ..
                } => (cron.as_str(), *scheduled_time),
                HandlerEvent::Queue { .. } => unreachable!("there are no queues"),
            })
            .collect();
        assert_eq!(due, expect);
    }

    #[test]
    fn triggers_are_due_once_and_start_anew_when_the_clock_is_set_back() {
        let expressions = ["*/5 * * * *".to_owned(), "0 * * * *".to_owned()];
        let mut crons = Crons::new(&expressions, 0);
        assert_eq!(crons.next_ms(), Some(5 * MINUTE_MS));
        check(&mut crons, 4 * MINUTE_MS, &[]);
        check(&mut crons, 5 * MINUTE_MS, &[("*/5 * * * *", 5 * MINUTE_MS)]);
        check(&mut crons, 5 * MINUTE_MS, &[]);
        let both = [
            ("*/5 * * * *", 10 * MINUTE_MS),
            ("0 * * * *", 60 * MINUTE_MS),
        ];
        check(&mut crons, 60 * MINUTE_MS, &both);
        crons.set(0);
        check(&mut crons, 0, &[]);
        check(&mut crons, 5 * MINUTE_MS, &[("*/5 * * * *", 5 * MINUTE_MS)]);
    }
}
