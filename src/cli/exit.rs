//! The exit codes of the process. Scripts depend on them, so a number never changes its meaning.

/// Why the process ended.
///
/// | code | variant | meaning |
/// |---|---|---|
/// | 0 | `Ok` | done; after Ctrl-C: drained and closed cleanly |
/// | 1 | `UserCodeFailed` | the worker's own code failed: a test failed, an RPC method threw |
/// | 2 | `Usage` | the command line or an `--env-file` is wrong |
/// | 3 | `DoesNotLoad` | the worker does not load: file missing, syntax error, a class that is no object |
/// | 4 | `CannotListen` | the address cannot be listened on: port taken, host unknown |
/// | 5 | `StateDirectory` | the state directory is not writable, or another process uses it |
/// | 70 | `Internal` | a defect of Stead |
///
/// A process ended by a signal has the shell's usual 128 + signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    Ok = 0,
    UserCodeFailed = 1,
    Usage = 2,
    DoesNotLoad = 3,
    CannotListen = 4,
    StateDirectory = 5,
    Internal = 70,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        std::process::ExitCode::from(code as u8)
    }
}
