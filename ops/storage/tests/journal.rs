//! An object in the journal: its commits, checkpoints, crashes and restores,
//! step by step.

mod seeded;
mod world;

#[path = "journal/damage.rs"]
mod damage;
#[path = "journal/forgetting.rs"]
mod forgetting;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use seeded::Random;
use stead_storage::{
    At, Bookmark, Database, IdKey, JournalOptions, Lane, LocalJournal, LogEvent, ObjectName,
    Options, Recovery, StorageError,
};
use world::{Fault, SimDisk};

/// A state directory with a journal that works when it is told to.
struct Fixture {
    state: tempfile::TempDir,
    disk: SimDisk,
    options: JournalOptions,
    journal: LocalJournal,
    lane: Lane,
    events: Arc<Mutex<Vec<(String, LogEvent)>>>,
    time_ms: std::cell::Cell<i64>,
}

fn fixture() -> Fixture {
    with_options(world::options())
}

fn with_options(options: JournalOptions) -> Fixture {
    let state = tempfile::tempdir().unwrap();
    let disk = SimDisk::default();
    let (journal, _) = start(&disk, state.path(), &options);
    Fixture {
        state,
        disk,
        options,
        journal,
        lane: Lane::default(),
        events: Arc::default(),
        time_ms: std::cell::Cell::new(1000),
    }
}

fn start(disk: &SimDisk, state: &Path, options: &JournalOptions) -> (LocalJournal, Recovery) {
    let disk = Arc::new(disk.clone());
    LocalJournal::open_on(disk, state, options.clone(), |_, _| Ok(())).unwrap()
}

fn name(object: &str) -> ObjectName {
    ObjectName {
        unique_key: "ns".into(),
        id: IdKey::new("ns").from_name(object),
    }
}

impl Fixture {
    fn try_open(&self, object: &str) -> Result<Database, StorageError> {
        std::fs::create_dir_all(self.state.path().join("ns")).unwrap();
        let (events, of) = (self.events.clone(), object.to_owned());
        let notify = move |event| events.lock().unwrap().push((of.clone(), event));
        Database::open_in(
            &self.journal,
            &name(object),
            &Options::default(),
            &self.lane,
            Box::new(notify),
        )
    }

    fn open(&self, object: &str) -> Database {
        self.try_open(object).unwrap()
    }

    /// Commits and submits, without making durable.
    fn submit(&self, database: &Database) {
        database.commit().unwrap().expect("something to commit");
        self.time_ms.set(self.time_ms.get() + 10);
        database.submit(self.time_ms.get()).unwrap();
    }

    fn put(&self, database: &Database, key: &str, value: &[u8]) {
        database.kv_put(key, value).unwrap();
        self.submit(database);
        self.journal.drive();
    }

    fn failures(&self) -> Vec<(String, String)> {
        let events = std::mem::take(&mut *self.events.lock().unwrap());
        events
            .into_iter()
            .filter_map(|(of, event)| match event {
                LogEvent::Failed(error) => Some((of, error)),
                _ => None,
            })
            .collect()
    }

    /// A new process finds what one that was killed left.
    fn crash(&mut self) -> Recovery {
        let copy = tempfile::tempdir().unwrap();
        self.disk = self.disk.copy(self.state.path(), copy.path());
        self.state = copy;
        self.options.after_clean_stop = false;
        self.restart()
    }

    /// A new process finds what one that is not ours left.
    fn crash_elsewhere(&mut self) {
        let copy = tempfile::tempdir().unwrap();
        self.disk = self.disk.copy(self.state.path(), copy.path());
        self.state = copy;
        self.options.after_clean_stop = true;
        self.restart();
    }

    /// A new process finds what a power failure left.
    fn lose_power(&mut self) -> Recovery {
        let copy = tempfile::tempdir().unwrap();
        self.disk = self.disk.copy(self.state.path(), copy.path());
        self.disk
            .lose_power(copy.path(), &mut Random::new("lose_power"));
        self.state = copy;
        self.options.after_clean_stop = false;
        self.restart()
    }

    /// A new process finds what the last one left.
    fn restart(&mut self) -> Recovery {
        let (journal, recovery) = start(&self.disk, self.state.path(), &self.options);
        self.journal = journal;
        self.lane = Lane::default();
        recovery
    }

    /// A bit of the first segment is flipped before a new process finds it.
    fn damage(&mut self, at: usize) -> Recovery {
        let copy = tempfile::tempdir().unwrap();
        self.disk = self.disk.copy(self.state.path(), copy.path());
        self.state = copy;
        let segment = self.segments()[0].clone();
        let mut bytes = std::fs::read(&segment).unwrap();
        bytes[at] ^= 1;
        std::fs::write(&segment, bytes).unwrap();
        self.restart()
    }

