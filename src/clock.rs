//! Time and randomness: the only place that asks the system for either.

use std::sync::Mutex;
use std::time::SystemTime;
use std::time::UNIX_EPOCH;

use rand::RngCore;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::virtual_time::VirtualTime;

/// Where the process takes its time from.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> i64;

    /// The same clock, if it is one of tests, which moves only when nothing is ready to run.
    fn virtual_time(&self) -> Option<&VirtualTime> {
        None
    }
}

/// The machine's own clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        since.map_or(0, |elapsed| elapsed.as_millis() as i64)
    }
}

/// The process's one generator of random numbers.
pub struct Random {
    generator: Mutex<StdRng>,
}

impl Random {
    /// Seeded by the operating system.
    pub fn from_system() -> Random {
        Random {
            generator: Mutex::new(StdRng::from_os_rng()),
        }
    }

    /// The same numbers in every process.
    pub fn from_seed(seed: u64) -> Random {
        Random {
            generator: Mutex::new(StdRng::seed_from_u64(seed)),
        }
    }

    /// Sixteen random bytes.
    pub fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.lock().fill_bytes(&mut bytes);
        bytes
    }

    /// A number from 0 up to, and without, `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            self.lock().next_u64() % bound
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, StdRng> {
        self.generator
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}
