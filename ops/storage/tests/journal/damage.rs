//! Records that are damaged, and files that are gone: of one object, which can go back to a state from before.

use super::*;

#[test]
fn damage_is_an_error_of_its_object_alone() {
    let mut f = fixture();
    let (a, b) = (f.open("a"), f.open("b"));
    for round in 0..3u8 {
        f.put(&a, "k", &[round; 100]);
        f.put(&b, "k", &[round; 100]);
    }
    let recovery = f.damage(64 + 2000);
    let segment = f.segments()[0].clone();
    assert!(!recovery.failed.is_empty());
    let error = f.try_open("a").err().unwrap().to_string();
    assert!(error.contains(&segment.display().to_string()), "{error}");
    assert!(error.contains(&name("a").to_string()), "{error}");
    assert!(error.contains("stead restore"), "{error}");
    check(&f.open("b"), "k", Some(&[2; 100]));
}

#[test]
fn a_damaged_object_can_be_taken_back_to_a_state_from_before() {
    let mut f = fixture();
    let (a, b) = (f.open("a"), f.open("b"));
    f.put(&a, "k", &[0; 100]);
    let first = f.bookmark(&a);
    for round in 1..3u8 {
        f.put(&a, "k", &[round; 100]);
        f.put(&b, "k", &[round; 100]);
    }
    // In the second commit of `a`.
    let at = f.first_segment().windows(100).position(|w| w == [1; 100]);
    f.damage(at.unwrap());
    f.try_open("a").err().expect("it is refused");
    f.restore("a", first).unwrap();
    let a = f.open("a");
    check(&a, "k", Some(&[0; 100]));
    f.put(&a, "k", &[9; 100]);
    // Nobody misses what was lost any more, however often the journal is read.
    for _ in 0..2 {
        f.crash();
        check(&f.open("a"), "k", Some(&[9; 100]));
        check(&f.open("b"), "k", Some(&[2; 100]));
    }
    f.verify("a");
}

#[test]
fn a_file_that_is_gone_can_be_brought_back() {
    let mut f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"v");
    let last = f.bookmark(&a);
    a.close(0).unwrap();
    f.journal.stop().unwrap();
    std::fs::remove_file(f.path("a")).unwrap();
    f.restart();
    f.try_open("a").err().expect("it is missed");
    f.restore("a", last).unwrap();
    check(&f.open("a"), "k", Some(b"v"));
    f.verify("a");
}

#[test]
fn a_file_that_is_gone_is_missed() {
    let mut f = fixture();
    let a = f.open("a");
    f.put(&a, "k", b"v");
    a.close(0).unwrap();
    f.journal.stop().unwrap();
    std::fs::remove_file(f.path("a")).unwrap();
    f.restart();
    let error = f.try_open("a").err().unwrap().to_string();
    assert!(error.contains("is gone"), "{error}");
}
