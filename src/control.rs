//! How other commands reach the server that runs on the same state directory, `stead run` or
//! `stead dev`: a Unix socket in it. One line of JSON each way.

use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Weak;

use serde::Deserialize;
use serde::Serialize;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio::net::UnixListener;
use tokio::net::UnixStream;

use crate::shared::JsonCall;
use crate::stored::question;
use crate::stored::question::Question;
use crate::stored::question::Refused;
use crate::worker::Worker;

/// The socket's name in the state directory.
const SOCKET_NAME: &str = "stead.sock";
/// Bytes that a request or an answer may have.
const LINE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// What is answered once the worker is gone.
const STOPPING: &str = "the server is stopping";

/// What the server is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Request {
    Call(JsonCall),
    Stored(Question),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Answer {
    Result(String),
    Error(String),
    Stored(question::Answer),
    Refused(Refused),
}

/// The state directory as a short path: a socket's address has about a hundred
/// bytes, the directory's own path may have more.
struct ShortPath {
    directory: std::fs::File,
}

impl ShortPath {
    fn open(directory: &Path) -> io::Result<ShortPath> {
        Ok(ShortPath {
            directory: std::fs::File::open(directory)?,
        })
    }

    fn socket(&self) -> PathBuf {
        PathBuf::from(format!(
            "/proc/self/fd/{}/{SOCKET_NAME}",
            self.directory.as_raw_fd()
        ))
    }
}

/// Whoever answers what comes through the socket.
pub trait Answering: Clone + Send + Sync + 'static {
    /// Calls a method of an object; the result as JSON, or what it threw as text.
    fn call(&self, call: JsonCall) -> impl Future<Output = Result<String, String>> + Send;

    /// Answers a question about stored objects.
    fn answer(
        &self,
        question: Question,
    ) -> impl Future<Output = Result<question::Answer, Refused>> + Send;
}

/// The only worker of a process, by its name and its classes.
impl Answering for Weak<Worker> {
    async fn call(&self, call: JsonCall) -> Result<String, String> {
        let worker = self.upgrade().ok_or(STOPPING)?;
        if let Some(name) = call.worker.as_ref().filter(|name| **name != worker.name()) {
            return Err(format!("the running server has no worker `{name}`"));
        }
        if !worker.classes().contains(&call.class) {
            return Err(format!(
                "the running server has no object class `{}`",
                call.class
            ));
        }
        worker.call(call).await
    }

    async fn answer(&self, question: Question) -> Result<question::Answer, Refused> {
        let worker = self.upgrade().ok_or_else(|| Refused::internal(STOPPING))?;
        worker.answer(question).await
    }
}

/// Answers calls until the returned guard is dropped.
///
/// # Errors
/// The socket cannot be made.
pub fn listen(answering: impl Answering, state: &Path) -> io::Result<Listening> {
    let path = ShortPath::open(state)?;
    // The directory is locked by this process: a socket in it is one that a crash left.
    drop(std::fs::remove_file(path.socket()));
    let listener = UnixListener::bind(path.socket())?;
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answering = answering.clone();
            tokio::spawn(async move { drop(answer(&answering, stream).await) });
        }
    });
    Ok(Listening { task, path })
}

/// The socket, for as long as it is served.
pub struct Listening {
    task: tokio::task::JoinHandle<()>,
    path: ShortPath,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        drop(std::fs::remove_file(self.path.socket()));
    }
}

async fn answer(answering: &impl Answering, stream: UnixStream) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_BYTES_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str::<Request>(&line) {
        Ok(Request::Stored(question)) => match answering.answer(question).await {
            Ok(answer) => Answer::Stored(answer),
            Err(refused) => Answer::Refused(refused),
        },
        Ok(Request::Call(call)) => match answering.call(call).await {
            Ok(result) => Answer::Result(result),
            Err(error) => Answer::Error(error),
        },
        Err(error) => Answer::Error(format!("not a request: {error}")),
    };
    write
        .write_all(serde_json::to_string(&answer)?.as_bytes())
        .await?;
    write.write_all(b"\n").await
}

/// Has the server that runs on a state directory make a call. None if there is
/// no such server.
///
/// # Errors
/// The server went away in the middle.
pub async fn call(state: &Path, call: &JsonCall) -> io::Result<Option<Result<String, String>>> {
    match ask(state, &Request::Call(call.clone())).await? {
        None => Ok(None),
        Some(Answer::Result(result)) => Ok(Some(Ok(result))),
        Some(Answer::Error(error)) => Ok(Some(Err(error))),
        Some(_) => Err(io::ErrorKind::InvalidData.into()),
    }
}

/// Has the server that runs on a state directory answer a question about stored
/// objects. None if there is no such server.
///
/// # Errors
/// The server went away in the middle.
pub async fn ask_stored(
    state: &Path,
    question: &Question,
) -> io::Result<Option<Result<question::Answer, Refused>>> {
    match ask(state, &Request::Stored(question.clone())).await? {
        None => Ok(None),
        Some(Answer::Stored(answer)) => Ok(Some(Ok(answer))),
        Some(Answer::Refused(refused)) => Ok(Some(Err(refused))),
        Some(Answer::Error(error)) => Err(io::Error::other(error)),
        Some(Answer::Result(_)) => Err(io::ErrorKind::InvalidData.into()),
    }
}

async fn ask(state: &Path, request: &Request) -> io::Result<Option<Answer>> {
    let Ok(path) = ShortPath::open(state) else {
        return Ok(None);
    };
    let Ok(stream) = UnixStream::connect(path.socket()).await else {
        return Ok(None);
    };
    let (read, mut write) = stream.into_split();
    write
        .write_all(serde_json::to_string(request)?.as_bytes())
        .await?;
    write.write_all(b"\n").await?;
    let mut line = String::new();
    BufReader::new(read).read_line(&mut line).await?;
    Ok(Some(serde_json::from_str(&line)?))
}
