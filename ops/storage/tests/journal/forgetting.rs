//! A namespace is forgotten, and objects of the same names begin anew.

use super::{Fixture, Random, check, fixture, name};

/// What a migration does with the files.
fn move_away(fixture: &Fixture) {
    let state = fixture.state.path();
    let _ = std::fs::remove_dir_all(state.join("ns"));
    let _ = std::fs::remove_dir_all(state.join("history/ns"));
}

#[test]
fn objects_of_the_same_names_begin_anew() {
    let mut fixture = fixture();
    let database = fixture.open("a");
    fixture.put(&database, "old", b"1");
    database.close(1).unwrap();
    fixture.journal.drive();
    assert!(fixture.journal.forget("ns").unwrap());
    move_away(&fixture);
    let database = fixture.open("a");
    check(&database, "old", None);
    fixture.put(&database, "new", b"2");
    drop(database);
    for _ in 0..2 {
        assert_eq!(fixture.crash().failed, []);
        let database = fixture.open("a");
        check(&database, "old", None);
        check(&database, "new", Some(b"2"));
        database.close(2).unwrap();
        fixture.verify("a");
        fixture.journal.stop().unwrap();
    }
}

#[test]
fn what_the_journal_holds_goes_into_the_files_first() {
    let mut fixture = fixture();
    let database = fixture.open("a");
    fixture.put(&database, "old", b"1");
    drop(database);
    // The file has nothing of it yet.
    fixture.journal.forget("ns").unwrap();
    assert_eq!(fixture.crash().objects, 0);
    let copy = rusqlite::Connection::open(fixture.path("a")).unwrap();
    let count = copy.query_row("SELECT count(*) FROM _cf_KV", [], |row| {
        row.get::<_, i64>(0)
    });
    assert_eq!(count.unwrap(), 1);
}

#[test]
fn nothing_is_forgotten_while_an_object_is_open() {
    let fixture = fixture();
    let database = fixture.open("a");
    fixture.put(&database, "old", b"1");
    assert!(!fixture.journal.forget("ns").unwrap());
    fixture.put(&database, "old", b"2");
    database.close(1).unwrap();
    check(&fixture.open("a"), "old", Some(b"2"));
}

#[test]
fn forgetting_ends_when_numbers_of_segments_begin_anew() {
    let mut fixture = fixture();
    let database = fixture.open("a");
    fixture.put(&database, "old", b"1");
    database.close(1).unwrap();
    fixture.journal.forget("ns").unwrap();
    move_away(&fixture);
    fixture.journal.stop().unwrap();
    fixture.restart();
    let database = fixture.open("a");
    fixture.put(&database, "new", b"2");
    drop(database);
    fixture.crash();
    check(&fixture.open("a"), "new", Some(b"2"));
}

/// Writes, forgets, stops and crashes in any order: what was written since the last time that all was forgotten is
/// there, and nothing else.
#[test]
fn any_order_of_writing_forgetting_and_crashing() {
    let mut random = Random::new("forgetting");
    for _ in 0..8 {
        let mut fixture = fixture();
        let mut expect: [Option<u8>; 3] = [None; 3];
        for step in 0..40_u8 {
            let at = (random.below(3)) as usize;
            let object = ["a", "b", "c"][at];
            match random.below(8) {
                0 => {
                    assert!(fixture.journal.forget("ns").unwrap());
                    if random.below(2) == 0 {
                        fixture.crash();
                        assert!(fixture.journal.forget("ns").unwrap());
                    }
                    move_away(&fixture);
                    expect = [None; 3];
                }
                1 => assert_eq!(fixture.crash().failed, []),
                2 => assert_eq!(fixture.lose_power().failed, []),
                3 => {
                    fixture.journal.stop().unwrap();
                    fixture.restart();
                }
                _ => {
                    let database = fixture.open(object);
                    let before = expect[at].map(|value| vec![value]);
                    check(&database, "key", before.as_deref());
                    fixture.put(&database, "key", &[step]);
                    expect[at] = Some(step);
                    if random.below(2) == 0 {
                        database.close(1).unwrap();
                        fixture.journal.drive();
                        assert_eq!(
                            fixture.journal.verify(&name(object)).unwrap(),
                            Vec::<String>::new()
                        );
                    }
                }
            }
        }
    }
}
