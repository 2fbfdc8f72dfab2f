//! More objects than the process may open files for: those that are idle make room.

use crate::server::{Server, fixture, temporary};

/// Room for some 75 objects.
const FILES: u32 = 400;

#[test]
fn idle_objects_make_room_for_others() {
    let state = temporary();
    let server = Server::start_with_files(FILES, &fixture("crowd.ts"), state.path(), &[]);
    for round in 1..=2 {
        let answers = server.get("/count?objects=600");
        assert_eq!(answers.text(), format!("{{\"{round}\":600}}"));
    }
    server.stop();
}

#[test]
fn when_all_are_at_work_others_wait() {
    let state = temporary();
    let options = ["--shards", "1"];
    let server = Server::start_with_files(FILES, &fixture("crowd.ts"), state.path(), &options);
    // Fifty at work leave no room for 300 at once, which come when the fifty have ended.
    let answers = server.get("/work?objects=300&busy=50");
    assert_eq!(answers.text(), "{\"1\":300}");
    server.stop();
}

#[test]
fn objects_that_stay_for_ever_are_counted_too() {
    let state = temporary();
    let options = ["--evict", "never"];
    let server = Server::start_with_files(FILES, &fixture("crowd.ts"), state.path(), &options);
    assert_eq!(server.get("/count?objects=50").text(), "{\"1\":50}");
    let refused = server.get("/count?objects=600");
    assert_eq!(refused.status, 500);
    server.logged(|line| {
        line.to_string()
            .contains("Durable Object is overloaded. Requests queued for too long.")
    });
    assert_eq!(server.get("/count?objects=1").text(), "{\"3\":1}");
    server.stop();
}

#[test]
fn facets_need_room_as_their_objects_do() {
    let state = temporary();
    let server = Server::start_with_files(FILES, &fixture("crowd.ts"), state.path(), &[]);
    // Each takes the room of two, one batch after the other.
    for batch in 1..=20 {
        let answers = server.get("/facets?objects=30");
        assert_eq!(answers.text(), format!("{{\"{batch}\":30}}"));
        assert_eq!(server.get("/count?objects=70").status, 200);
    }
    server.stop();
}
