//! The end of a connection whose client still sends what nobody reads, such as a body that is too
//! large. Were it closed at once, the system would answer what comes with a reset, at which the
//! client forgets the response that it has not read yet.

use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::shard::Phase;

/// What is read and thrown away at most. Who sends more than that has not looked for an answer.
const BYTES_MAX: usize = 256 * 1024 * 1024;
/// How long that takes at most.
const TIME_MAX: Duration = Duration::from_secs(30);
/// How long a client may send nothing. It is about to close the connection.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// The same when the shard is to end.
const LAST_PAUSE: Duration = Duration::from_secs(1);
const CHUNK_BYTES: usize = 64 * 1024;

/// Lets a client read its answer: returns when it has closed the connection, or has had the time
/// for it.
pub async fn discard(mut stream: TcpStream, mut phase: watch::Receiver<Phase>) {
    // The answer ends here, also where hyper gave up.
    drop(stream.shutdown().await);
    let ending = async {
        drop(phase.wait_for(|phase| *phase != Phase::Running).await);
        tokio::time::sleep(LAST_PAUSE).await;
    };
    tokio::select! {
        () = read_rest(&mut stream) => {}
        () = ending => {}
    }
}

async fn read_rest(stream: &mut TcpStream) {
    let deadline = Instant::now() + TIME_MAX;
    let mut left = BYTES_MAX;
    let mut chunk = vec![0; CHUNK_BYTES];
    while left > 0 {
        let until = deadline.min(Instant::now() + PAUSE_MAX);
        match tokio::time::timeout_at(until, stream.read(&mut chunk)).await {
            Ok(Ok(count)) if count > 0 => left = left.saturating_sub(count),
            _ => return,
        }
    }
}
