//! Objects that were reset for exceeding a limit, so that one which does so again
//! and again does not take its shard's time from the others.

use std::collections::HashMap;
use std::sync::Mutex;

use stead_ops::message::Failure;
use stead_ops::message::ObjectKey;

/// Resets within [`WINDOW_MS`] after which an object is refused.
const RESETS_MAX: usize = 3;
/// The time in which resets count, and for which an object is refused after too many.
const WINDOW_MS: i64 = 60_000;
/// Objects that are remembered; above that, those whose resets no longer count are forgotten.
const REMEMBERED_MAX: usize = 1024;

/// When objects were reset for exceeding a limit.
#[derive(Default)]
pub struct Kills {
    resets: Mutex<HashMap<ObjectKey, Vec<i64>>>,
}

impl Kills {
    /// Notes that an object was reset at `now_ms`.
    pub fn note(&self, key: ObjectKey, now_ms: i64) {
        let mut resets = self.lock();
        if resets.len() >= REMEMBERED_MAX {
            resets.retain(|_, times| times.iter().any(|at| counts(*at, now_ms)));
        }
        let times = resets.entry(key).or_default();
        times.retain(|at| counts(*at, now_ms));
        times.push(now_ms);
    }

    /// Whether a new instance may be made of the object.
    ///
    /// # Errors
    /// It was reset too often: what its callers are told.
    pub fn check(&self, key: ObjectKey, now_ms: i64) -> Result<(), Failure> {
        let resets = self.lock();
        let Some(times) = resets.get(&key) else {
            return Ok(());
        };
        let counting = times.iter().filter(|at| counts(**at, now_ms)).count();
        if counting < RESETS_MAX {
            return Ok(());
        }
        let last = times.iter().max().copied().unwrap_or(now_ms);
        let seconds = (last + WINDOW_MS - now_ms).max(0) as u64;
        Err(Failure {
            message: format!(
                "Durable Object is refused for {} seconds: it exceeded a limit and was reset {counting} times within a minute.",
                seconds.div_ceil(1000)
            ),
            overloaded: true,
            ..Failure::default()
        })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectKey, Vec<i64>>> {
        self.resets
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn counts(at_ms: i64, now_ms: i64) -> bool {
    at_ms <= now_ms && now_ms - at_ms < WINDOW_MS
}

#[cfg(test)]
mod tests {
    use stead_storage::IdKey;

    use super::*;

    fn key(name: &str) -> ObjectKey {
        ObjectKey::new(0, IdKey::new("test").from_name(name))
    }

    #[test]
    fn an_object_is_refused_after_three_resets_in_a_minute_and_for_a_minute() {
        let kills = Kills::default();
        for at in [0, 10_000, 20_000] {
            assert!(kills.check(key("a"), at).is_ok());
            kills.note(key("a"), at);
        }
        let refused = kills.check(key("a"), 25_000).unwrap_err();
        assert!(refused.overloaded);
        assert_eq!(
            refused.message,
            "Durable Object is refused for 55 seconds: it exceeded a limit and was reset 3 times within a minute."
        );
        assert!(kills.check(key("b"), 25_000).is_ok());
        assert!(kills.check(key("a"), 60_000).is_ok());
    }

    #[test]
    fn resets_that_are_far_apart_do_not_count_together() {
        let kills = Kills::default();
        for at in [0, 60_000, 120_000, 180_000] {
            kills.note(key("a"), at);
            assert!(kills.check(key("a"), at).is_ok());
        }
    }

    #[test]
    fn objects_whose_resets_no_longer_count_are_forgotten() {
        let kills = Kills::default();
        for number in 0..REMEMBERED_MAX {
            kills.note(key(&number.to_string()), 0);
        }
        kills.note(key("later"), WINDOW_MS);
        assert_eq!(kills.lock().len(), 1);
    }
}
