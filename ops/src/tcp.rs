//! Connections that code opens with `connect()`, of `cloudflare:sockets` over TCP or of a stub within
//! the process.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/tcp-sockets/>

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::rc::Weak;

use deno_core::CancelFuture as _;
use deno_core::CancelHandle;
use deno_core::GarbageCollected;
use deno_core::OpState;
use deno_core::ToV8;
use deno_core::convert::Uint8Array;
use deno_core::cppgc::make_cppgc_object;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use tokio::io::AsyncReadExt as _;
use tokio::io::AsyncWriteExt as _;
use tokio::io::ReadHalf;
use tokio::io::WriteHalf;

use crate::activity::Activity;
use crate::host::ByteStream;
use crate::host::running_host;
use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::pipe::PipeEnd;
use crate::pipe::pipe;

deno_core::extension!(
    stead_tcp,
    ops = [
        op_tcp_open,
        op_tcp_pair,
        op_tcp_accept,
        op_tcp_read,
        op_tcp_read_stop,
        op_tcp_write,
        op_tcp_shutdown,
        op_tcp_secure,
        op_tcp_close,
    ],
);

/// Bytes that one read takes from a connection at most.
const READ_BYTES_MAX: usize = 64 * 1024;

/// An open connection as JavaScript holds it.
pub struct TcpSocket(Rc<Connection>);

// SAFETY: the connection holds no references into the JavaScript heap.
unsafe impl GarbageCollected for TcpSocket {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"TcpSocket"
    }
}

/// An open connection for JavaScript.
pub struct Opened(TcpSocket);

impl<'s> ToV8<'s> for Opened {
    type Error = std::convert::Infallible;

    fn to_v8(
        self,
        scope: &mut v8::PinScope<'s, '_>,
    ) -> Result<v8::Local<'s, v8::Value>, Self::Error> {
        Ok(make_cppgc_object(scope, self.0).into())
    }
}

/// The two directions of a connection. Whoever reads or writes has taken its half meanwhile.
pub struct Connection {
    reader: RefCell<Option<ReadHalf<ByteStream>>>,
    writer: RefCell<Option<WriteHalf<ByteStream>>>,
    /// Ends what waits for the other side.
    over: Rc<CancelHandle>,
    /// Ends a read alone, which loses nothing.
    reading: Rc<CancelHandle>,
    /// Keeps the object in whose name it was opened in memory.
    activity: RefCell<Option<Activity>>,
    instance: Option<Rc<Instance>>,
}

/// A way to cut a connection for as long as there is one.
pub struct TcpCutter(Weak<Connection>);

impl TcpCutter {
    /// Whether there is nothing to cut any more.
    pub fn is_over(&self) -> bool {
        self.0.strong_count() == 0
    }

    /// Cuts the connection.
    pub fn cut(&self) {
        if let Some(connection) = self.0.upgrade() {
            connection.close();
        }
    }
}

impl Connection {
    fn open(stream: ByteStream, instance: Option<Rc<Instance>>) -> TcpSocket {
        let (reader, writer) = tokio::io::split(stream);
        let connection = Rc::new(Connection {
            reader: RefCell::new(Some(reader)),
            writer: RefCell::new(Some(writer)),
            over: CancelHandle::new_rc(),
            reading: CancelHandle::new_rc(),
            activity: RefCell::new(instance.as_ref().map(Instance::lasting_activity)),
            instance,
        });
        if let Some(instance) = &connection.instance {
            let cutter = TcpCutter(Rc::downgrade(&connection));
            instance.held.add_connection(cutter);
        }
        TcpSocket(connection)
    }

    fn close(&self) {
        self.over.cancel();
        self.reader.take();
        self.writer.take();
        self.activity.take();
    }
}

fn gone() -> JsErrorBox {
    JsErrorBox::generic("the connection is closed")
}

fn failed(error: &io::Error) -> JsErrorBox {
    JsErrorBox::generic(error.to_string())
}

/// A connection that was opened in the name of an object, if that is still there.
fn open(
    stream: Result<ByteStream, String>,
    instance: Option<Rc<Instance>>,
) -> Result<Opened, JsErrorBox> {
    let stream = stream.map_err(JsErrorBox::generic)?;
    if instance.as_ref().is_some_and(|i| i.is_broken()) {
        return Err(gone());
    }
    Ok(Opened(Connection::open(stream, instance)))
}

