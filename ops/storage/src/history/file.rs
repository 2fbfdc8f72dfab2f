//! Where the history of an object lies, and who may touch it: one thread at a
//! time, through [`History`].

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::catalog::{Catalog, Generation};
use crate::disk::Disk;
use crate::journal::ObjectName;
use crate::{Result, StorageError};

/// The archive of all objects.
pub(crate) struct History {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) directory: PathBuf,
    pub(crate) catalog: Catalog,
    /// Whether records are kept once the journal is done with them.
    pub(crate) is_kept: bool,
}

impl History {
    /// The history in the state directory's own directory for it.
    pub(crate) fn open(disk: Arc<dyn Disk>, directory: PathBuf, is_kept: bool) -> Result<History> {
        Ok(History {
            catalog: Catalog::open(&directory)?,
            disk,
            directory,
            is_kept,
        })
    }

    pub(crate) fn object_dir(&self, name: &ObjectName) -> PathBuf {
        let namespace = self.directory.join(&*name.unique_key);
        namespace.join(name.id.to_string())
    }

    pub(crate) fn base_path(&self, name: &ObjectName, sequence: u64) -> PathBuf {
        self.object_dir(name).join(format!("{sequence:016}.base"))
    }

    pub(crate) fn log_path(&self, name: &ObjectName, sequence: u64) -> PathBuf {
        self.object_dir(name).join(format!("{sequence:016}.log"))
    }

    /// A path for something that is being made, on the same file system.
    pub(crate) fn temporary(&self, name: &ObjectName, what: &str) -> PathBuf {
        self.directory
            .join(format!("{}-{}.{what}", name.unique_key, name.id))
    }

    /// Removes a generation that the catalog no longer names.
    pub(crate) fn remove_files(&self, name: &ObjectName, generation: &Generation) -> Result<()> {
        let sequence = generation.base.sequence;
        for path in [
            self.base_path(name, sequence),
            self.log_path(name, sequence),
        ] {
            self.disk
                .remove(&path)
                .map_err(|error| StorageError::io(&path, error))?;
        }
        Ok(())
    }
}

/// An error about one of the history's files.
pub(crate) fn damaged(path: &Path, what: &str) -> StorageError {
    StorageError::io(
        path,
        std::io::Error::new(std::io::ErrorKind::InvalidData, what),
    )
}
