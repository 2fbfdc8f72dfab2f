//! Runs every file of the fuzz targets' corpora through the functions that the targets call.

use std::fs;
use std::path::Path;

use stead_storage::fuzz;

/// The files of a target's corpus, with their names.
#[track_caller]
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let files = fs::read_dir(folder).expect("the target has a corpus");
    let files = files.map(|file| {
        let file = file.expect("the corpus can be read");
        let name = file.file_name().into_string().expect("a name in UTF-8");
        (name, fs::read(file.path()).expect("the file can be read"))
    });
    let files: Vec<_> = files.collect();
    assert!(!files.is_empty());
    files
}

#[test]
fn journals_are_read_to_their_end_whatever_they_hold() {
    for (name, bytes) in corpus("journal") {
        let records = fuzz::journal(&bytes);
        let whole = name.starts_with("whole");
        assert!(!whole || records > 2, "{name}: {records} records");
        // Cut off anywhere, with a bit turned anywhere: read all the same, and nothing is made up.
        for at in (0..bytes.len()).step_by(1 + bytes.len() / 200) {
            assert!(fuzz::journal(&bytes[..at]) <= records, "{name} cut at {at}");
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (at % 8);
            assert!(fuzz::journal(&turned) <= records, "{name} turned at {at}");
        }
    }
}

#[test]
fn bookmarks_are_read_or_refused() {
    for (name, bytes) in corpus("bookmark") {
        assert_eq!(fuzz::bookmark(&bytes), name.starts_with("whole"), "{name}");
    }
}
