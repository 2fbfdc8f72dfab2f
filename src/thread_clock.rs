//! The processor's time that one thread has used, as other threads may read it.

use std::time::Duration;

/// The clock of a thread.
#[derive(Clone, Copy)]
pub struct ThreadClock(libc::clockid_t);

impl ThreadClock {
    /// The calling thread's clock. It stands for another thread once this one has
    /// ended, so it is not to be read then.
    pub fn of_this_thread() -> ThreadClock {
        let mut clock = 0;
        // SAFETY: the thread is the calling one, and `clock` is a place for the answer.
        let result = unsafe { libc::pthread_getcpuclockid(libc::pthread_self(), &mut clock) };
        assert_eq!(result, 0, "a running thread has a clock");
        ThreadClock(clock)
    }

    /// The time used so far; zero if the thread has ended.
    pub fn now(self) -> Duration {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `time` is a place for the answer.
        let result = unsafe { libc::clock_gettime(self.0, &mut time) };
        if result != 0 {
            return Duration::ZERO;
        }
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_uses_time_which_another_one_sees() {
        let clock = ThreadClock::of_this_thread();
        let begun = clock.now();
        let mut sum = 0u64;
        while clock.now() == begun {
            sum = std::hint::black_box(sum + 1);
        }
        let seen = std::thread::spawn(move || clock.now()).join().unwrap();
        assert!(seen > begun);
    }
}
