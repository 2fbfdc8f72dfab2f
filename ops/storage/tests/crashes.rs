//! Randomised schedules of everything that may happen to objects in a journal,
//! against a model: a list of the states that each object committed.
//!
//! What must be there after a crash is a state that was committed, not older
//! than the last one that was acknowledged; what was refused must not come
//! back; and every moment that was acknowledged can be brought back later.
//!
//! `STEAD_TEST_SCHEDULES` says how many schedules are run. A failure prints its
//! seed, which `STEAD_TEST_SEED` runs again, alone.

mod seeded;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use seeded::Random;
use stead_storage::{
    At, Binding, Bookmark, Database, IdKey, Lane, LocalJournal, LogEvent, ObjectName, Options,
    Point, TransactionKind, ValueRef,
};
use world::{Fault, SimDisk};

const OBJECTS: usize = 3;
const STEPS: u64 = 80;

/// What an object stores.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Content {
    pairs: BTreeMap<String, Vec<u8>>,
    rows: BTreeMap<i64, Vec<u8>>,
    alarm: Option<i64>,
}

/// An object and what the model knows of it.
struct Object {
    name: ObjectName,
    database: Rc<Database>,
    /// With what is not committed.
    content: Content,
    /// Committed and submitted, by the number that the journal will tell.
    submitted: Vec<(u64, Content)>,
    /// The last that was acknowledged.
    durable: Content,
    /// What was acknowledged, ever.
    past: Vec<(Point, Content)>,
    failed: bool,
}

type Told = Arc<Mutex<Vec<(usize, LogEvent)>>>;

struct World {
    random: Random,
    state: tempfile::TempDir,
    disk: SimDisk,
    journal: LocalJournal,
    lane: Lane,
    told: Told,
    objects: Vec<Object>,
    time_ms: i64,
    log: Vec<String>,
}

