//! What runs on a rewriter's stack, and what it shares with JavaScript.

use std::borrow::Cow;
use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

use corosensei::Yielder;
use deno_error::JsErrorBox;
use lol_html::AsciiCompatibleEncoding;
use lol_html::DocumentContentHandlers;
use lol_html::ElementContentHandlers;
use lol_html::HandlerResult;
use lol_html::HtmlRewriter;
use lol_html::MemorySettings;
use lol_html::OutputSink;
use lol_html::Selector;
use lol_html::Settings;
use lol_html::html_content::Comment;
use lol_html::html_content::ContentType;
use lol_html::html_content::Doctype;
use lol_html::html_content::DocumentEnd;
use lol_html::html_content::Element;
use lol_html::html_content::EndTag;
use lol_html::html_content::StreamingHandler;
use lol_html::html_content::StreamingHandlerSink;
use lol_html::html_content::TextChunk;
use serde::Deserialize;

use super::parser_error;

/// What one rewriter may hold of the document, as on the platform.
const MEMORY_BYTES_MAX: usize = 3 * 1024 * 1024;

/// The rewriter has taken all input that it was given.
pub const NEEDS_INPUT: i32 = -1;
/// Numbers from here on are of streams to be inserted; smaller ones of handlers.
pub const FIRST_STREAM: i32 = 1 << 24;

/// Handlers for what a selector matches or, without one, of the whole document. Each is the number
/// by which JavaScript knows it.
#[derive(Deserialize)]
pub struct Handlers {
    selector: Option<String>,
    element: Option<i32>,
    comments: Option<i32>,
    text: Option<i32>,
    doctype: Option<i32>,
    end: Option<i32>,
}

/// What the rewriter's stack is gone on with.
pub enum Resume {
    /// A piece of the document.
    Chunk(Vec<u8>),
    /// There are no more.
    End,
    /// The handler has ended.
    Handled,
    /// The handler failed, or nobody wants the rest.
    Abandon,
}

