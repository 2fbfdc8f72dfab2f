//! What the keys `l` and `a` do: the objects that there are, and the next alarm of them.

use super::session::Session;
use crate::cli::logger::Logger;
use crate::cli::timestamp::iso8601;
use crate::clock::Clock;
use crate::clock::SystemClock;
use crate::seen::Seen;

/// Objects of one worker that are shown.
const SHOWN_MAX: usize = 100;

/// Says which objects there are.
pub async fn list(sessions: &[Session], logger: &Logger) {
    for session in sessions {
        let Some(worker) = session.current().running() else {
            continue;
        };
        let objects = match worker.objects().await {
            Ok(objects) => objects,
            Err(refused) => {
                logger.error(None, refused.what);
                continue;
            }
        };
        let plural = if objects.len() == 1 { "" } else { "s" };
        let resident = objects.iter().filter(|object| object.is_resident).count();
        let name = session.project().map_or("", |project| &project.name);
        logger.note(format!(
            "{name}: {} object{plural}, {resident} in memory",
            objects.len()
        ));
        let width = objects
            .iter()
            .take(SHOWN_MAX)
            .map(|o| o.label().chars().count());
        let width = width.max().unwrap_or(0);
        for object in objects.iter().take(SHOWN_MAX) {
            logger.note(line(object, width));
        }
        if objects.len() > SHOWN_MAX {
            logger.note(format!("  and {} more", objects.len() - SHOWN_MAX));
        }
    }
}

fn line(object: &Seen, width: usize) -> String {
    let where_it_is = if object.is_resident {
        "in memory"
    } else {
        "stored"
    };
    let mut line = format!("  {:width$}  {where_it_is:9}", object.label());
    if object.sockets > 0 {
        let plural = if object.sockets == 1 { "" } else { "s" };
        line.push_str(&format!("  {} socket{plural}", object.sockets));
    }
    if let Some(at_ms) = object.alarm_ms {
        line.push_str(&format!("  alarm {}", iso8601(at_ms.max(0).unsigned_abs())));
    }
    if object.name.is_some() {
        line.push_str(&format!("  {}", object.id));
    }
    line
}

/// Runs the alarm that is due next, whenever that is.
pub async fn run_next_alarm(sessions: &[Session], logger: &Logger) {
    let mut next = None;
    for worker in sessions
        .iter()
        .filter_map(|session| session.current().running())
    {
        let pending = worker.pending_alarms().await.into_iter().next();
        if let Some((key, alarm)) = pending
            && next
                .as_ref()
                .is_none_or(|(_, _, at_ms)| alarm.at_ms < *at_ms)
        {
            let class = worker.class_name(key.namespace);
            let label = format!("{class}/{}", alarm.name.unwrap_or(alarm.id_hex));
            next = Some((worker, (key, label), alarm.at_ms));
        }
    }
    let Some((worker, (key, label), at_ms)) = next else {
        return logger.note("no alarm is set");
    };
    worker.run_alarm(key);
    let early = (at_ms - SystemClock.now_ms()).max(0);
    logger.note(format!(
        "running the alarm of {label}, {}.{} s before its time",
        early / 1000,
        early % 1000 / 100
    ));
}
