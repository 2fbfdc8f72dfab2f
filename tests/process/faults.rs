//! A file system that fails while the server runs: full, broken, read-only. Who is concerned is told, the object starts
//! anew from what is durable, others go on, and nothing that was acknowledged is lost, also not by the crash after it.
//!
//! The failures come from tests/faults/faults.c, preloaded into the server.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;

use crate::bank::{Transfer, Writer, audit};
use crate::http::{Connection, Response, Stream};
use crate::server::{Server, fixture, temporary, text};

/// The operations of faults.c.
const OPEN: u32 = 1;
const WRITE: u32 = 2;
pub const SYNC: u32 = 4;
const RESIZE: u32 = 8;
/// The error of faults.c that is none.
pub const HANG: i32 = -1;

/// What goes wrong.
#[derive(Clone, Copy)]
pub struct Fault {
    operations: u32,
    /// The system's error; 0 cuts writes short, which is no error; HANG lets them wait until the fault is cleared.
    error: i32,
    /// Operations that still succeed before the first that fails.
    pass: i32,
    /// Writes that write half of their bytes before one fails.
    halve: u32,
}

pub const fn fault(operations: u32, error: i32) -> Fault {
    Fault {
        operations,
        error,
        pass: 0,
        halve: 0,
    }
}

/// The shared memory through which faults are ordered.
pub struct Faults {
    control: File,
    pub path: PathBuf,
}

impl Faults {
    const BYTES: u64 = 512;

    pub fn in_directory(directory: &TempDir) -> Faults {
        let path = directory.path().join("faults");
        let control = File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&path)
            .expect("a file of our own");
        control.set_len(Faults::BYTES).expect("a small file");
        Faults { control, path }
    }

    /// The variables of a process that is to have them.
    pub fn environment(&self) -> [(&'static str, &Path); 2] {
        [("LD_PRELOAD", library()), ("STEAD_FAULTS", &self.path)]
    }

    /// From now on `fault` happens to files whose path contains `pattern`.
    pub fn order(&self, fault: Fault, pattern: &str) {
        static ORDERS: AtomicU32 = AtomicU32::new(1);
        self.clear();
        let mut rest = Vec::new();
        rest.extend(fault.error.to_ne_bytes());
        rest.extend(fault.pass.to_ne_bytes());
        rest.extend(fault.halve.to_ne_bytes());
        rest.extend(0_u32.to_ne_bytes());
        let order = ORDERS.fetch_add(1, Ordering::Relaxed);
        rest.extend(order.to_ne_bytes());
        rest.extend(pattern.as_bytes());
        rest.push(0);
        self.control.write_all_at(&rest, 4).unwrap();
        self.control
            .write_all_at(&fault.operations.to_ne_bytes(), 0)
            .unwrap();
    }

    /// From now on everything works.
    pub fn clear(&self) {
        self.control.write_all_at(&[0; 4], 0).unwrap();
    }

    /// How many operations have failed since the last order.
    pub fn hits(&self) -> u32 {
        let mut hits = [0; 4];
        self.control.read_exact_at(&mut hits, 16).unwrap();
        u32::from_ne_bytes(hits)
    }
}

/// The library, compiled once per run of the tests.
fn library() -> &'static Path {
    static LIBRARY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = LIBRARY.get_or_init(|| {
        let directory = temporary();
        let path = directory.path().join("faults.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/faults.c");
        let compiled = Command::new("cc")
            .args(["-O1", "-shared", "-fPIC", "-o", text(&path), text(&source)])
            .output()
            .expect("a C compiler");
        let said = String::from_utf8_lossy(&compiled.stderr);
        assert!(compiled.status.success(), "{said}");
        (directory, path)
    });
    path
}

/// A server whose file system can be made to fail, with two accounts on it.
struct Bank {
    server: Server,
    faults: Faults,
    state: PathBuf,
    ann: Account,
    ben: Account,
    _directory: TempDir,
}

struct Account {
    name: &'static str,
    writer: [Writer; 1],
}