/// What the handler that runs may look at and change. The pointers are to what lives on the
/// rewriter's stack, and are valid as long as that waits for the handler.
#[derive(Clone, Copy)]
pub enum Token {
    None,
    Element(*mut Element<'static, 'static>),
    Text(*mut TextChunk<'static>),
    Comment(*mut Comment<'static>),
    Doctype(*mut Doctype<'static>),
    EndTag(*mut EndTag<'static>),
    DocumentEnd(*mut DocumentEnd<'static>),
    Sink(*mut StreamingHandlerSink<'static>, ContentType),
}

/// What the rewriter's stack and JavaScript share.
pub struct Shared {
    pub token: Cell<Token>,
    pub output: RefCell<Vec<u8>>,
    pub yielder: Cell<*const Yielder<Resume, i32>>,
}

impl Shared {
    /// Leaves the rewriter's stack until JavaScript has handled `token`. Called on that stack.
    pub fn pause(&self, token: Token, number: i32) -> HandlerResult {
        self.token.set(token);
        // SAFETY: set on this stack before anything was written, and as alive as the stack.
        let resume = unsafe { &*self.yielder.get() }.suspend(number);
        self.token.set(Token::None);
        match resume {
            Resume::Handled => Ok(()),
            _ => Err("abandoned".into()),
        }
    }
}

struct Output(Rc<Shared>);

impl OutputSink for Output {
    fn handle_chunk(&mut self, chunk: &[u8]) {
        self.0.output.borrow_mut().extend_from_slice(chunk);
    }
}

/// Content that JavaScript will bring when its place is reached.
pub struct Inserted {
    pub shared: Rc<Shared>,
    pub number: i32,
    pub kind: ContentType,
}

// SAFETY: lol_html asks for it for rewriters that move between threads. This one cannot: its stack
// is a coroutine, which is not `Send`.
unsafe impl Send for Inserted {}

impl StreamingHandler for Inserted {
    fn write_all(self: Box<Self>, sink: &mut StreamingHandlerSink<'_>) -> HandlerResult {
        let sink = std::ptr::from_mut(sink).cast::<StreamingHandlerSink<'static>>();
        self.shared.pause(Token::Sink(sink, self.kind), self.number)
    }
}

/// What runs on the rewriter's stack.
pub fn run(
    settings: Settings<'static, 'static>,
    shared: Rc<Shared>,
    yielder: &Yielder<Resume, i32>,
    first: Resume,
) -> Result<(), String> {
    let mut rewriter = HtmlRewriter::new(settings, Output(shared));
    let mut input = first;
    loop {
        match input {
            Resume::Chunk(bytes) => rewriter.write(&bytes).map_err(|e| e.to_string())?,
            Resume::End => return rewriter.end().map_err(|e| e.to_string()),
            Resume::Handled | Resume::Abandon => return Err("abandoned".into()),
        }
        input = yielder.suspend(NEEDS_INPUT);
    }
}

/// A function that pauses for a handler of JavaScript's.
macro_rules! pausing {
    ($shared:expr, $number:expr, $token:ident, $type:ty, $static:ty) => {{
        let (shared, number) = ($shared.clone(), $number);
        move |token: &mut $type| {
            let token = std::ptr::from_mut(token).cast::<$static>();
            shared.pause(Token::$token(token), number)
        }
    }};
}

/// The handlers of one rewriter.
///
/// # Errors
/// A TypeError for a selector that cannot be used.
pub fn settings(
    shared: &Rc<Shared>,
    encoding: AsciiCompatibleEncoding,
    handlers: Vec<Handlers>,
) -> Result<Settings<'static, 'static>, JsErrorBox> {
    let mut settings = Settings::new()
        .with_encoding(encoding)
        .with_memory_settings(
            MemorySettings::new().with_max_allowed_memory_usage(MEMORY_BYTES_MAX),
        );
    for handlers in handlers {
        settings = match &handlers.selector {
            Some(selector) => {
                let selector = selector.parse::<Selector>().map_err(parser_error)?;
                let handlers = of_elements(shared, &handlers);
                settings.append_element_content_handler((Cow::Owned(selector), handlers))
            }
            None => settings.append_document_content_handler(of_document(shared, &handlers)),
        };
    }
    Ok(settings)
}

fn of_elements(shared: &Rc<Shared>, numbers: &Handlers) -> ElementContentHandlers<'static> {
    let mut handlers = ElementContentHandlers::default();
    if let Some(number) = numbers.element {
        handlers = handlers.element(pausing!(
            shared,
            number,
            Element,
            Element<'_, '_>,
            Element<'static, 'static>
        ));
    }
    if let Some(number) = numbers.comments {
        handlers = handlers.comments(pausing!(
            shared,
            number,
            Comment,
            Comment<'_>,
            Comment<'static>
        ));
    }
    if let Some(number) = numbers.text {
        handlers = handlers.text(pausing!(
            shared,
            number,
            Text,
            TextChunk<'_>,
            TextChunk<'static>
        ));
    }
    handlers
}

fn of_document(shared: &Rc<Shared>, numbers: &Handlers) -> DocumentContentHandlers<'static> {
    let mut handlers = DocumentContentHandlers::default();
    if let Some(number) = numbers.doctype {
        handlers = handlers.doctype(pausing!(
            shared,
            number,
            Doctype,
            Doctype<'_>,
            Doctype<'static>
        ));
    }
    if let Some(number) = numbers.comments {
        handlers = handlers.comments(pausing!(
            shared,
            number,
            Comment,
            Comment<'_>,
            Comment<'static>
        ));
    }
    if let Some(number) = numbers.text {
        handlers = handlers.text(pausing!(
            shared,
            number,
            Text,
            TextChunk<'_>,
            TextChunk<'static>
        ));
    }
    if let Some(number) = numbers.end {
        handlers = handlers.end(pausing!(
            shared,
            number,
            DocumentEnd,
            DocumentEnd<'_>,
            DocumentEnd<'static>
        ));
    }
    handlers
}
