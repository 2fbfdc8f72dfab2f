//! Prints what the journal and its history cost on this machine:
//! `cargo run --release -p stead-storage --example costs [DIRECTORY]`.
//!
//! Commits of many objects with one write each, with and without history; how
//! large the history of them is; and how long it takes to bring a database of
//! 100 MB back to an earlier state.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Instant;

use stead_storage::{
    At, Bookmark, Database, IdKey, JournalOptions, Lane, LocalJournal, LogEvent, ObjectName,
    Options, Retention,
};

const OBJECTS: usize = 64;
const COMMITS: usize = 40_000;
/// Commits on their way at any time.
const AHEAD: usize = 64;

fn main() {
    let given = std::env::args().nth(1);
    let directory = given.map_or_else(std::env::temp_dir, Into::into);
    for (what, keep_ms) in [("with history", 86_400_000), ("without history", 0)] {
        let state = tempfile::tempdir_in(&directory).expect("a directory to work in");
        commits(state.path(), what, keep_ms);
    }
    let state = tempfile::tempdir_in(&directory).expect("a directory to work in");
    restore(state.path());
}

fn options(keep_ms: i64) -> JournalOptions {
    let time_ms = AtomicI64::new(1_700_000_000_000);
    JournalOptions {
        retention: Retention {
            keep_ms,
            ..Retention::default()
        },
        ..JournalOptions::new(Arc::new(move || time_ms.fetch_add(1, Ordering::Relaxed)))
    }
}

fn open(journal: &LocalJournal, at: usize, durable: &Arc<AtomicUsize>) -> Database {
    let name = name(at);
    let durable = durable.clone();
    let notify = move |event| match event {
        LogEvent::Durable(..) => drop(durable.fetch_add(1, Ordering::Release)),
        LogEvent::Failed(error) => panic!("{error}"),
        LogEvent::Written(_) | LogEvent::CheckpointWanted => {}
    };
    Database::open_in(
        journal,
        &name,
        &Options::default(),
        &Lane::default(),
        Box::new(notify),
    )
    .expect("an object")
}

fn name(at: usize) -> ObjectName {
    ObjectName {
        unique_key: "ns".into(),
        id: IdKey::new("ns").from_name(&at.to_string()),
    }
}

fn commits(state: &Path, what: &str, keep_ms: i64) {
    std::fs::create_dir(state.join("ns")).expect("a namespace");
    let (journal, _) =
        LocalJournal::open(state, options(keep_ms), |_, _| Ok(())).expect("a journal");
    let durable = Arc::new(AtomicUsize::new(0));
    let objects: Vec<_> = (0..OBJECTS)
        .map(|at| open(&journal, at, &durable))
        .collect();
    let begun = Instant::now();
    for commit in 0..COMMITS {
        let object = &objects[commit % OBJECTS];
        let key = format!("key {}", commit / OBJECTS % 100);
        let value = format!("{commit:0>200}");
        object.kv_put(&key, value.as_bytes()).expect("a write");
        object.commit().expect("a commit");
        object.submit(commit as i64).expect("the journal takes it");
        while commit - durable.load(Ordering::Acquire).min(commit) >= AHEAD {
            std::thread::yield_now();
        }
        object.checkpoint_if_due().expect("a checkpoint");
    }
    while durable.load(Ordering::Acquire) < COMMITS {
        std::thread::yield_now();
    }
    let elapsed = begun.elapsed().as_secs_f64();
    println!(
        "{what}: {:.0} commits/s, {AHEAD} on their way",
        COMMITS as f64 / elapsed
    );
    for object in objects {
        object.close(COMMITS as i64).expect("a clean end");
    }
    let begun = Instant::now();
    journal.stop().expect("a clean stop");
    println!("{what}: stopped in {:.2} s", begun.elapsed().as_secs_f64());
    let history = bytes(&state.join("history"));
    let written = COMMITS * 200;
    println!(
        "{what}: {history} bytes of history for {COMMITS} commits of 200 bytes: {:.2} for each byte, {:.0} for each commit",
        history as f64 / written as f64,
        history as f64 / COMMITS as f64
    );
}

fn restore(state: &Path) {
    std::fs::create_dir(state.join("ns")).expect("a namespace");
    let (journal, _) =
        LocalJournal::open(state, options(i64::MAX / 4), |_, _| Ok(())).expect("a journal");
    let durable = Arc::new(AtomicUsize::new(0));
    let object = open(&journal, 0, &durable);
    let mut given = 0;
    let mut put = |key: &str, byte: u64| {
        // Not all zeros, and not random: about as compressible as JSON.
        let value: Vec<u8> = (0..1_000_000u64)
            .map(|at| ((at * at) ^ (byte * 7)) as u8 >> 2)
            .collect();
        object.kv_put(key, &value).expect("a write");
        object.commit().expect("a commit");
        object
            .submit(given as i64 * 1000)
            .expect("the journal takes it");
        given += 1;
        while durable.load(Ordering::Acquire) < given {
            std::thread::yield_now();
        }
        object.checkpoint_if_due().expect("a checkpoint");
    };
    for key in 0..100 {
        put(&key.to_string(), key);
    }
    let before = journal.find(&name(0), At::Now).expect("a moment");
    for round in 0..50u64 {
        put(&(round % 10).to_string(), 1000 + round);
    }
    let (sender, asked) = std::sync::mpsc::channel();
    let begun = Instant::now();
    journal.restore_at_next_open(&name(0), Bookmark::after(before), move |answer| {
        sender.send(answer).expect("somebody waits");
    });
    asked.recv().expect("an answer").expect("it is kept");
    object.abort();
    let object = open(&journal, 0, &durable);
    println!(
        "100 MB brought back over 50 commits of 1 MB in {:.2} s",
        begun.elapsed().as_secs_f64()
    );
    object.close(0).expect("a clean end");
    journal.stop().expect("a clean stop");
}

fn bytes(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("a directory");
    entries
        .map(|entry| {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => bytes(&path),
                false => path.metadata().map_or(0, |metadata| metadata.len()),
            }
        })
        .sum()
}
