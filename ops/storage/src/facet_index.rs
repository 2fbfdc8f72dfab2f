//! The names of an object's facets, and the numbers under which their databases lie
//! beside the object's: `<id>.facets`, in workerd's form.
//!
//! ```text
//! magic u64 · for each facet: number of its parent u16 · bytes of the name u16 · the name
//! ```
//!
//! Numbers are little-endian. The object itself is 0; a facet's number is its place in
//! the file, from 1 on. A number is never given twice: what is deleted keeps its name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::{Result, StorageError};

const MAGIC: [u8; 8] = 0xc4cd_ce5b_c5b0_ef57_u64.to_le_bytes();
/// Facets that one object can have in its life, those of its facets included.
const FACETS_MAX: usize = u16::MAX as usize;

/// The facets of one object, as its file tells of them. At any time there is at most one
/// value for one file.
///
/// Invariant: `facets` is what the file holds, durably.
#[derive(Debug)]
pub struct FacetIndex {
    path: PathBuf,
    /// The parent's number and the name.
    facets: Vec<(u16, String)>,
    /// Bytes of the file that hold whole entries; 0 if there is no file.
    bytes: u64,
}

impl FacetIndex {
    /// Reads the file at `path`, if there is one.
    ///
    /// # Errors
    /// [`StorageError::Io`] for a file that cannot be read or is no such index.
    pub fn open(path: &Path) -> Result<FacetIndex> {
        let mut index = FacetIndex {
            path: path.to_owned(),
            facets: Vec::new(),
            bytes: 0,
        };
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(index),
            Err(error) => return Err(StorageError::io(path, error)),
        };
        if bytes.len() < MAGIC.len() {
            // A crash in the middle of the first write.
            return Ok(index);
        }
        let Some(mut rest) = bytes.strip_prefix(&MAGIC) else {
            let error = io::Error::new(io::ErrorKind::InvalidData, "not an index of facets");
            return Err(StorageError::io(path, error));
        };
        // What a crash tore off was never acknowledged.
        while let Some((facet, after)) = entry(rest) {
            if facet.0 as usize > index.facets.len() {
                let error = io::Error::new(io::ErrorKind::InvalidData, "a facet without a parent");
                return Err(StorageError::io(path, error));
            }
            index.facets.push(facet);
            rest = after;
        }
        index.bytes = (bytes.len() - rest.len()) as u64;
        Ok(index)
    }

    /// The number of a facet, if it ever had one.
    pub fn find(&self, parent: u16, name: &str) -> Option<u16> {
        let is = |(of, known): &(u16, String)| *of == parent && known == name;
        let at = self.facets.iter().position(is)?;
        u16::try_from(at + 1).ok()
    }

    /// The number of a facet, which gets one if it has none yet. That is durable when the
    /// call returns.
    ///
    /// # Errors
    /// [`StorageError::Io`], and [`StorageError::Sql`] when there are too many.
    pub fn find_or_add(&mut self, parent: u16, name: &str) -> Result<u16> {
        if let Some(number) = self.find(parent, name) {
            return Ok(number);
        }
        if self.facets.len() >= FACETS_MAX {
            return Err(StorageError::Sql(
                "Too many facets: a Durable Object can have 65535 in its life.".to_owned(),
            ));
        }
        let mut bytes = Vec::new();
        if self.bytes == 0 {
            bytes.extend_from_slice(&MAGIC);
        }
        bytes.extend_from_slice(&parent.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(name.as_bytes());
        self.append(&bytes)
            .map_err(|error| StorageError::io(&self.path, error))?;
        self.bytes += bytes.len() as u64;
        self.facets.push((parent, name.to_owned()));
        Ok(self.facets.len() as u16)
    }

    fn append(&self, bytes: &[u8]) -> io::Result<()> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.path)?;
        file.set_len(self.bytes)?;
        file.write_all_at(bytes, self.bytes)?;
        file.sync_all()?;
        match self.path.parent() {
            Some(directory) if self.bytes == 0 => File::open(directory)?.sync_all(),
            _ => Ok(()),
        }
    }

    /// The direct facets of `parent`, which is 0 for the object itself.
    pub fn children(&self, parent: u16) -> Vec<(u16, String)> {
        let numbered = (1u16..).zip(&self.facets);
        let children = numbered.filter(|(_, (of, _))| *of == parent);
        children
            .map(|(number, (_, name))| (number, name.clone()))
            .collect()
    }

    /// A facet and those below it, parents first; with 0, all facets but the object itself.
    pub fn subtree(&self, top: u16) -> Vec<u16> {
        let mut found = vec![top];
        for (number, (parent, _)) in (1u16..).zip(&self.facets) {
            // A parent is always older than its facets.
            if found.contains(parent) {
                found.push(number);
            }
        }
        found.retain(|number| *number != 0);
        found
    }

    /// The names that lead from the object to a facet; `None` for a number that nobody has.
    pub fn names_of(&self, number: u16) -> Option<Vec<&str>> {
        let mut names = Vec::new();
        let mut at = number;
        while at != 0 {
            let (parent, name) = self.facets.get(at as usize - 1)?;
            names.push(name.as_str());
            at = *parent;
        }
        names.reverse();
        Some(names)
    }

    /// How many facets there are.
    pub fn len(&self) -> usize {
        self.facets.len()
    }

    /// Whether the object never had a facet.
    pub fn is_empty(&self) -> bool {
        self.facets.is_empty()
    }
}