impl Account {
    fn new(name: &'static str) -> Account {
        Account {
            name,
            writer: [Writer::new(0)],
        }
    }

    fn transfer(&mut self, server: &Server) -> Response {
        let transfer = Transfer {
            amount: 5,
            bytes: 6000,
            ..Transfer::default()
        };
        let mut connection = Connection::open(server.address).expect("the server listens");
        let answer = self.writer[0].transfer(&mut connection, self.name, transfer);
        answer.expect("the server answers")
    }

    #[track_caller]
    fn transfers(&mut self, server: &Server, count: usize) {
        for _ in 0..count {
            let answer = self.transfer(server);
            assert_eq!(answer.status, 200, "{}: {}", self.name, answer.text());
        }
    }

    /// All that was acknowledged is there, and every turn is whole.
    #[track_caller]
    fn check(&mut self, server: &Server) {
        let wrong = audit(server, self.name, &mut self.writer);
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[track_caller]
    fn id(&self, server: &Server) -> String {
        let audit = server.get(&format!("/{}/audit", self.name)).json();
        audit["id"].as_str().expect("an id").to_owned()
    }
}

impl Bank {
    /// Both accounts have acknowledged three transfers.
    #[track_caller]
    fn open() -> Bank {
        let directory = temporary();
        let faults = Faults::in_directory(&directory);
        let state = directory.path().join("state");
        let server = start(&faults, &state);
        let mut bank = Bank {
            server,
            faults,
            state,
            ann: Account::new("ann"),
            ben: Account::new("ben"),
            _directory: directory,
        };
        bank.ann.transfers(&bank.server, 3);
        bank.ben.transfers(&bank.server, 3);
        // All objects that the test asks are in memory now.
        bank.ben.check(&bank.server);
        bank
    }

