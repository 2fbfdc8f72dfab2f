//! Many clients and objects, a process that is killed at random moments, and the question after each start whether all
//! that was acknowledged is there, every turn is whole, nobody heard of what is lost, and alarms still fire.
//!
//! `STEAD_TORTURE_KILLS` says how often (20 times if not given, 500 in `make torture`), `STEAD_TORTURE_SEED` repeats a
//! run's random decisions. Which of them meets which moment of the process is the machine's to decide.

use std::io::Write;
use std::sync::mpsc::{self, Sender};
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tempfile::TempDir;

use crate::bank::{Accounts, Transfer, Writer, audit, unfired};
use crate::http::Connection;
use crate::server::{Server, fixture, temporary};

const ACCOUNTS: u32 = 6;
const WRITERS_PER_ACCOUNT: u32 = 2;
/// What the names of accounts begin with that only their alarm wakes.
const SLEEPER: &str = "sleeper-";

#[test]
fn kills_at_random_moments_lose_nothing() {
    let kills = number("STEAD_TORTURE_KILLS").unwrap_or(20);
    let seed = number("STEAD_TORTURE_SEED").unwrap_or_else(|| rand::rng().random());
    say(&format!(
        "torture: STEAD_TORTURE_SEED={seed}, {kills} kills"
    ));
    let mut torture = Torture::new(seed);
    while torture.kills < kills && torture.lost.is_empty() {
        torture.round();
    }
    if torture.lost.is_empty() {
        torture.finish();
    }
    say(&format!(
        "torture: {} kills ({} of them while starting), {} clean stops, {} acknowledged writes, {} alarms, {} lost",
        torture.kills,
        torture.kills_while_starting,
        torture.stops,
        torture.acknowledged,
        torture.alarms,
        torture.lost.len(),
    ));
    if !torture.lost.is_empty() {
        let state = torture.state.keep();
        panic!(
            "seed {seed}, state {}: {:#?}",
            state.display(),
            torture.lost
        );
    }
}

struct Torture {
    random: StdRng,
    state: TempDir,
    accounts: Accounts,
    /// Accounts that have set one alarm, and of which nobody asks anything until it has fired. The line that says so
    /// waits for the disk, so that a killed process may have run the alarm without having said it: false with those.
    asleep: Vec<(String, bool)>,
    lost: Vec<String>,
    kills: u64,
    kills_while_starting: u64,
    stops: u64,
    acknowledged: u64,
    alarms: u64,
}

impl Torture {
    fn new(seed: u64) -> Torture {
        let names = (0..ACCOUNTS).map(|number| format!("account-{number}"));
        let writers: Vec<_> = (0..WRITERS_PER_ACCOUNT).map(Writer::new).collect();
        Torture {
            random: StdRng::seed_from_u64(seed),
            state: temporary(),
            accounts: names.map(|name| (name, writers.clone())).collect(),
            asleep: Vec::new(),
            lost: Vec::new(),
            kills: 0,
            kills_while_starting: 0,
            stops: 0,
            acknowledged: 0,
            alarms: 0,
        }
    }

    /// One life of the process, from its start to its end.
    fn round(&mut self) {
        if self.random.random_ratio(1, 5) {
            let time = Duration::from_micros(self.random.random_range(0..60_000));
            Server::kill_while_it_starts(&fixture("bank.ts"), self.state.path(), time);
            self.kills += 1;
            self.kills_while_starting += 1;
            self.asleep
                .iter_mut()
                .for_each(|(_, says_it)| *says_it = false);
            return;
        }
        let server = self.start();
        let asleep_since = Instant::now();
        let (sleeper, alarm_after) = self.put_one_to_sleep(&server);
        let log = self.load_and_end(server);
        let fired = format!("fired {sleeper}");
        if !log.iter().any(|line| line["text"] == *fired) {
            self.asleep
                .push((sleeper, asleep_since.elapsed() < alarm_after));
        }
    }

