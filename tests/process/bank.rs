//! The worker of tests/fixtures/bank.ts as a test drives it, and what the test knows about it: which transfers were
//! acknowledged, and which may have happened without anybody having been told.

use std::collections::BTreeMap;
use std::io;

use serde_json::{Value, json};

use crate::http::{Connection, Response};
use crate::server::Server;

/// What one transfer does beside moving an amount.
#[derive(Clone, Copy, Default)]
pub struct Transfer {
    pub amount: u32,
    /// Size of the row that it leaves, at least 1.
    pub bytes: u32,
    /// How long until the alarm that it sets, in milliseconds.
    pub alarm_ms: Option<u32>,
    /// Whether the mirror is told, too.
    pub forward: bool,
}

/// What somebody who makes transfers on one account knows of them.
#[derive(Clone, Default)]
pub struct Writer {
    /// The number by which the account knows the writer.
    pub number: u32,
    /// Transfers from 0 that were acknowledged.
    pub acknowledged: u32,
    /// Transfers behind those that were sent without an answer that says what became of them.
    pub uncertain: u32,
    /// Acknowledged transfers that set an alarm.
    pub alarms: Vec<u32>,
    /// The last acknowledged transfer that the mirror was told of.
    pub forwarded: Option<u32>,
}

impl Writer {
    pub fn new(number: u32) -> Writer {
        Writer {
            number,
            ..Writer::default()
        }
    }

    /// Makes the next transfer. An answer other than 200 and a broken connection both leave it uncertain.
    pub fn transfer(
        &mut self,
        connection: &mut Connection,
        account: &str,
        transfer: Transfer,
    ) -> io::Result<Response> {
        assert_eq!(self.uncertain, 0, "an audit says first what is there");
        let n = self.acknowledged;
        let body = json!({
            "writer": self.number, "n": n, "amount": transfer.amount, "bytes": transfer.bytes,
            "alarm": transfer.alarm_ms, "forward": transfer.forward,
        });
        self.uncertain = 1;
        let path = format!("/{account}/transfer");
        let answer = connection.send("POST", &path, &body.to_string())?;
        if answer.status == 200 {
            self.uncertain = 0;
            self.acknowledged += 1;
            if transfer.alarm_ms.is_some() {
                self.alarms.push(n);
            }
            if transfer.forward {
                self.forwarded = Some(n);
            }
        }
        Ok(answer)
    }

    /// The names of the alarms that were acknowledged.
    fn tokens(&self) -> impl Iterator<Item = String> {
        self.alarms.iter().map(|n| format!("{}:{n}", self.number))
    }
}

/// What is wrong with an account, in sentences: nothing, if all that was acknowledged is there, every turn whole.
/// Afterwards the writers know what became of what was uncertain.
#[track_caller]
pub fn audit(server: &Server, account: &str, writers: &mut [Writer]) -> Vec<String> {
    let audit = server.get(&format!("/{account}/audit"));
    assert_eq!(audit.status, 200, "{account}: {}", audit.text());
    let (audit, heard) = (
        audit.json(),
        server.get(&format!("/{account}/heard")).json(),
    );
    let mut wrong: Vec<String> = strings(&audit["wrong"]);
    let tokens = strings(&audit["tokens"]);
    for writer in writers {
        let key = writer.number.to_string();
        let found = audit["found"][&key].as_u64().unwrap_or(0) as u32;
        let number = writer.number;
        if found < writer.acknowledged || found > writer.acknowledged + writer.uncertain {
            wrong.push(format!(
                "writer {number}: {} transfers were acknowledged, {} more may be there, and there are {found}",
                writer.acknowledged, writer.uncertain
            ));
        }
        for token in writer.tokens().filter(|token| !tokens.contains(token)) {
            wrong.push(format!("the alarm {token} was acknowledged and is lost"));
        }
        let heard = heard[&key].as_u64().map(|n| n as u32);
        if heard < writer.forwarded {
            wrong.push(format!(
                "writer {number}: the mirror has forgotten {:?} and knows {heard:?}",
                writer.forwarded
            ));
        }
        if heard.is_some_and(|n| n >= found) {
            wrong.push(format!(
                "writer {number}: the mirror heard of {heard:?}, of which the account knows only {found}"
            ));
        }
        writer.acknowledged = found;
        writer.uncertain = 0;
    }
    wrong
        .iter()
        .map(|text| format!("{account}: {text}"))
        .collect()
}

/// Waits until no alarm of an account is due; the acknowledged ones that have not fired.
#[track_caller]
pub fn unfired(server: &Server, account: &str, writers: &[Writer]) -> Vec<String> {
    let fired = strings(&server.get(&format!("/{account}/settled")).json());
    let tokens = writers.iter().flat_map(Writer::tokens);
    let missing = tokens.filter(|token| !fired.contains(token));
    missing
        .map(|token| format!("{account}: the alarm {token} has not fired"))
        .collect()
}

/// Writers by the account that they write to.
pub type Accounts = BTreeMap<String, Vec<Writer>>;

fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().expect("a list");
    list.iter()
        .map(|text| text.as_str().expect("a text").to_owned())
        .collect()
}
