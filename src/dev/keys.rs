//! Single keys on the terminal.
//!
//! The terminal gives each key at once while this lives; signals (Ctrl-C) and output work as before.

use std::io::IsTerminal;
use std::io::Read;

use rustix::termios::LocalModes;
use rustix::termios::OptionalActions;
use rustix::termios::Termios;
use tokio::sync::mpsc;

/// Keys that may wait to be taken.
const KEYS_MAX: usize = 16;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// Open the address in a browser.
    Open,
    /// Load everything again.
    Reload,
    /// Run the cron triggers.
    Cron,
    /// Run the alarm that is due next.
    Alarm,
    /// List the objects.
    List,
    /// Clear the terminal.
    Clear,
    /// Say what the keys do.
    Help,
    /// End the server.
    Quit,
}

/// What `h` prints.
pub const HELP: &str = "o open in the browser · r reload · s run scheduled() · a run the next alarm · l list objects · c clear · h help · q quit";

impl Key {
    fn of(byte: u8) -> Option<Key> {
        match byte.to_ascii_lowercase() {
            b'o' => Some(Key::Open),
            b'r' => Some(Key::Reload),
            b's' => Some(Key::Cron),
            b'a' => Some(Key::Alarm),
            b'l' => Some(Key::List),
            b'c' => Some(Key::Clear),
            b'h' | b'?' => Some(Key::Help),
            b'q' => Some(Key::Quit),
            _ => None,
        }
    }
}

/// The terminal in the mode in which keys come at once. Dropping it puts the terminal back.
pub struct Keys {
    before: Option<Termios>,
    keys: mpsc::Receiver<Key>,
    /// Kept, so that without a terminal nothing is ever received.
    _sender: mpsc::Sender<Key>,
}

impl Keys {
    /// Listens if both input and output are a terminal; otherwise no key ever comes.
    pub fn new() -> Keys {
        let (sender, keys) = mpsc::channel(KEYS_MAX);
        let interactive = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
        let before = interactive.then(take_keys).flatten();
        if before.is_some() {
            let sender = sender.clone();
            // It waits in `read` and ends with the process: there is no other end to a terminal.
            let thread = std::thread::Builder::new().name("keys".to_owned());
            drop(thread.spawn(move || read_keys(&sender)));
        }
        Keys {
            before,
            keys,
            _sender: sender,
        }
    }

    /// Whether somebody may press keys.
    pub fn are_read(&self) -> bool {
        self.before.is_some()
    }

    /// The next key.
    pub async fn next(&mut self) -> Key {
        match self.keys.recv().await {
            Some(key) => key,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // A terminal that is gone needs nothing.
            let _ = rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, before);
        }
    }
}

/// Has keys come without Enter and unseen. What the terminal was like before; None if it refuses.
fn take_keys() -> Option<Termios> {
    let before = rustix::termios::tcgetattr(std::io::stdin()).ok()?;
    let mut single = before.clone();
    single
        .local_modes
        .remove(LocalModes::ICANON | LocalModes::ECHO);
    rustix::termios::tcsetattr(std::io::stdin(), OptionalActions::Now, &single).ok()?;
    Some(before)
}

fn read_keys(sender: &mpsc::Sender<Key>) {
    let mut byte = [0];
    while let Ok(1) = std::io::stdin().lock().read(&mut byte) {
        if let Some(key) = Key::of(byte[0])
            && sender.blocking_send(key).is_err()
        {
            return;
        }
    }
}