    /// The failure is over: both accounts hold what they acknowledged, and work. So it is after a crash.
    #[track_caller]
    fn check_recovers(mut self) {
        self.faults.clear();
        for round in 0..2 {
            for account in [&mut self.ann, &mut self.ben] {
                account.check(&self.server);
                account.transfers(&self.server, 3);
                account.check(&self.server);
            }
            if round == 0 {
                self.server.kill();
                self.server = start(&self.faults, &self.state);
            }
        }
        self.server.stop();
    }
}

#[track_caller]
fn start(faults: &Faults, state: &Path) -> Server {
    Server::start_in(
        &faults.environment(),
        &fixture("bank.ts"),
        state,
        &["--shards", "2"],
    )
}

/// The answer of an object that was broken by a failing disk: it says what failed, and that the object was reset.
#[track_caller]
fn check_tells(answer: &Response, words: &[&str]) {
    assert_eq!(answer.status, 503, "{}", answer.text());
    let error = answer.json();
    let message = error["message"].as_str().expect("a message").to_lowercase();
    assert!(
        words.iter().any(|word| message.contains(word)),
        "the message names none of {words:?}: {message}"
    );
    assert_eq!(error["durableObjectReset"], true, "{error}");
}

const FULL: &[&str] = &["is full", "no space left"];
const BROKEN: &[&str] = &["i/o error", "input/output error"];

/// Nothing that the process writes below the state directory works any more, in one way.
#[track_caller]
fn check_everything_fails(fault: Fault, words: &[&str]) {
    let mut bank = Bank::open();
    bank.faults.order(fault, text(&bank.state));
    let answer = bank.ann.transfer(&bank.server);
    check_tells(&answer, words);
    assert!(bank.faults.hits() > 0);
    // An object that has nothing to write goes on.
    bank.ben.check(&bank.server);
    bank.check_recovers();
}

#[test]
fn a_full_disk_is_told_and_survived() {
    check_everything_fails(fault(WRITE | RESIZE, libc::ENOSPC), FULL);
}

#[test]
fn a_disk_that_takes_half_a_write_and_is_full_is_told_and_survived() {
    let half = Fault {
        halve: 1,
        ..fault(WRITE | RESIZE, libc::ENOSPC)
    };
    check_everything_fails(half, FULL);
}

#[test]
fn a_disk_that_cannot_write_is_told_and_survived() {
    check_everything_fails(fault(WRITE, libc::EIO), BROKEN);
}

#[test]
fn a_sync_that_fails_is_told_and_never_taken_for_one_that_worked() {
    check_everything_fails(fault(SYNC, libc::EIO), BROKEN);
}

/// One operation fails, the same one after it works: what it was to make durable may not count as durable.
#[test]
fn a_single_failed_sync_is_final_for_what_waited_for_it() {
    let mut bank = Bank::open();
    bank.faults.order(fault(SYNC, libc::EIO), text(&bank.state));
    let answer = bank.ann.transfer(&bank.server);
    bank.faults.clear();
    check_tells(&answer, BROKEN);
    bank.check_recovers();
}

#[test]
fn writes_that_are_cut_short_are_finished() {
    let mut bank = Bank::open();
    bank.faults.order(fault(WRITE, 0), text(&bank.state));
    bank.ann.transfers(&bank.server, 5);
    bank.ben.transfers(&bank.server, 5);
    assert!(bank.faults.hits() > 0);
    bank.check_recovers();
}

#[test]
fn one_object_with_a_broken_file_harms_no_other() {
    let mut bank = Bank::open();
    let id = bank.ann.id(&bank.server);
    bank.faults.order(fault(WRITE, libc::EIO), &id);
    check_tells(&bank.ann.transfer(&bank.server), BROKEN);
    bank.ben.transfers(&bank.server, 5);
    bank.check_recovers();
}

/// Whichever operation is the first to fail, and whatever fails after it.
#[test]
fn the_nth_operation_may_be_the_first_that_fails() {
    let mut bank = Bank::open();
    for pass in 0..24 {
        let error = [libc::EIO, libc::ENOSPC, libc::EROFS][pass as usize % 3];
        let fault = Fault {
            pass,
            ..fault(OPEN | WRITE | SYNC | RESIZE, error)
        };
        bank.faults.order(fault, text(&bank.state));
        // The objects of one process do not wait for each other, so both run into it.
        let Bank {
            server, ann, ben, ..
        } = &mut bank;
        std::thread::scope(|scope| {
            for account in [ann, ben] {
                let server = &*server;
                scope.spawn(move || while account.transfer(server).status == 200 {});
            }
        });
        bank.faults.clear();
        bank.ann.check(&bank.server);
        bank.ben.check(&bank.server);
    }
    bank.check_recovers();
}

#[test]
fn an_object_that_is_new_on_a_full_disk_is_refused_and_works_later() {
    let bank = Bank::open();
    let mut cas = Account::new("cas");
    bank.faults.order(
        fault(OPEN | WRITE | RESIZE, libc::ENOSPC),
        text(&bank.state),
    );
    let answer = cas.transfer(&bank.server);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let message = answer.json()["message"].to_string().to_lowercase();
    assert!(FULL.iter().any(|word| message.contains(word)), "{message}");
    bank.faults.clear();
    cas.check(&bank.server);
    cas.transfers(&bank.server, 3);
    cas.check(&bank.server);
    bank.check_recovers();
}

#[test]
fn a_directory_that_has_become_read_only_is_told_and_survived() {
    check_everything_fails(
        fault(OPEN | WRITE | SYNC | RESIZE, libc::EROFS),
        &["read-only", "readonly", "i/o error", "unable to open"],
    );
}

#[test]
fn a_start_on_a_read_only_directory_says_so() {
    let directory = temporary();
    let faults = Faults::in_directory(&directory);
    let state = directory.path().join("state");
    fs::create_dir(&state).unwrap();
    faults.order(
        fault(OPEN | WRITE | SYNC | RESIZE, libc::EROFS),
        text(&state),
    );
    let bank = fixture("bank.ts");
    let line = ["run", text(&bank), "--state", text(&state), "--port", "0"];
    crate::server::stead_in(&faults.environment(), line)
        .failed(5, &["cannot be written", "Read-only"]);
}

/// Sends a request that is not answered before `then` has run and the disk goes on; its answer.
#[track_caller]
fn while_it_waits(bank: &Bank, path: &str, then: impl FnOnce()) -> Response {
    bank.faults.order(fault(SYNC, HANG), text(&bank.state));
    let server = &bank.server;
    std::thread::scope(|scope| {
        let request = scope.spawn(|| server.send("POST", path, ""));
        while bank.faults.hits() == 0 {
            std::thread::yield_now();
        }
        // What would leave too early has a little time to do so.
        for _ in 0..20 {
            server.get("/nobody/note");
        }
        then();
        let answered = request.is_finished();
        bank.faults.clear();
        assert!(!answered, "the answer did not wait for the disk");
        request.join().unwrap()
    })
}

#[test]
fn answers_and_lines_of_the_console_wait_for_the_disk() {
    let bank = Bank::open();
    let said = |line: &serde_json::Value| line["text"] == "ann has stored 1";
    let answer = while_it_waits(&bank, "/ann/say/1", || {
        bank.server
            .logged(|line| line["text"] == "nobody was noted");
        assert!(!bank.server.has_logged(said));
    });
    assert_eq!(answer.status, 200);
    bank.server.logged(said);
    bank.check_recovers();
}

#[test]
fn chunks_of_a_streamed_body_wait_for_the_disk() {
    let bank = Bank::open();
    let mut stream = Stream::open(bank.server.address, "/ann/stream");
    assert_eq!(stream.next_line(), "begun");
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || drop(sender.send(stream.next_line())));
    let answer = while_it_waits(&bank, "/ann/say/1", || {
        assert_eq!(lines.try_recv(), Err(std::sync::mpsc::TryRecvError::Empty));
    });
    assert_eq!(answer.status, 200);
    assert_eq!(lines.recv().as_deref(), Ok("stored 1"));
    reader.join().unwrap();
    bank.check_recovers();
}

