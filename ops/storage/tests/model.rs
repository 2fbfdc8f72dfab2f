//! Randomised tests: a database against a map that does the same.

mod seeded;

use std::collections::BTreeMap;
use std::rc::Rc;

use seeded::Random;
use stead_storage::{Database, KvRange, Options, TransactionDepth, TransactionKind};

type Model = BTreeMap<String, Vec<u8>>;

fn open(path: &std::path::Path) -> Rc<Database> {
    Rc::new(Database::open(path, &Options::default()).unwrap())
}

fn contents(database: &Rc<Database>, range: &KvRange) -> Vec<(String, Vec<u8>)> {
    let mut cursor = database.kv_list(range).unwrap();
    let mut pairs = Vec::new();
    while let Some(pair) = cursor
        .next(|key, value| (key.to_owned(), value.to_vec()))
        .unwrap()
    {
        pairs.push(pair);
    }
    pairs
}

fn expected(model: &Model, range: &KvRange) -> Vec<(String, Vec<u8>)> {
    let in_range = |key: &String| {
        range.start.as_ref().is_none_or(|start| key >= start)
            && range.start_after.as_ref().is_none_or(|start| key > start)
            && range.end.as_ref().is_none_or(|end| key < end)
            && range
                .prefix
                .as_ref()
                .is_none_or(|prefix| key.starts_with(prefix.as_str()))
    };
    let mut pairs: Vec<_> = model
        .iter()
        .filter(|(key, _)| in_range(key))
        .map(|(k, v)| (k.clone(), v.clone()))
        .collect();
    if range.reverse {
        pairs.reverse();
    }
    pairs.truncate(range.limit.unwrap_or(i64::MAX) as usize);
    pairs
}

fn random_range(random: &mut Random) -> KvRange {
    let after = random.chance(30);
    KvRange {
        start: (!after && random.chance(40)).then(|| random.key()),
        start_after: after.then(|| random.key()),
        end: random.chance(40).then(|| random.key()),
        prefix: random.chance(40).then(|| random.key()),
        reverse: random.chance(50),
        limit: random.chance(40).then(|| 1 + random.below(5) as i64),
    }
}

/// One write to both.
fn write(random: &mut Random, database: &Database, model: &mut Model) {
    let key = random.key();
    match random.below(4) {
        0 => {
            let there = model.remove(&key).is_some();
            assert_eq!(database.kv_delete(&key).unwrap(), there);
        }
        1 => {
            let pairs: Vec<_> = (0..random.below(5))
                .map(|_| (random.key(), random.value()))
                .collect();
            let entries: Vec<_> = pairs
                .iter()
                .map(|(key, value)| (key.as_str(), value.as_slice()))
                .collect();
            database.kv_put_many(&entries).unwrap();
            model.extend(pairs);
        }
        _ => {
            let value = random.value();
            database.kv_put(&key, &value).unwrap();
            model.insert(key, value);
        }
    }
}

#[test]
fn keys_and_values_are_those_of_a_map() {
    let mut random = Random::new("keys_and_values_are_those_of_a_map");
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object.sqlite");
    let (mut database, mut model) = (open(&path), Model::new());
    for _ in 0..3000 {
        match random.below(20) {
            0 => drop(database.commit().unwrap()),
            1 => {
                database.close(0).unwrap();
                database = open(&path);
            }
            2 if random.chance(10) => {
                database.delete_all(true).unwrap();
                model.clear();
            }
            3..=9 => {
                let range = random_range(&mut random);
                assert_eq!(
                    contents(&database, &range),
                    expected(&model, &range),
                    "{range:?}"
                );
            }
            10..=12 => {
                let key = random.key();
                assert_eq!(
                    database.kv_get(&key, <[u8]>::to_vec).unwrap().as_ref(),
                    model.get(&key)
                );
            }
            _ => write(&mut random, &database, &mut model),
        }
    }
    assert_eq!(
        contents(&database, &KvRange::default()),
        expected(&model, &KvRange::default())
    );
}

#[test]
fn rolled_back_transactions_leave_what_was_before_them() {
    let mut random = Random::new("rolled_back_transactions_leave_what_was_before_them");
    let directory = tempfile::tempdir().unwrap();
    let database = open(&directory.path().join("object.sqlite"));
    let mut model = Model::new();
    let mut alarm = None;
    let mut open: Vec<(TransactionDepth, Model, Option<i64>)> = Vec::new();
    for _ in 0..3000 {
        match random.below(10) {
            0 | 1 if open.len() < 6 => {
                let kind = if random.chance(50) {
                    TransactionKind::Sync
                } else {
                    TransactionKind::Async
                };
                if open.is_empty() {
                    database.commit().unwrap();
                }
                open.push((
                    database.transaction_begin(kind).unwrap(),
                    model.clone(),
                    alarm,
                ));
            }
            2 => {
                if let Some((transaction, ..)) = open.pop() {
                    database.transaction_commit(transaction).unwrap();
                }
            }
            3 => {
                if let Some((transaction, before, alarm_before)) = open.pop() {
                    database.transaction_rollback(transaction).unwrap();
                    (model, alarm) = (before, alarm_before);
                }
            }
            4 => {
                let committed = database.commit().unwrap();
                assert!(
                    open.is_empty() || committed.is_none(),
                    "nothing commits inside a transaction"
                );
            }
            5 => {
                alarm = random.chance(70).then(|| 1 + random.below(1000) as i64);
                database.set_alarm(alarm).unwrap();
            }
            6 if open.len() > 1 => {
                let (outer, ..) = open[random.below(open.len() as u64 - 1) as usize];
                let error = database.transaction_rollback(outer).unwrap_err();
                assert_eq!(
                    error.to_string(),
                    "Cannot roll back an outer transaction while a nested transaction is still running."
                );
            }
            _ => write(&mut random, &database, &mut model),
        }
        if random.chance(20) {
            assert_eq!(
                contents(&database, &KvRange::default()),
                expected(&model, &KvRange::default())
            );
            assert_eq!(database.alarm().unwrap(), alarm);
        }
    }
}
