//! The compatibility date and flags, as the command line takes them.

use clap::Args;

use crate::compatibility::Compatibility;
use crate::compatibility::CompatibilityError;
use crate::compatibility::NEWEST_DATE;

/// Which of the platform's behaviours the code was written for.
#[derive(Clone, Debug, Args)]
pub struct CompatibilityArgs {
    /// Behave as the platform does for workers of this compatibility date
    #[arg(long, value_name = "DATE", default_value = NEWEST_DATE)]
    pub compatibility_date: String,

    /// Turn one compatibility flag of the platform on, or off by its opposite; may be repeated
    #[arg(long = "compatibility-flag", value_name = "FLAG")]
    pub compatibility_flags: Vec<String>,
}

impl CompatibilityArgs {
    /// What they mean.
    ///
    /// # Errors
    /// Something of it is unknown, or not there yet.
    pub fn compatibility(&self) -> Result<Compatibility, CompatibilityError> {
        Compatibility::new(&self.compatibility_date, &self.compatibility_flags)
    }
}