#[test]
fn nothing_waits_for_what_is_written_with_allow_unconfirmed() {
    let bank = Bank::open();
    bank.faults.order(fault(SYNC, HANG), text(&bank.state));
    for action in ["put", "delete", "set-alarm", "delete-alarm"] {
        let answer = bank
            .server
            .send("POST", &format!("/ann/loose/{action}"), "");
        assert_eq!((answer.status, answer.text()), (200, "done"), "{action}");
    }
    bank.faults.clear();
    // Together with a write that somebody waits for, it is waited for.
    assert_eq!(while_it_waits(&bank, "/ann/loose/both", || ()).status, 200);
    // So it is by those who ask for it.
    assert_eq!(while_it_waits(&bank, "/ann/loose/sync", || ()).status, 200);
    bank.check_recovers();
}

#[test]
fn an_unconfirmed_write_that_fails_breaks_the_object() {
    let bank = Bank::open();
    let calls = || {
        bank.server.get("/ann/audit").json()["calls"]
            .as_u64()
            .unwrap()
    };
    let before = calls();
    assert_eq!(calls(), before + 1);
    bank.faults
        .order(fault(SYNC | WRITE, libc::EIO), text(&bank.state));
    bank.server.send("POST", "/ann/loose/put", "");
    while bank.faults.hits() == 0 {
        std::thread::yield_now();
    }
    bank.faults.clear();
    // The failure is reported to the object's own thread, behind which requests queue.
    while calls() > 1 {}
    bank.check_recovers();
}