/// The first entry, and what follows it.
fn entry(bytes: &[u8]) -> Option<((u16, String), &[u8])> {
    let (parent, rest) = bytes.split_first_chunk::<2>()?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let name = rest.get(..u16::from_le_bytes(*length) as usize)?;
    let text = String::from_utf8(name.to_vec()).ok()?;
    Some(((u16::from_le_bytes(*parent), text), &rest[name.len()..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(directory: &tempfile::TempDir) -> FacetIndex {
        FacetIndex::open(&directory.path().join("x.facets")).unwrap()
    }

    #[test]
    fn names_keep_their_numbers() {
        let directory = tempfile::tempdir().unwrap();
        let mut index = open(&directory);
        assert_eq!(index.find(0, "a"), None);
        assert_eq!(index.find_or_add(0, "a").unwrap(), 1);
        assert_eq!(index.find_or_add(0, "b").unwrap(), 2);
        assert_eq!(index.find_or_add(1, "a").unwrap(), 3);
        assert_eq!(index.find_or_add(3, "c").unwrap(), 4);
        assert_eq!(index.find_or_add(0, "a").unwrap(), 1);
        let mut index = open(&directory);
        assert_eq!(index.find(1, "a"), Some(3));
        assert_eq!(index.find_or_add(2, "a").unwrap(), 5);
        assert_eq!(index.subtree(1), [1, 3, 4]);
        assert_eq!(index.subtree(0), [1, 2, 3, 4, 5]);
        assert_eq!(index.names_of(4).unwrap(), ["a", "a", "c"]);
        assert_eq!(index.names_of(6), None);
        assert_eq!(index.children(0), [(1, "a".into()), (2, "b".into())]);
    }

    #[test]
    fn the_file_is_workerds() {
        let directory = tempfile::tempdir().unwrap();
        let mut index = open(&directory);
        index.find_or_add(0, "one").unwrap();
        index.find_or_add(1, "n").unwrap();
        let bytes = std::fs::read(directory.path().join("x.facets")).unwrap();
        assert_eq!(
            bytes,
            b"\x57\xef\xb0\xc5\x5b\xce\xcd\xc4\0\0\x03\0one\x01\0\x01\0n"
        );
    }

    #[test]
    fn a_torn_end_is_written_over() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.facets");
        open(&directory).find_or_add(0, "whole").unwrap();
        let whole = std::fs::read(&path).unwrap();
        for torn in [&b"\0"[..], b"\0\0\x05\0to"] {
            std::fs::write(&path, [&whole, torn].concat()).unwrap();
            let mut index = open(&directory);
            assert_eq!(index.len(), 1);
            assert_eq!(index.find_or_add(0, "next").unwrap(), 2);
            assert_eq!(open(&directory).find(0, "next"), Some(2));
        }
        std::fs::write(&path, &MAGIC[..5]).unwrap();
        assert_eq!(open(&directory).find_or_add(0, "first").unwrap(), 1);
        assert_eq!(open(&directory).find(0, "first"), Some(1));
    }

    #[test]
    fn another_file_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.facets");
        std::fs::write(&path, b"something else").unwrap();
        assert!(FacetIndex::open(&path).is_err());
        std::fs::write(&path, [&MAGIC[..], b"\x02\0\x01\0x"].concat()).unwrap();
        assert!(FacetIndex::open(&path).is_err());
    }
}