fn directory() -> tempfile::TempDir {
    // SQLite syncs the files that are its own; memory is faster at that.
    match Path::new("/dev/shm").is_dir() {
        true => tempfile::tempdir_in("/dev/shm").unwrap(),
        false => tempfile::tempdir().unwrap(),
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_refused_comes_back() {
    let count = std::env::var("STEAD_TEST_SCHEDULES");
    let count = count
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(300);
    let mut seeds = Random::new("nothing_acknowledged_is_lost_and_nothing_refused_comes_back");
    let alone = std::env::var("STEAD_TEST_SEED").is_ok();
    for schedule in 0..if alone { 1 } else { count } {
        let seed = if alone {
            seeds.seed()
        } else {
            seeds.next() | 1
        };
        let ran = std::panic::catch_unwind(|| World::run(seed));
        if let Err(panic) = ran {
            println!("schedule {schedule}: STEAD_TEST_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{count} schedules");
}

impl World {
    fn run(seed: u64) {
        let state = directory();
        std::fs::create_dir(state.path().join("ns")).unwrap();
        let disk = SimDisk::default();
        let (journal, told, lane) = (
            start(&disk, state.path(), true),
            Told::default(),
            Lane::default(),
        );
        let objects = (0..OBJECTS).map(|at| Object::new(&journal, &lane, &told, at));
        let objects = objects.collect();
        let mut world = World {
            random: Random::from_seed(seed),
            state,
            disk,
            journal,
            lane,
            told,
            objects,
            time_ms: 1000,
            log: Vec::new(),
        };
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..STEPS {
                world.step();
            }
            world.end();
        }));
        if let Err(panic) = ran {
            println!("{}", world.log.join("\n"));
            std::panic::resume_unwind(panic);
        }
    }

    fn note(&mut self, what: impl Into<String>) {
        self.log.push(what.into());
    }

    fn step(&mut self) {
        let at = self.random.below(OBJECTS as u64) as usize;
        match self.random.below(100) {
            0..40 => self.write(at),
            40..60 => self.commit(at),
            60..70 => self.drive(),
            70..76 => self.checkpoint(at),
            76..82 => self.reopen(at),
            82..86 => self.restore(at),
            86..90 => self.fail(at),
            90..96 => self.crash(),
            96..98 => self.stop(),
            _ => self.look_back(at),
        }
    }

    fn write(&mut self, at: usize) {
        let random = &mut self.random;
        let object = &mut self.objects[at];
        let database = &object.database;
        let what = random.below(10);
        self.log.push(format!("{at}: write {what}"));
        match what {
            0 => {
                let alarm = random.chance(60).then(|| 1 + random.below(1000) as i64);
                database.set_alarm(alarm).unwrap();
                object.content.alarm = alarm;
            }
            1 => {
                database.delete_all(true).unwrap();
                object.content = Content::default();
            }
            2 => {
                let key = random.key();
                database.kv_delete(&key).unwrap();
                object.content.pairs.remove(&key);
            }
            3 => {
                // Nothing of this stays.
                let transaction = database.transaction_begin(TransactionKind::Sync).unwrap();
                database.kv_put(&random.key(), &random.value()).unwrap();
                database.set_alarm(Some(7)).unwrap();
                database.transaction_rollback(transaction).unwrap();
            }
            4..6 => {
                let (id, text) = (random.below(50) as i64, random.value());
                database
                    .exec(
                        "CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY, b)",
                        &[],
                    )
                    .unwrap();
                let row = [Binding::Real(id as f64), Binding::Blob(&text)];
                database
                    .exec("INSERT OR REPLACE INTO t VALUES (?, ?)", &row)
                    .unwrap();
                object.content.rows.insert(id, text);
            }
            6 => {
                // Some pages, now and then many.
                let bytes = [5_000, 40_000, 300_000][random.below(3) as usize];
                let value = vec![random.below(256) as u8; bytes];
                database.kv_put("large", &value).unwrap();
                object.content.pairs.insert("large".to_owned(), value);
            }
            _ => {
                let (key, value) = (random.key(), random.value());
                database.kv_put(&key, &value).unwrap();
                object.content.pairs.insert(key, value);
            }
        }
    }

    fn commit(&mut self, at: usize) {
        let object = &mut self.objects[at];
        if object.database.commit().unwrap().is_some() {
            self.time_ms += 10;
            object.database.submit(self.time_ms).unwrap();
            let content = object.content.clone();
            object.submitted.push((object.database.sequence(), content));
            self.note(format!("{at}: commit"));
        }
    }

    fn drive(&mut self) {
        if self.random.chance(50) {
            self.note("drive commits");
            self.journal.drive_commits();
        } else {
            self.note("drive");
            self.journal.drive();
        }
        self.hear();
    }

    /// Hears what became of commits; objects that failed start anew.
    fn hear(&mut self) {
        let told = std::mem::take(&mut *self.told.lock().unwrap());
        for (at, event) in told {
            let object = &mut self.objects[at];
            match event {
                LogEvent::Durable(number, point) => {
                    object.database.note_durable(point);
                    object.acknowledged(number, point);
                }
                LogEvent::Failed(_) => object.failed = true,
                LogEvent::Written(_) | LogEvent::CheckpointWanted => {}
            }
        }
        for at in 0..OBJECTS {
            if self.objects[at].failed {
                self.note(format!("{at}: failed"));
                self.objects[at].database.abort();
                self.disk.heal();
                self.open_again(at);
                let object = &mut self.objects[at];
                object.submitted.clear();
                let content = object.read();
                assert_eq!(content, object.durable, "what was refused is not there");
                object.content = content;
            }
        }
    }

    fn checkpoint(&mut self, at: usize) {
        self.note(format!("{at}: checkpoint"));
        self.objects[at].database.checkpoint_if_due().unwrap();
        if self.random.chance(50) {
            self.drive();
        }
    }

    fn open_again(&mut self, at: usize) {
        let name = self.objects[at].name.clone();
        let database = open(&self.journal, &self.lane, &self.told, at, &name);
        self.objects[at].database = database;
        self.objects[at].failed = false;
    }

    fn reopen(&mut self, at: usize) {
        let object = &mut self.objects[at];
        if self.random.chance(50) {
            self.log.push(format!("{at}: abort"));
            object.database.abort();
        } else {
            self.log.push(format!("{at}: close"));
            if object.database.is_dirty() {
                let content = object.content.clone();
                let number = object.database.sequence() + 1;
                object.submitted.push((number, content));
            }
            self.time_ms += 10;
            object.database.close(self.time_ms).unwrap();
        }
        self.open_again(at);
        self.hear();
        let object = &mut self.objects[at];
        assert!(object.submitted.is_empty(), "opening waits for the journal");
        let content = object.read();
        assert_eq!(content, object.durable);
        object.content = content;
    }

    fn restore(&mut self, at: usize) {
        let past = &self.objects[at].past;
        if past.is_empty() {
            return;
        }
        let (point, content) = past[self.random.below(past.len() as u64) as usize].clone();
        self.note(format!("{at}: restore to commit {}", point.sequence));
        let undo = Arc::new(Mutex::new(None));
        let answer = undo.clone();
        self.journal.restore_at_next_open(
            &self.objects[at].name,
            Bookmark::after(point),
            move |result| *answer.lock().unwrap() = Some(result.unwrap()),
        );
        self.journal.drive();
        self.hear();
        let before = self.objects[at].durable.clone();
        self.objects[at].database.abort();
        if self.random.chance(30) {
            // Power goes in the middle of it, or before or after.
            let calls = self.random.below(12);
            self.disk.fail(Fault::Power, calls);
            let name = self.objects[at].name.clone();
            let opened = try_open(&self.journal, &self.lane, &self.told, at, &name);
            drop(opened);
            self.objects[at].submitted.push((u64::MAX, content.clone()));
            self.crash();
            let found = &self.objects[at].content;
            assert_eq!(*found, content, "what was asked for is done in the end");
            return;
        }
        self.open_again(at);
        assert!(self.objects[at].database.was_restored());
        self.hear();
        let object = &mut self.objects[at];
        assert_eq!(object.read(), content);
        object.content = content.clone();
        object.durable = content;
        let undo = undo.lock().unwrap().take().expect("an answer");
        let found = self.journal.find(&object.name, At::Bookmark(undo)).unwrap();
        let out = self.state.path().join("out");
        self.journal
            .export(&object.name, At::Bookmark(undo), &out)
            .unwrap();
        assert_eq!(read_file(&out), before, "undo of {found:?}");
        let now = self.journal.find(&object.name, At::Now).unwrap();
        object.past.push((now, object.durable.clone()));
    }

    /// A call of the disk fails, and the process goes on.
    fn fail(&mut self, at: usize) {
        let fault = [Fault::Write, Fault::Sync, Fault::Open][self.random.below(3) as usize];
        let calls = self.random.below(3);
        self.note(format!("{fault:?} fails after {calls}"));
        self.write(at);
        self.commit(at);
        self.disk.fail(fault, calls);
        self.journal.drive_commits();
        self.disk.heal();
        self.journal.drive();
        self.hear();
    }

    /// The process ends at some moment, and another one finds what is left.
    fn crash(&mut self) {
        let power = self.random.chance(60);
        if self.random.chance(60) {
            let calls = self.random.below(20);
            self.disk.fail(Fault::Power, calls);
            self.journal.drive();
            self.tell_only();
        }
        self.note(if power { "power failure" } else { "kill" });
        let copy = directory();
        let disk = self.disk.copy(self.state.path(), copy.path());
        if power {
            disk.lose_power(copy.path(), &mut self.random);
        }
        for object in &self.objects {
            object.database.abort();
        }
        // What the dead process had still to do would hold its files open for ever.
        self.disk.fail(Fault::Power, 0);
        self.journal.drive();
        self.disk = disk;
        self.state = copy;
        self.told = Told::default();
        self.lane = Lane::default();
        if self.random.chance(30) {
            // The next process does not get far either.
            let calls = self.random.below(20);
            self.note(format!("and again after {calls}"));
            self.disk.fail(Fault::Power, calls);
            let started = world::start(&self.disk, self.state.path(), false);
            drop(started);
            if self.random.chance(60) {
                self.disk.lose_power(self.state.path(), &mut self.random);
            }
            self.disk.heal();
        }
        self.journal = start(&self.disk, self.state.path(), false);
        self.find_all();
    }

    /// Hears, without going on.
    fn tell_only(&mut self) {
        for (at, event) in std::mem::take(&mut *self.told.lock().unwrap()) {
            if let LogEvent::Durable(number, point) = event {
                self.objects[at].acknowledged(number, point);
            }
        }
    }

    fn find_all(&mut self) {
        for at in 0..OBJECTS {
            self.open_again(at);
            let object = &mut self.objects[at];
            let found = object.read();
            let mut may_be = vec![&object.durable];
            may_be.extend(object.submitted.iter().map(|(_, content)| content));
            assert!(
                may_be.contains(&&found),
                "{at}: found {found:?}, of {may_be:?}"
            );
            object.submitted.clear();
            object.durable = found.clone();
            object.content = found;
            let now = self.journal.find(&object.name, At::Now).unwrap();
            if now.sequence > 0 {
                object.past.push((now, object.durable.clone()));
            }
        }
        self.hear();
    }

    fn stop(&mut self) {
        self.note("stop");
        for object in &mut self.objects {
            self.time_ms += 10;
            object.database.close(self.time_ms).unwrap();
            object.durable = object.content.clone();
            object.submitted.clear();
        }
        self.told = Told::default();
        self.journal.stop().unwrap();
        let left = std::fs::read_dir(self.state.path().join("journal")).unwrap();
        assert_eq!(left.count(), 0, "a clean stop leaves no journal");
        for object in &self.objects {
            let path = self
                .state
                .path()
                .join("ns")
                .join(format!("{}.sqlite", object.name.id));
            assert_eq!(read_file(&path), object.durable, "complete files");
        }
        self.journal = start(&self.disk, self.state.path(), true);
        self.lane = Lane::default();
        self.find_all();
    }

    /// Any moment that was acknowledged can be looked at.
    fn look_back(&mut self, at: usize) {
        let object = &self.objects[at];
        if object.past.is_empty() {
            return;
        }
        let (point, content) = &object.past[self.random.below(object.past.len() as u64) as usize];
        self.log
            .push(format!("{at}: look at commit {}", point.sequence));
        let out = self.state.path().join("out");
        let bookmark = At::Bookmark(Bookmark::after(*point));
        self.journal.export(&object.name, bookmark, &out).unwrap();
        assert_eq!(read_file(&out), *content);
    }

    fn end(&mut self) {
        self.journal.drive();
        self.hear();
        for at in 0..OBJECTS {
            for _ in 0..3 {
                self.look_back(at);
            }
            let problems = self.journal.verify(&self.objects[at].name).unwrap();
            assert_eq!(problems, Vec::<String>::new());
        }
    }
}

fn start(disk: &SimDisk, state: &Path, after_clean_stop: bool) -> LocalJournal {
    let (journal, recovery) = world::start(disk, state, after_clean_stop).unwrap();
    assert_eq!(recovery.failed, []);
    journal
}

fn try_open(
    journal: &LocalJournal,
    lane: &Lane,
    told: &Told,
    at: usize,
    name: &ObjectName,
) -> stead_storage::Result<Rc<Database>> {
    let told = told.clone();
    let notify = Box::new(move |event| told.lock().unwrap().push((at, event)));
    Database::open_in(journal, name, &Options::default(), lane, notify).map(Rc::new)
}

fn open(
    journal: &LocalJournal,
    lane: &Lane,
    told: &Told,
    at: usize,
    name: &ObjectName,
) -> Rc<Database> {
    try_open(journal, lane, told, at, name).unwrap()
}

impl Object {
    fn new(journal: &LocalJournal, lane: &Lane, told: &Told, at: usize) -> Object {
        let name = ObjectName {
            unique_key: "ns".into(),
            id: IdKey::new("ns").from_name(&at.to_string()),
        };
        Object {
            database: open(journal, lane, told, at, &name),
            name,
            content: Content::default(),
            submitted: Vec::new(),
            durable: Content::default(),
            past: Vec::new(),
            failed: false,
        }
    }

    fn acknowledged(&mut self, number: u64, point: Point) {
        let known = self.submitted.iter().position(|(of, _)| *of == number);
        if let Some(known) = known {
            let (_, content) = self.submitted.drain(..=known).next_back().unwrap();
            self.past.push((point, content.clone()));
            self.durable = content;
        }
    }

    fn read(&self) -> Content {
        let database = &self.database;
        let mut content = Content {
            alarm: database.alarm().unwrap(),
            ..Content::default()
        };
        let mut list = database.kv_list(&Default::default()).unwrap();
        while let Some((key, value)) = list
            .next(|key, value| (key.to_owned(), value.to_vec()))
            .unwrap()
        {
            content.pairs.insert(key, value);
        }
        drop(list);
        let tables = database
            .exec("SELECT count(*) FROM sqlite_schema WHERE name = 't'", &[])
            .unwrap();
        if tables.column(0) == ValueRef::Integer(1) {
            drop(tables);
            let mut rows = database.exec("SELECT a, b FROM t", &[]).unwrap();
            while let ValueRef::Integer(id) = rows.column(0) {
                if let ValueRef::Blob(text) = rows.column(1) {
                    content.rows.insert(id, text.to_vec());
                }
                rows.advance().unwrap();
            }
        }
        content
    }
}

/// What a database file holds, as any tool reads it.
fn read_file(path: &Path) -> Content {
    let plain = rusqlite::Connection::open(path).unwrap();
    let mut content = Content::default();
    if plain.table_exists(None, "_cf_KV").unwrap() {
        let mut pairs = plain.prepare("SELECT key, value FROM _cf_KV").unwrap();
        let pairs = pairs.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        content.pairs = pairs.unwrap().map(Result::unwrap).collect();
    }
    if plain.table_exists(None, "t").unwrap() {
        let mut rows = plain.prepare("SELECT a, b FROM t").unwrap();
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        content.rows = rows.unwrap().map(Result::unwrap).collect();
    }
    if plain.table_exists(None, "_cf_METADATA").unwrap() {
        let mut alarm = plain
            .prepare("SELECT value FROM _cf_METADATA WHERE key = 1")
            .unwrap();
        let alarm = alarm.query_map([], |row| row.get::<_, i64>(0)).unwrap();
        content.alarm = alarm.map(|ns| ns.unwrap() / 1_000_000).next();
    }
    content
}