    fn first_segment(&self) -> Vec<u8> {
        std::fs::read(&self.segments()[0]).unwrap()
    }

    fn path(&self, object: &str) -> PathBuf {
        let file = format!("{}.sqlite", name(object).id);
        self.state.path().join("ns").join(file)
    }

    fn bookmark(&self, database: &Database) -> Bookmark {
        let (journal, name) = database.journal().unwrap();
        Bookmark::after(journal.find(name, At::Now).unwrap())
    }

    /// Asks for a restore; the bookmark that undoes it.
    fn restore(&self, object: &str, bookmark: Bookmark) -> Result<Bookmark, StorageError> {
        let answer = Arc::new(Mutex::new(None));
        let told = answer.clone();
        self.journal
            .restore_at_next_open(&name(object), bookmark, move |result| {
                *told.lock().unwrap() = Some(result);
            });
        self.journal.drive();
        let answer = answer.lock().unwrap().take();
        answer.expect("an answer")
    }

    fn segments(&self) -> Vec<PathBuf> {
        let mut paths: Vec<_> = std::fs::read_dir(self.state.path().join("journal"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        paths
    }

    fn verify(&self, object: &str) {
        assert_eq!(
            self.journal.verify(&name(object)).unwrap(),
            Vec::<String>::new()
        );
    }
}

#[track_caller]
fn check(database: &Database, key: &str, value: Option<&[u8]>) {
    let found = database.kv_get(key, <[u8]>::to_vec).unwrap();
    assert_eq!(found.as_deref(), value, "{key}");
}

#[test]
fn a_commit_is_durable_when_the_journal_says_so() {
    let mut f = fixture();
    let a = f.open("a");
    a.kv_put("k", b"1").unwrap();
    f.submit(&a);
    assert_eq!(f.events.lock().unwrap().len(), 0);
    f.journal.drive();
    let events = f.events.lock().unwrap().clone();
    assert!(
        matches!(&events[..], [(of, LogEvent::Durable(1, point))] if of == "a" && point.sequence == 1),
        "{events:?}"
    );
    a.kv_put("k", b"2").unwrap();
    f.submit(&a);
    assert_eq!(f.lose_power().objects, 1);
    check(&f.open("a"), "k", Some(b"1"));
}

#[test]
fn one_sync_makes_the_commits_of_many_objects_durable() {
    let f = fixture();
    let objects: Vec<_> = (0..100).map(|n| f.open(&n.to_string())).collect();
    f.put(&objects[0], "k", b"");
    let before = f.disk.syncs();
    for object in &objects {
        object.kv_put("k", b"v").unwrap();
        f.submit(object);
    }
    f.journal.drive_commits();
    // 100 first commits of a few pages each: more than one small segment.
    assert!(f.disk.syncs() - before < 30, "{}", f.disk.syncs() - before);
    assert_eq!(f.events.lock().unwrap().len(), 101);
}

#[test]
fn a_clean_stop_leaves_complete_files_and_an_empty_journal() {
    let mut f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"v");
    a.close(0).unwrap();
    f.journal.stop().unwrap();
    assert_eq!(f.segments(), Vec::<PathBuf>::new());
    let plain = rusqlite::Connection::open(f.path("a")).unwrap();
    let count: i64 = plain
        .query_row("SELECT count(*) FROM _cf_KV", [], |row| row.get(0))
        .unwrap();
    assert_eq!(count, 1);
    plain.close().unwrap();
    assert_eq!(f.restart(), Recovery::default());
    let a = f.open("a");
    check(&a, "k", Some(b"v"));
    let bookmark = f.bookmark(&a);
    assert_eq!(bookmark.sequence, 1, "reading is no commit");
    f.put(&a, "k", b"w");
    assert_eq!(f.bookmark(&a).sequence, 2);
    f.verify("a");
}

#[test]
fn a_reset_object_starts_from_what_is_durable() {
    let f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"1");
    a.kv_put("k", b"2").unwrap();
    f.submit(&a);
    a.kv_put("k", b"3").unwrap();
    a.abort();
    let a = f.open("a");
    check(&a, "k", Some(b"2"));
    a.kv_put("k", b"4").unwrap();
    a.abort();
    check(&f.open("a"), "k", Some(b"2"));
}

