//! The objects of a worker as a person at the terminal sees them, and their next alarms.

use std::collections::HashMap;

use stead_ops::message::NamespaceIndex;
use stead_ops::message::ObjectKey;
use stead_storage::AlarmEntry;
use tokio::sync::oneshot;

use crate::shard::Shard;
use crate::shared::Message;
use crate::stored::question::Answer;
use crate::stored::question::Question;
use crate::stored::question::Refused;
use crate::worker::Worker;

/// An object that a shard holds.
pub struct Held {
    pub key: ObjectKey,
    pub name: Option<String>,
    /// Whether it is in memory; otherwise only its sockets are held.
    pub is_resident: bool,
    /// Hibernatable sockets.
    pub sockets: usize,
}

/// An object, stored or in memory or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    pub class: String,
    pub id: String,
    /// Its name, where it is known.
    pub name: Option<String>,
    pub is_resident: bool,
    pub sockets: usize,
    /// When its next alarm runs, in milliseconds.
    pub alarm_ms: Option<i64>,
}

impl Seen {
    /// `Class/name`, or `Class/id` if the name is not known.
    pub fn label(&self) -> String {
        format!("{}/{}", self.class, self.name.as_ref().unwrap_or(&self.id))
    }
}

/// Objects by class and id, while what is known of them is put together.
#[derive(Default)]
struct All(HashMap<(String, String), Seen>);

impl All {
    fn of(&mut self, class: &str, id: String) -> &mut Seen {
        let key = (class.to_owned(), id);
        self.0.entry(key).or_insert_with_key(|(class, id)| Seen {
            class: class.clone(),
            id: id.clone(),
            ..Seen::default()
        })
    }
}

impl Shard {
    /// What this shard holds.
    pub fn held_objects(&self) -> Vec<Held> {
        let objects = self.objects.borrow();
        let resident = objects.iter().map(|(key, resident)| Held {
            key: *key,
            name: resident.instance.name.borrow().clone(),
            is_resident: true,
            sockets: resident.instance.sockets.len(),
        });
        let sleeping = self.sleeping.borrow();
        let sleeping = sleeping.iter().map(|(key, sockets)| Held {
            key: *key,
            name: None,
            is_resident: false,
            sockets: sockets.len(),
        });
        resident.chain(sleeping).collect()
    }
}

impl Worker {
    /// All objects of the worker's classes, by class, then by name or id.
    ///
    /// # Errors
    /// The state directory cannot be read.
    pub async fn objects(&self) -> Result<Vec<Seen>, Refused> {
        let classes = self.own_classes();
        let mut seen = All::default();
        if let Answer::Objects(listed) = self.answer(Question::List).await? {
            for listed in listed {
                let key = &listed.object.unique_key;
                let class = classes.iter().find(|(_, _, known)| known == key);
                if let Some((_, class, _)) = class {
                    seen.of(class, listed.object.id).name = listed.name;
                }
            }
        }
        let class_of = |number: NamespaceIndex| classes.iter().find(|(own, ..)| *own == number);
        for held in self.held().await {
            if let Some((_, class, _)) = class_of(held.key.namespace) {
                let object = seen.of(class, held.key.id.to_string());
                object.is_resident = held.is_resident;
                object.sockets = held.sockets;
                object.name = held.name.or(object.name.take());
            }
        }
        for (key, alarm) in self.pending_alarms().await {
            if let Some((_, class, _)) = class_of(key.namespace) {
                let object = seen.of(class, alarm.id_hex);
                object.alarm_ms = Some(alarm.at_ms);
                object.name = alarm.name.or(object.name.take());
            }
        }
        let mut seen: Vec<Seen> = seen.0.into_values().collect();
        seen.sort_by_key(Seen::label);
        Ok(seen)
    }

    /// The alarms that wait for their time, earliest first.
    pub async fn pending_alarms(&self) -> Vec<(ObjectKey, AlarmEntry)> {
        // Without an answer the worker is ending.
        self.shared().alarms.pending().await.unwrap_or_default()
    }

    /// Runs an object's alarm now, if it has one.
    pub fn run_alarm(&self, key: ObjectKey) {
        self.shared().alarms.run_now(key);
    }

    /// The name of a namespace's class.
    pub fn class_name(&self, namespace: NamespaceIndex) -> String {
        self.shared().numbers.class(namespace)
    }

    /// Number, class and folder of each of the worker's own namespaces.
    fn own_classes(&self) -> Vec<(NamespaceIndex, String, String)> {
        let all = self.shared().numbers.after(0).into_iter();
        let own = (0..)
            .zip(all)
            .filter(|(_, n)| n.worker == self.shared().worker);
        own.map(|(number, n)| (number, n.class, n.unique_key))
            .collect()
    }

    async fn held(&self) -> Vec<Held> {
        let mut held = Vec::new();
        for shard in 0..self.shared().routes.len() {
            let (sender, answer) = oneshot::channel();
            self.shared().message(shard, Message::Look(sender)).await;
            // A shard that ends has no objects.
            held.extend(answer.await.unwrap_or_default());
        }
        held
    }
}
