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

#[test]
fn a_missing_last_segment_is_noticed() {
    let mut fixture = fixture();
    let database = fixture.open("a");
    fixture.put(&database, "key", b"1");
    drop(database);
    fixture.crash();
    let database = fixture.open("a");
    fixture.put(&database, "key", b"2");
    drop(database);
    let last = fixture.segments().pop().unwrap();
    let kept = std::fs::read(&last).unwrap();
    std::fs::remove_file(&last).unwrap();
    fixture.options.after_clean_stop = false;
    let try_start = |fixture: &Fixture| {
        let disk = Arc::new(fixture.disk.clone());
        LocalJournal::open_on(
            disk,
            fixture.state.path(),
            fixture.options.clone(),
            |_, _| Ok(()),
        )
    };
    let error = try_start(&fixture).map(|_| ()).unwrap_err().to_string();
    let name = last.file_name().unwrap().to_str().unwrap();
    for part in [name, "is missing", "put the file back", "stead.segment"] {
        assert!(error.contains(part), "{error}");
    }
    // As the error says: with the file back all is there, and without it one may go on.
    std::fs::write(&last, kept).unwrap();
    fixture.restart();
    check(&fixture.open("a"), "key", Some(b"2"));
    for path in fixture.segments() {
        std::fs::remove_file(path).unwrap();
    }
    std::fs::remove_file(fixture.state.path().join("stead.segment")).unwrap();
    fixture.restart();
}

#[test]
fn after_a_clean_stop_no_segment_is_missed() {
    let mut fixture = fixture();
    for round in 0..3 {
        let database = fixture.open("a");
        fixture.put(&database, "key", &[round]);
        database.close(1).unwrap();
        fixture.journal.drive();
        fixture.journal.stop().unwrap();
        assert!(!fixture.state.path().join("stead.segment").exists());
        // Even if nothing says that it was clean.
        fixture.options.after_clean_stop = round == 0;
        fixture.restart();
    }
}