/// A stopped server's file of one account, as something outside of Stead has left it.
#[track_caller]
fn check_damaged_file(damage: impl FnOnce(&mut Vec<u8>), words: &[&str]) {
    let mut bank = Bank::open();
    bank.ann.transfers(&bank.server, 20);
    let id = bank.ann.id(&bank.server);
    bank.server.stop();
    let file = find(&bank.state, &format!("{id}.sqlite"));
    let mut bytes = fs::read(&file).unwrap();
    damage(&mut bytes);
    fs::write(&file, &bytes).unwrap();

    bank.server = start(&bank.faults, &bank.state);
    for _ in 0..2 {
        let answer = bank.server.get("/ann/audit");
        assert_ne!(answer.status, 200, "{}", answer.text());
        let message = answer.json()["message"].to_string();
        assert!(
            words.iter().any(|word| message.contains(word)),
            "the message names none of {words:?}: {message}"
        );
    }
    bank.ben.check(&bank.server);
    bank.ben.transfers(&bank.server, 3);
    bank.server.stop();
}

const PAGE: usize = 4096;
const MALFORMED: &[&str] = &["malformed", "is not a database", "is damaged"];

#[test]
fn a_file_that_is_no_database_is_refused_and_harms_no_other() {
    check_damaged_file(|bytes| bytes[..100].fill(0x5a), MALFORMED);
}

#[test]
fn a_file_that_was_cut_off_is_refused_and_harms_no_other() {
    check_damaged_file(|bytes| bytes.truncate(3 * PAGE), MALFORMED);
}

#[test]
fn a_page_that_is_no_page_is_refused_and_harms_no_other() {
    check_damaged_file(|bytes| bytes[PAGE..2 * PAGE].fill(0xff), MALFORMED);
}

/// The last segment of the journal, and the bytes of it that were written.
fn journal(state: &Path) -> (PathBuf, Vec<u8>) {
    let segments = fs::read_dir(state.join("journal")).unwrap();
    let mut segments: Vec<_> = segments.map(|segment| segment.unwrap().path()).collect();
    segments.sort();
    let last = segments.pop().expect("the journal has a segment");
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(end + 1);
    (last, bytes)
}

#[test]
fn a_journal_whose_last_write_was_cut_off_loses_nothing() {
    let mut bank = Bank::open();
    bank.server.kill();
    let (segment, mut bytes) = journal(&bank.state);
    // The beginning of one more record, as a power failure leaves it.
    let again = bytes[64..2000].to_vec();
    bytes.resize(bytes.len().next_multiple_of(64), 0);
    bytes.extend(again);
    fs::write(segment, bytes).unwrap();
    bank.server = start(&bank.faults, &bank.state);
    bank.check_recovers();
}

#[test]
fn a_bit_turned_in_the_journal_refuses_one_object_and_harms_no_other() {
    let mut bank = Bank::open();
    bank.server.kill();
    let (segment, mut bytes) = journal(&bank.state);
    // In the first record, with which the account that wrote first began.
    bytes[3000] ^= 4;
    fs::write(&segment, bytes).unwrap();
    bank.server = start(&bank.faults, &bank.state);
    for _ in 0..2 {
        let answer = bank.server.get("/ann/audit");
        assert_eq!(answer.status, 503, "{}", answer.text());
        let message = answer.json()["message"].to_string();
        let named = message.contains(".log") && message.contains("damaged");
        assert!(named, "{message}");
    }
    bank.ben.check(&bank.server);
    bank.ben.transfers(&bank.server, 3);
    bank.server.kill();
    bank.server = start(&bank.faults, &bank.state);
    bank.ben.check(&bank.server);
    bank.server.stop();
}

#[test]
fn a_state_directory_that_is_deleted_takes_no_more_writes() {
    let mut bank = Bank::open();
    fs::remove_dir_all(&bank.state).unwrap();
    let answer = bank.ann.transfer(&bank.server);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let answer = bank.ben.transfer(&bank.server);
    assert_eq!(answer.status, 503, "{}", answer.text());
    let mut cas = Account::new("cas");
    let answer = cas.transfer(&bank.server);
    assert_eq!(answer.status, 503, "{}", answer.text());
}

/// The file below `directory` that has this name.
#[track_caller]
fn find(directory: &Path, name: &str) -> PathBuf {
    let folders = fs::read_dir(directory).unwrap();
    let mut found = folders.map(|folder| folder.unwrap().path().join(name));
    found
        .find(|file| file.is_file())
        .expect("the object has a file")
}