#[test]
fn a_checkpoint_waits_for_the_journal_and_its_mark_lets_records_go() {
    let mut f = fixture();
    let a = f.open("a");
    for round in 0..3u8 {
        a.kv_put(&round.to_string(), &vec![round; 2_000_000])
            .unwrap();
        f.submit(&a);
    }
    assert!(!a.checkpoint_if_due().unwrap(), "nothing is durable yet");
    assert!(a.wants_pause());
    f.journal.drive();
    assert!(!a.wants_pause());
    assert!(a.checkpoint_if_due().unwrap());
    assert!(!a.checkpoint_if_due().unwrap(), "once is enough");
    let wal = f.path("a").with_extension("sqlite-wal");
    assert_eq!(std::fs::metadata(&wal).unwrap().len(), 0);
    f.journal.drive();
    f.put(&a, "k", b"v");
    assert!(f.segments().len() <= 4, "{:?}", f.segments());
    f.lose_power();
    let a = f.open("a");
    check(&a, "k", Some(b"v"));
    check(&a, "2", Some(&vec![2; 2_000_000]));
    f.verify("a");
}

#[test]
fn an_idle_object_does_not_hold_the_journal() {
    let f = fixture();
    let (idle, busy) = (f.open("idle"), f.open("busy"));
    f.put(&idle, "k", b"v");
    for round in 0..60u8 {
        f.put(&busy, "k", &vec![round; 20_000]);
        busy.checkpoint_if_due().unwrap();
        let wanted = f
            .events
            .lock()
            .unwrap()
            .contains(&("idle".to_owned(), LogEvent::CheckpointWanted));
        if wanted {
            idle.checkpoint_if_due().unwrap();
        }
        f.journal.drive();
    }
    assert!(f.segments().len() <= 4, "{:?}", f.segments());
    check(&idle, "k", Some(b"v"));
    f.verify("idle");
    f.verify("busy");
}

#[test]
fn a_failed_sync_is_final_for_its_batch_and_nothing_of_it_comes_back() {
    for fault in [Fault::Sync, Fault::Write] {
        let mut f = fixture();
        let (a, b) = (f.open("a"), f.open("b"));
        f.put(&a, "k", b"1");
        f.put(&b, "k", b"1");
        f.failures();
        a.kv_put("k", b"2").unwrap();
        f.submit(&a);
        f.disk.fail(fault, 0);
        f.journal.drive();
        f.disk.heal();
        let failures = f.failures();
        assert_eq!(failures.len(), 1, "{fault:?}: {failures:?}");
        assert_eq!(failures[0].0, "a");
        a.kv_put("k", b"3").unwrap();
        f.submit(&a);
        f.journal.drive();
        assert_eq!(f.failures().len(), 1, "no later commit succeeds");
        a.abort();
        f.put(&b, "k", b"2");
        assert_eq!(f.failures(), [], "others go on");
        let a = f.open("a");
        check(&a, "k", Some(b"1"));
        f.put(&a, "k", b"4");
        f.crash();
        check(&f.open("a"), "k", Some(b"4"));
        check(&f.open("b"), "k", Some(b"2"));
        f.verify("a");
    }
}

#[test]
fn a_database_file_that_cannot_be_synced_is_made_anew() {
    let f = fixture();
    let a = f.open("a");
    a.kv_put("k", &vec![1; 2_000_000]).unwrap();
    f.submit(&a);
    a.kv_put("l", &vec![1; 2_000_000]).unwrap();
    f.submit(&a);
    a.kv_put("m", &vec![1; 2_000_000]).unwrap();
    f.submit(&a);
    f.journal.drive();
    f.failures();
    f.disk.fail(Fault::Sync, 0);
    assert!(a.checkpoint_if_due().unwrap());
    f.journal.drive();
    f.disk.heal();
    assert_eq!(f.failures().len(), 1);
    a.abort();
    let a = f.open("a");
    check(&a, "m", Some(&vec![1; 2_000_000]));
    f.verify("a");
}

#[test]
fn what_another_tool_wrote_is_taken_over_with_its_past() {
    let mut f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"1");
    let first = f.bookmark(&a);
    a.close(0).unwrap();
    f.journal.stop().unwrap();
    let plain = rusqlite::Connection::open(f.path("a")).unwrap();
    plain
        .execute("UPDATE _cf_KV SET value = x'39'", [])
        .unwrap();
    // It leaves its log, as a process that was killed does.
    f.crash_elsewhere();
    drop(plain);
    let a = f.open("a");
    check(&a, "k", Some(b"9"));
    let taken = f.bookmark(&a);
    assert_eq!(taken.sequence, 2);
    f.put(&a, "k", b"3");
    f.verify("a");
    f.restore("a", first).unwrap();
    a.abort();
    let a = f.open("a");
    check(&a, "k", Some(b"1"));
    f.restore("a", taken).unwrap();
    a.abort();
    check(&f.open("a"), "k", Some(b"9"));
    f.verify("a");
}