    /// Starts the process, waits for the alarms that nobody but the process knows of, and audits everything.
    fn start(&mut self) -> Server {
        let shards = self.random.random_range(1..=3).to_string();
        let options = ["--shards", &shards];
        let server = Server::start(&fixture("bank.ts"), self.state.path(), &options);
        let woken = std::mem::take(&mut self.asleep);
        for (sleeper, says_it) in &woken {
            if *says_it {
                server.logged(|line| line["text"] == *format!("fired {sleeper}"));
            }
        }
        for (account, writers) in &mut self.accounts {
            let has_woken = woken.iter().any(|(sleeper, _)| sleeper == account);
            if is_awake(account) || has_woken {
                self.lost.extend(audit(&server, account, writers));
            }
            if has_woken {
                self.lost.extend(unfired(&server, account, writers));
            }
        }
        server
    }

    fn put_one_to_sleep(&mut self, server: &Server) -> (String, Duration) {
        let name = format!("{SLEEPER}{}", self.accounts.len());
        let alarm_ms = self.random.random_range(0..300);
        let transfer = Transfer {
            bytes: 1,
            alarm_ms: Some(alarm_ms),
            ..Transfer::default()
        };
        let mut writer = Writer::new(0);
        let mut connection = Connection::open(server.address).expect("the server listens");
        let answer = writer.transfer(&mut connection, &name, transfer);
        assert_eq!(answer.expect("the server answers").status, 200);
        self.accounts.insert(name.clone(), vec![writer]);
        (name, Duration::from_millis(alarm_ms.into()))
    }

    /// Lets all writers write until a random number of their transfers was acknowledged, and ends the process.
    fn load_and_end(&mut self, server: Server) -> Vec<serde_json::Value> {
        let until = self.random.random_range(1..400);
        let by_kill = self.random.random_ratio(7, 8);
        let address = server.address;
        let (acknowledge, acknowledgements) = mpsc::channel();
        let mut log = Vec::new();
        let seeds = &mut self.random;
        std::thread::scope(|scope| {
            for (account, writers) in &mut self.accounts {
                if !is_awake(account) {
                    continue;
                }
                for writer in writers {
                    let mut random = StdRng::seed_from_u64(seeds.random());
                    let acknowledge = acknowledge.clone();
                    let connection = Connection::open(address).expect("the server listens");
                    scope.spawn(move || {
                        write(connection, account, writer, &mut random, &acknowledge);
                    });
                }
            }
            drop(acknowledge);
            self.acknowledged += acknowledgements.iter().take(until).count() as u64;
            log = if by_kill {
                server.kill_and_read()
            } else {
                server.interrupt();
                server.stopped_and_read()
            };
            self.acknowledged += acknowledgements.iter().count() as u64;
        });
        self.kills += u64::from(by_kill);
        self.stops += u64::from(!by_kill);
        log
    }

    /// After the last kill: every acknowledged alarm fires, and a clean stop changes nothing.
    fn finish(&mut self) {
        let server = self.start();
        for (account, writers) in &mut self.accounts {
            self.lost.extend(audit(&server, account, writers));
            self.lost.extend(unfired(&server, account, writers));
            self.alarms += writers.iter().map(|w| w.alarms.len() as u64).sum::<u64>();
        }
        server.stop();
        self.stops += 1;
        self.start().stop();
    }
}

fn is_awake(account: &str) -> bool {
    !account.starts_with(SLEEPER)
}

/// Makes transfers until the connection breaks.
fn write(
    mut connection: Connection,
    account: &str,
    writer: &mut Writer,
    random: &mut StdRng,
    acknowledged: &Sender<()>,
) {
    loop {
        let transfer = Transfer {
            amount: random.random_range(1..1000),
            // Mostly small, now and then of many pages.
            bytes: match random.random_range(0..20) {
                0 => random.random_range(1..200_000),
                1..5 => random.random_range(1..10_000),
                _ => random.random_range(1..300),
            },
            alarm_ms: random
                .random_ratio(1, 10)
                .then(|| random.random_range(0..100)),
            forward: random.random_ratio(1, 8),
        };
        match writer.transfer(&mut connection, account, transfer) {
            Ok(answer) if answer.status == 200 => {}
            // A process that stops may give up what needs another object.
            Ok(answer) => {
                assert_eq!(
                    answer.json()["retryable"],
                    true,
                    "{account}: {}",
                    answer.text()
                );
                return;
            }
            Err(_) => return,
        }
        if acknowledged.send(()).is_err() {
            return;
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    let number = text.parse();
    Some(number.unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}

/// Prints a line that is seen when the test passes, too.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}