/// Opens a connection, in the name of an object if one is given.
#[op2]
async fn op_tcp_open(
    state: Rc<RefCell<OpState>>,
    #[cppgc] handle: Option<&ObjectHandle>,
    #[string] host: String,
    #[smi] port: u16,
    secure: bool,
) -> Result<Opened, JsErrorBox> {
    let process = running_host(&state.borrow())?;
    let instance = handle.map(|handle| handle.0.clone());
    open(process.dial(host, port, secure).await, instance)
}

/// A connection within the process: the caller's end, and the handler's, which travels.
#[op2]
fn op_tcp_pair<'s>(
    scope: &mut v8::PinScope<'s, '_>,
    #[cppgc] handle: Option<&ObjectHandle>,
) -> v8::Local<'s, v8::Array> {
    let (caller, handler) = pipe();
    let instance = handle.map(|handle| handle.0.clone());
    let caller = Connection::open(Box::new(caller), instance);
    let ends: [v8::Local<v8::Value>; 2] = [
        make_cppgc_object(scope, caller).into(),
        make_cppgc_object(scope, PipeEnd::new(handler)).into(),
    ];
    v8::Array::new_with_elements(scope, &ends)
}

/// The end of a connection that came to an object, if a handle is given, or to the worker.
#[op2]
#[cppgc]
fn op_tcp_accept(
    #[cppgc] handle: Option<&ObjectHandle>,
    #[cppgc] end: &PipeEnd,
) -> Result<TcpSocket, JsErrorBox> {
    let instance = handle.map(|handle| handle.0.clone());
    Ok(Connection::open(Box::new(end.take()?), instance))
}

/// The next bytes; null at the end.
#[op2]
async fn op_tcp_read(#[cppgc] socket: &TcpSocket) -> Result<Option<Uint8Array>, JsErrorBox> {
    let connection = socket.0.clone();
    let mut reader = connection.reader.borrow_mut().take().ok_or_else(gone)?;
    let mut bytes = Vec::with_capacity(READ_BYTES_MAX);
    let read = reader.read_buf(&mut bytes);
    let read = read.or_cancel(connection.reading.clone());
    let Ok(read) = read.or_cancel(connection.over.clone()).await else {
        return Err(gone());
    };
    // A read that was stopped has taken nothing.
    let count = read.unwrap_or(Ok(0));
    connection.reader.replace(Some(reader));
    match count {
        Ok(0) => Ok(None),
        Ok(_) => Ok(Some(bytes.into())),
        Err(error) => Err(failed(&error)),
    }
}

/// Ends a read that is under way, as if the other side had nothing more to say.
#[op2(fast)]
fn op_tcp_read_stop(#[cppgc] socket: &TcpSocket) {
    socket.0.reading.cancel();
}

/// Writes bytes; done when the system has taken them all.
#[op2]
async fn op_tcp_write(
    #[cppgc] socket: &TcpSocket,
    #[buffer(copy)] bytes: Vec<u8>,
) -> Result<(), JsErrorBox> {
    let connection = socket.0.clone();
    let mut writer = connection.writer.borrow_mut().take().ok_or_else(gone)?;
    let write = async {
        writer.write_all(&bytes).await?;
        writer.flush().await
    };
    let Ok(written) = write.or_cancel(connection.over.clone()).await else {
        return Err(gone());
    };
    connection.writer.replace(Some(writer));
    written.map_err(|error| failed(&error))
}

/// Tells the other side that nothing more will be written.
#[op2]
async fn op_tcp_shutdown(#[cppgc] socket: &TcpSocket) -> Result<(), JsErrorBox> {
    let connection = socket.0.clone();
    let mut writer = connection.writer.borrow_mut().take().ok_or_else(gone)?;
    let shutdown = writer.shutdown();
    match shutdown.or_cancel(connection.over.clone()).await {
        Ok(done) => done.map_err(|error| failed(&error)),
        Err(_) => Err(gone()),
    }
}

/// Goes on with TLS on a connection that nobody reads or writes; it is another one from then on.
#[op2]
async fn op_tcp_secure(
    state: Rc<RefCell<OpState>>,
    #[cppgc] socket: &TcpSocket,
    #[string] host: String,
) -> Result<Opened, JsErrorBox> {
    let connection = socket.0.clone();
    let reader = connection.reader.take().ok_or_else(gone)?;
    let writer = connection.writer.take().ok_or_else(gone)?;
    connection.activity.take();
    let process = running_host(&state.borrow())?;
    let secured = process.secure(reader.unsplit(writer), host).await;
    open(secured, connection.instance.clone())
}

/// Closes both directions at once. What has been written is still sent.
#[op2(fast)]
fn op_tcp_close(#[cppgc] socket: &TcpSocket) {
    socket.0.close();
}