#[test]
fn an_object_goes_back_and_forth() {
    let mut f = fixture();
    let a = f.open("a");
    let nothing = f.bookmark(&a);
    a.set_alarm(Some(5)).unwrap();
    f.put(&a, "k", b"1");
    let one = f.bookmark(&a);
    a.set_alarm(None).unwrap();
    f.put(&a, "k", b"2");
    let two = f.bookmark(&a);
    assert!(nothing.to_string() < one.to_string() && one.to_string() < two.to_string());

    let undo = f.restore("a", one).unwrap();
    f.put(&a, "k", b"3");
    a.abort();
    let a = f.open("a");
    assert!(a.was_restored());
    check(&a, "k", Some(b"1"));
    assert_eq!(a.alarm().unwrap(), Some(5));
    f.verify("a");
    a.abort();
    let a = f.open("a");
    assert!(!a.was_restored(), "once");
    f.put(&a, "l", b"later");

    f.restore("a", undo).unwrap();
    a.abort();
    let a = f.open("a");
    check(&a, "k", Some(b"3"));
    check(&a, "l", None);
    assert_eq!(a.alarm().unwrap(), None);

    f.restore("a", nothing).unwrap();
    a.abort();
    let a = f.open("a");
    check(&a, "k", None);
    f.put(&a, "new", b"1");
    a.close(0).unwrap();
    f.verify("a");
    f.journal.stop().unwrap();
    f.restart();
    let a = f.open("a");
    check(&a, "new", Some(b"1"));
    f.restore("a", two).unwrap();
    a.abort();
    let a = f.open("a");
    check(&a, "k", Some(b"2"));
    f.lose_power();
    check(&f.open("a"), "k", Some(b"2"));
    f.verify("a");
}

#[test]
fn bookmarks_of_others_and_of_no_time_are_refused() {
    let f = fixture();
    let (a, b) = (f.open("a"), f.open("b"));
    f.put(&a, "k", b"1");
    f.put(&b, "k", b"1");
    let (of_a, of_b) = (f.bookmark(&a), f.bookmark(&b));
    let error = f.restore("a", of_b).unwrap_err().to_string();
    assert!(error.contains("is not one of this object"), "{error}");
    let later = Bookmark {
        sequence: 9,
        ..of_a
    };
    let error = f.restore("a", later).unwrap_err().to_string();
    assert!(error.contains("is not one of this object"), "{error}");
    a.close(0).unwrap();
    check(&f.open("a"), "k", Some(b"1"));
}

#[test]
fn a_time_means_the_last_commit_until_then() {
    let mut f = fixture();
    let a = f.open("a");
    for round in 0..30u8 {
        f.put(&a, "k", &vec![round; 10_000]);
    }
    let at = |f: &Fixture, time_ms| {
        f.journal
            .find(&name("a"), At::Time(time_ms))
            .unwrap()
            .sequence
    };
    for restarted in [false, true] {
        assert_eq!(at(&f, 1009), 0);
        assert_eq!(at(&f, 1010), 1);
        assert_eq!(at(&f, 1019), 1);
        assert_eq!(at(&f, 1155), 15);
        assert_eq!(at(&f, i64::MAX), 30);
        assert_eq!(f.journal.history(&name("a")).unwrap().len(), 30);
        if !restarted {
            a.close(0).unwrap();
            f.journal.stop().unwrap();
            f.restart();
        }
    }
    let out = f.state.path().join("out.sqlite");
    f.journal.export(&name("a"), At::Time(1155), &out).unwrap();
    let plain = rusqlite::Connection::open(&out).unwrap();
    let value: Vec<u8> = plain
        .query_row("SELECT value FROM _cf_KV", [], |row| row.get(0))
        .unwrap();
    assert_eq!(value, vec![14; 10_000]);
}

#[test]
fn a_file_is_imported_as_one_commit() {
    let f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"1");
    let before = f.bookmark(&a);
    let file = f.state.path().join("in.sqlite");
    write_plain(&file);
    f.journal.import_at_next_open(&name("a"), &file).unwrap();
    check(&a, "k", Some(b"1"));
    a.abort();
    let a = f.open("a");
    check(&a, "k", Some(b"imported"));
    f.verify("a");
    f.restore("a", before).unwrap();
    a.abort();
    check(&f.open("a"), "k", Some(b"1"));
    std::fs::write(&file, [7; 8192]).unwrap();
    assert!(f.journal.import_at_next_open(&name("a"), &file).is_err());
}

fn write_plain(file: &Path) {
    let plain = rusqlite::Connection::open(file).unwrap();
    plain
        .execute_batch(
            "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;
             INSERT INTO _cf_KV VALUES ('k', CAST('imported' AS BLOB))",
        )
        .unwrap();
}
