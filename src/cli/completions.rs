//! Completion scripts: `stead completions bash`.

use std::io::{self, Write};

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

/// Writes the script that teaches `shell` the commands and options of `stead`.
pub fn write(shell: Shell, out: &mut dyn Write) -> io::Result<()> {
    // clap_complete panics when its writer fails, so the script is made in memory and written here.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "stead", &mut script);
    out.write_all(&script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_gets_a_script_that_knows_the_commands() {
        for shell in <Shell as clap::ValueEnum>::value_variants() {
            let mut script = Vec::new();
            write(*shell, &mut script).unwrap();
            let script = String::from_utf8(script).unwrap();
            for word in ["run", "call", "completions", "env-file"] {
                assert!(script.contains(word), "{shell} does not know `{word}`");
            }
        }
    }
}
