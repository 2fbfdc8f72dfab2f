//! `gates()` of `stead:test`: which objects hold something back at the moment, and why.

use std::rc::Rc;

use serde_json::Value;
use serde_json::json;

use super::control::Answer;
use crate::objects::Resident;
use crate::shard::Shard;

impl Shard {
    /// The objects that have a closed gate or owe an answer, as JSON, in the order of their labels.
    pub(super) async fn gates(self: &Rc<Self>) -> Answer {
        let mut all: Vec<(String, Value)> = Vec::new();
        for shard in 0..self.shared.routes.len() {
            let told = self.on_shard(shard, |shard, done| {
                let objects = shard.objects.borrow();
                let told = objects
                    .values()
                    .filter_map(|resident| shard.gates_of(resident));
                let _ = done.send(told.collect::<Vec<_>>());
            });
            all.extend(told.await.unwrap_or_default());
        }
        all.sort_by(|left, right| left.0.cmp(&right.0));
        Ok(all
            .into_iter()
            .map(|(_, told)| told)
            .collect::<Value>()
            .to_string())
    }

    fn gates_of(&self, resident: &Resident) -> Option<(String, Value)> {
        let instance = &resident.instance;
        let input = instance.input.is_locked().then(|| {
            let why = match instance.input.is_in_section() {
                true => "blockConcurrencyWhile() runs",
                false => "storage has to catch up",
            };
            json!({ "why": why, "waiting": instance.input.waiting() })
        });
        let output = (!resident.is_durable()).then(
            || json!({ "why": "a commit is not durable", "waiting": instance.output.waiting() }),
        );
        let owes = instance.owes.count();
        if input.is_none() && output.is_none() && owes == 0 {
            return None;
        }
        let told = json!({
            "class": self.namespaces.get(instance.key.namespace).class,
            "id": instance.key.id.to_string(),
            "name": *instance.name.borrow(),
            "input": input,
            "output": output,
            "owes": owes,
        });
        Some((instance.label(), told))
    }
}
