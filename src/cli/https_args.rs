//! What may be asked about HTTPS.

use std::path::PathBuf;

use clap::{Args, ValueHint};

/// Whether clients speak HTTPS.
#[derive(Clone, Debug, Default, Args)]
pub struct HttpsArgs {
    /// Speak HTTPS and WSS, with a certificate for this machine that is made once
    ///
    /// Browsers warn of it until it is trusted; its file is shown at the start. It is good for localhost, 127.0.0.1, ::1
    /// and the address of `--host`; with `--host 0.0.0.0`, for the machine's addresses in its network.
    #[arg(long)]
    pub https: bool,

    /// The same with a key of your own, a PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "https_cert_path")]
    pub https_key_path: Option<PathBuf>,

    /// The certificate of that key, and those that lead to its authority: a PEM file
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "https_key_path")]
    pub https_cert_path: Option<PathBuf>,
}

impl HttpsArgs {
    /// Whether clients speak HTTPS.
    pub fn is_on(&self) -> bool {
        self.https || self.https_key_path.is_some()
    }
}
