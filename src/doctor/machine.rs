//! The machine: limits, cores, the clock.

use super::About;
use super::Finding;
use crate::cli::timestamp::iso8601;
use crate::clock::Clock;
use crate::clock::SystemClock;

/// How many files should be allowed to be open: every object in memory holds some.
const OPEN_FILES_MIN: u64 = 4096;
/// Before this was written no clock can be right: the first of January 2026.
const CLOCK_MS_MIN: i64 = 1_767_225_600_000;

pub fn examine() -> Vec<Finding> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).maximum;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        open_files(limit),
        cores_of(cores),
        clock(SystemClock.now_ms()),
    ]
}

fn open_files(limit: Option<u64>) -> Finding {
    match limit {
        Some(limit) if limit < OPEN_FILES_MIN => Finding::note(
            About::Machine,
            format!("only {limit} files may be open at once"),
            format!(
                "raise the limit with `ulimit -n {OPEN_FILES_MIN}`, or for the user in /etc/security/limits.conf"
            ),
        ),
        Some(limit) => Finding::fine(About::Machine, format!("{limit} files may be open at once")),
        None => Finding::fine(About::Machine, "any number of files may be open at once"),
    }
}

fn cores_of(cores: usize) -> Finding {
    let plural = if cores == 1 { "" } else { "s" };
    Finding::fine(
        About::Machine,
        format!("{cores} core{plural} for this process: as many threads run objects"),
    )
}

fn clock(now_ms: i64) -> Finding {
    let now = iso8601(now_ms.max(0).unsigned_abs());
    if now_ms < CLOCK_MS_MIN {
        return Finding::wrong(
            About::Machine,
            format!("the clock says {now}, which is over"),
            "set it, or have it set by NTP (`timedatectl set-ntp true`): alarms ring by it, and the past of objects is \
             found by it",
        );
    }
    Finding::fine(About::Machine, format!("the clock says {now}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_limit_too_low_and_a_clock_that_stands_are_told() {
        assert_eq!(open_files(Some(1024)).level, Level::Note);
        assert_eq!(open_files(Some(4096)).level, Level::Fine);
        assert_eq!(open_files(None).level, Level::Fine);
        assert_eq!(clock(0).level, Level::Wrong);
        assert_eq!(clock(CLOCK_MS_MIN).level, Level::Fine);
        assert!(cores_of(1).what.starts_with("1 core for"));
    }
}
