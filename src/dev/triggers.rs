//! Cron triggers: fired by the clock, by a key and by a request.

use std::sync::Arc;
use std::time::Duration;

use croner::Cron;

use super::current::Current;
use crate::cli::logger::Logger;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::shared::HandlerEvent;

/// Looked at the clock again so often, since it may be set.
const LOOK_MAX: Duration = Duration::from_secs(30);

/// The cron triggers of all workers, and when each is due next.
#[derive(Default)]
pub struct Triggers {
    entries: Vec<Trigger>,
}

struct Trigger {
    expression: String,
    cron: Cron,
    next_ms: Option<i64>,
    worker: Arc<Current>,
}

impl Triggers {
    /// The triggers of these expressions; those that were known keep the time for which they wait.
    pub fn set(&mut self, expressions: impl Iterator<Item = (String, Arc<Current>)>) {
        let now = SystemClock.now_ms();
        let before = std::mem::take(&mut self.entries);
        for (expression, worker) in expressions {
            // It was checked when the configuration was read.
            let Ok(cron) = crate::crons::parse(&expression) else {
                continue;
            };
            let known = before.iter().find(|known| {
                known.expression == expression && Arc::ptr_eq(&known.worker, &worker)
            });
            let next_ms = match known {
                Some(known) => known.next_ms,
                None => crate::crons::next_after(&cron, now),
            };
            self.entries.push(Trigger {
                expression,
                cron,
                next_ms,
                worker,
            });
        }
    }

    /// Waits until a trigger may be due.
    pub async fn wait(&self) {
        let next = self
            .entries
            .iter()
            .filter_map(|trigger| trigger.next_ms)
            .min();
        let Some(next) = next else {
            return std::future::pending().await;
        };
        let wait = next.saturating_sub(SystemClock.now_ms()).max(0);
        let wait = Duration::from_millis(wait.unsigned_abs()).min(LOOK_MAX);
        tokio::time::sleep(wait).await;
    }

    /// Fires what is due.
    pub fn fire_due(&mut self, logger: &Logger) {
        let now = SystemClock.now_ms();
        for trigger in &mut self.entries {
            if let Some(due) = trigger.next_ms.filter(|due| *due <= now) {
                trigger.next_ms = crate::crons::next_after(&trigger.cron, now);
                fire(trigger, due, logger);
            }
        }
    }

    /// Fires every trigger, whenever it is due.
    pub fn fire_all(&self, logger: &Logger) {
        if self.entries.is_empty() {
            logger.note("the configuration has no cron triggers");
        }
        for trigger in &self.entries {
            fire(trigger, SystemClock.now_ms(), logger);
        }
    }
}

fn fire(trigger: &Trigger, scheduled_time: i64, logger: &Logger) {
    let event = HandlerEvent::Scheduled {
        entrypoint: "default".to_owned(),
        cron: trigger.expression.clone(),
        scheduled_time,
    };
    let (worker, logger) = (trigger.worker.clone(), logger.clone());
    let expression = trigger.expression.clone();
    tokio::spawn(async move {
        let Some(worker) = worker.ready().await else {
            return;
        };
        match worker.handle(event).await {
            Ok(_) => logger.note(format!("scheduled `{expression}`: ok")),
            Err(error) => logger.error(None, format!("scheduled `{expression}`: {error}")),
        }
    });
}
