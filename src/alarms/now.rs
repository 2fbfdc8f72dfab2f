//! Alarms that run before their time, because somebody at the terminal wants them to.

use std::sync::PoisonError;

use stead_ops::message::ObjectKey;
use stead_storage::AlarmEntry;

use super::Alarms;
use super::Busy;
use super::Scheduler;

impl Alarms {
    /// Runs an object's alarm now. One that runs already, or an object without one, is left alone.
    pub fn run_now(&self, key: ObjectKey) {
        let mut wanted = self
            .inner
            .wanted
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !wanted.contains(&key) {
            wanted.push(key);
        }
        drop(wanted);
        self.wake();
    }
}

impl Scheduler {
    /// The alarms that are wanted now.
    pub fn take_wanted(&mut self) -> Vec<(ObjectKey, AlarmEntry)> {
        let wanted = {
            let mut wanted = self
                .alarms
                .inner
                .wanted
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *wanted)
        };
        wanted
            .into_iter()
            .filter_map(|key| Some((key, self.waiting(key)?)))
            .collect()
    }

    /// The alarm of an object that waits for its time or for a retry.
    fn waiting(&self, key: ObjectKey) -> Option<AlarmEntry> {
        match self.busy.get(&key) {
            Some(Busy::Running { .. }) => return None,
            Some(Busy::Retry { entry, .. }) => return Some(entry.clone()),
            None => {}
        }
        let index = self
            .namespaces
            .get(usize::from(key.namespace))?
            .index
            .as_ref()?;
        let id = key.id.to_string();
        let all = index.due(i64::MAX, super::PENDING_MAX).unwrap_or_default();
        all.into_iter().find(|entry| entry.id_hex == id)
    }
}
