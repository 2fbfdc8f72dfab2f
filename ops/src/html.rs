//! HTMLRewriter: lol_html, the platform's own rewriter, whose handlers may wait.
//!
//! A handler of lol_html is a function that returns; one of a worker may be a promise. So each
//! rewriter runs on a stack of its own (a coroutine on the same thread), which is left in the middle
//! of a handler and gone on with when JavaScript says. Nothing on that stack ever calls V8.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/>

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;

use corosensei::Coroutine;
use corosensei::CoroutineResult;
use corosensei::stack::DefaultStack;
use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;
use encoding_rs::Encoding;
use lol_html::AsciiCompatibleEncoding;
use lol_html::Selector;
use lol_html::html_content::ContentType;
use lol_html::html_content::Element;
use lol_html::html_content::EndTag;

use self::stack::FIRST_STREAM;
use self::stack::Handlers;
use self::stack::Inserted;
use self::stack::Resume;
use self::stack::Shared;
use self::stack::Token;
use self::stack::run;
use self::stack::settings;

mod stack;

deno_core::extension!(
    stead_html,
    ops = [op_html_check_selector],
    objects = [Rewriter],
);

/// The stack of a rewriter: address space, of which only what is used becomes memory.
const STACK_BYTES: usize = 256 * 1024;

/// The document has ended.
const DONE: i32 = -2;

/// One document that is being rewritten.
pub struct Rewriter {
    stack: RefCell<Coroutine<Resume, i32, Result<(), String>>>,
    shared: Rc<Shared>,
}

// SAFETY: holds no reference to anything on V8's heap.
unsafe impl GarbageCollected for Rewriter {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"Rewriter"
    }
}

impl Drop for Rewriter {
    fn drop(&mut self) {
        let stack = self.stack.get_mut();
        while stack.started() && !stack.done() {
            let _ = stack.resume(Resume::Abandon);
        }
    }
}

fn parser_error(error: impl std::fmt::Display) -> JsErrorBox {
    JsErrorBox::type_error(format!("Parser error: {error}"))
}

fn stale() -> JsErrorBox {
    JsErrorBox::type_error(
        "This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.",
    )
}

/// Refuses a selector that cannot be used.
#[op2(fast)]
fn op_html_check_selector(#[string] selector: &str) -> Result<(), JsErrorBox> {
    selector.parse::<Selector>().map(drop).map_err(parser_error)
}

impl Rewriter {
    /// Goes on until a handler is to run, input is needed, or all is done.
    fn resume(&self, with: Resume) -> Result<i32, JsErrorBox> {
        let mut stack = self.stack.borrow_mut();
        if stack.done() {
            return Ok(DONE);
        }
        match stack.resume(with) {
            CoroutineResult::Yield(number) => Ok(number),
            CoroutineResult::Return(Ok(())) => Ok(DONE),
            CoroutineResult::Return(Err(error)) => Err(parser_error(error)),
        }
    }

    #[allow(
        clippy::mut_from_ref,
        reason = "the element lives on the rewriter's stack, not in this, and one op at a time has it"
    )]
    fn element(&self) -> Result<&mut Element<'static, 'static>, JsErrorBox> {
        match self.shared.token.get() {
            // SAFETY: the rewriter waits for this handler, and each op ends before the next begins.
            Token::Element(element) => Ok(unsafe { &mut *element }),
            _ => Err(stale()),
        }
    }
}

fn kind(html: bool) -> ContentType {
    if html {
        ContentType::Html
    } else {
        ContentType::Text
    }
}

#[op2]
impl Rewriter {
    /// Begins a document in an encoding, by its label.
    #[constructor]
    #[cppgc]
    fn new(
        #[string] encoding: &str,
        #[serde] handlers: Vec<Handlers>,
    ) -> Result<Rewriter, JsErrorBox> {
        let encoding = Encoding::for_label(encoding.as_bytes())
            .ok_or_else(|| parser_error("Unknown character encoding has been provided."))?;
        let encoding = AsciiCompatibleEncoding::new(encoding)
            .ok_or_else(|| parser_error("Expected ASCII-compatible encoding."))?;
        let shared = Rc::new(Shared {
            token: Cell::new(Token::None),
            output: RefCell::default(),
            yielder: Cell::new(std::ptr::null()),
        });
        let settings = settings(&shared, encoding, handlers)?;
        let stack = DefaultStack::new(STACK_BYTES)
            .map_err(|error| JsErrorBox::generic(format!("no stack for a rewriter: {error}")))?;
        let kept = shared.clone();
        let stack = Coroutine::with_stack(stack, move |yielder, first| {
            shared.yielder.set(std::ptr::from_ref(yielder));
            run(settings, shared.clone(), yielder, first)
        });
        Ok(Rewriter {
            stack: RefCell::new(stack),
            shared: kept,
        })
    }

    /// Adds to the document.
    #[fast]
    fn write(&self, #[buffer] bytes: &[u8]) -> Result<i32, JsErrorBox> {
        self.resume(Resume::Chunk(bytes.to_vec()))
    }

    /// Ends it.
    #[fast]
    fn end(&self) -> Result<i32, JsErrorBox> {
        self.resume(Resume::End)
    }

    /// Goes on after a handler, or after all of a stream.
    #[fast]
    fn handled(&self) -> Result<i32, JsErrorBox> {
        self.resume(Resume::Handled)
    }

    /// Gives up.
    #[fast]
    fn abandon(&self) {
        let _ = self.resume(Resume::Abandon);
    }

    /// What has been rewritten since the last call.
    #[buffer]
    fn output(&self) -> Vec<u8> {
        self.shared.output.take()
    }

    #[string]
    fn tag_name(&self) -> Result<String, JsErrorBox> {
        match self.shared.token.get() {
            // SAFETY: as in `element`.
            Token::EndTag(tag) => Ok(unsafe { &*tag }.name()),
            _ => Ok(self.element()?.tag_name()),
        }
    }

    #[fast]
    fn set_tag_name(&self, #[string] name: &str) -> Result<(), JsErrorBox> {
        match self.shared.token.get() {
            Token::EndTag(tag) => {
                // SAFETY: as in `element`.
                unsafe { &mut *tag }.set_name(name);
                Ok(())
            }
            _ => self.element()?.set_tag_name(name).map_err(parser_error),
        }
    }

    #[string]
    fn namespace_uri(&self) -> Result<String, JsErrorBox> {
        Ok(self.element()?.namespace_uri().to_owned())
    }

    /// Names and values in turn.
    #[serde]
    fn attributes(&self) -> Result<Vec<String>, JsErrorBox> {
        let attributes = self.element()?.attributes().iter();
        Ok(attributes.flat_map(|a| [a.name(), a.value()]).collect())
    }

    #[string]
    fn attribute(&self, #[string] name: &str) -> Result<Option<String>, JsErrorBox> {
        Ok(self.element()?.get_attribute(name))
    }

    #[fast]
    fn has_attribute(&self, #[string] name: &str) -> Result<bool, JsErrorBox> {
        Ok(self.element()?.has_attribute(name))
    }

    #[fast]
    fn set_attribute(&self, #[string] name: &str, #[string] value: &str) -> Result<(), JsErrorBox> {
        let element = self.element()?;
        element.set_attribute(name, value).map_err(parser_error)
    }

    #[fast]
    fn remove_attribute(&self, #[string] name: &str) -> Result<(), JsErrorBox> {
        self.element()?.remove_attribute(name);
        Ok(())
    }

    /// Has a handler run at the element's end tag.
    #[fast]
    fn on_end_tag(&self, number: i32) -> Result<(), JsErrorBox> {
        let shared = self.shared.clone();
        let handler = move |tag: &mut EndTag<'_>| {
            let tag = std::ptr::from_mut(tag).cast::<EndTag<'static>>();
            shared.pause(Token::EndTag(tag), number)
        };
        let element = self.element()?;
        // The last one counts, as on the platform.
        if let Some(handlers) = element.end_tag_handlers() {
            handlers.clear();
        }
        element
            .on_end_tag(Box::new(handler))
            .map_err(|_| parser_error("No end tag."))
    }

    /// Inserts content at a place: `before`, `after`, `prepend`, `append`, `replace` or `inner`.
    #[fast]
    fn insert(
        &self,
        #[string] place: &str,
        #[string] content: &str,
        html: bool,
    ) -> Result<(), JsErrorBox> {
        let kind = kind(html);
        // SAFETY: as in `element`.
        match (self.shared.token.get(), place) {
            (Token::Element(e), "before") => unsafe { &mut *e }.before(content, kind),
            (Token::Element(e), "after") => unsafe { &mut *e }.after(content, kind),
            (Token::Element(e), "prepend") => unsafe { &mut *e }.prepend(content, kind),
            (Token::Element(e), "append") => unsafe { &mut *e }.append(content, kind),
            (Token::Element(e), "replace") => unsafe { &mut *e }.replace(content, kind),
            (Token::Element(e), "inner") => unsafe { &mut *e }.set_inner_content(content, kind),
            (Token::Text(t), "before") => unsafe { &mut *t }.before(content, kind),
            (Token::Text(t), "after") => unsafe { &mut *t }.after(content, kind),
            (Token::Text(t), "replace") => unsafe { &mut *t }.replace(content, kind),
            (Token::Comment(c), "before") => unsafe { &mut *c }.before(content, kind),
            (Token::Comment(c), "after") => unsafe { &mut *c }.after(content, kind),
            (Token::Comment(c), "replace") => unsafe { &mut *c }.replace(content, kind),
            (Token::EndTag(t), "before") => unsafe { &mut *t }.before(content, kind),
            (Token::EndTag(t), "after") => unsafe { &mut *t }.after(content, kind),
            (Token::DocumentEnd(d), "append") => unsafe { &mut *d }.append(content, kind),
            _ => return Err(stale()),
        }
        Ok(())
    }

    /// The same of content that JavaScript brings when its place is reached.
    #[fast]
    fn insert_stream(
        &self,
        #[string] place: &str,
        number: i32,
        html: bool,
    ) -> Result<(), JsErrorBox> {
        let content = Box::new(Inserted {
            shared: self.shared.clone(),
            number: FIRST_STREAM + number,
            kind: kind(html),
        });
        // SAFETY: as in `element`.
        match (self.shared.token.get(), place) {
            (Token::Element(e), "before") => unsafe { &mut *e }.streaming_before(content),
            (Token::Element(e), "after") => unsafe { &mut *e }.streaming_after(content),
            (Token::Element(e), "prepend") => unsafe { &mut *e }.streaming_prepend(content),
            (Token::Element(e), "append") => unsafe { &mut *e }.streaming_append(content),
            (Token::Element(e), "replace") => unsafe { &mut *e }.streaming_replace(content),
            (Token::Element(e), "inner") => {
                unsafe { &mut *e }.streaming_set_inner_content(content);
            }
            (Token::Text(t), "before") => unsafe { &mut *t }.streaming_before(content),
            (Token::Text(t), "after") => unsafe { &mut *t }.streaming_after(content),
            (Token::Text(t), "replace") => unsafe { &mut *t }.streaming_replace(content),
            (Token::Comment(c), "before") => unsafe { &mut *c }.streaming_before(content),
            (Token::Comment(c), "after") => unsafe { &mut *c }.streaming_after(content),
            (Token::Comment(c), "replace") => unsafe { &mut *c }.streaming_replace(content),
            (Token::EndTag(t), "before") => unsafe { &mut *t }.streaming_before(content),
            (Token::EndTag(t), "after") => unsafe { &mut *t }.streaming_after(content),
            _ => return Err(stale()),
        }
        Ok(())
    }

    /// Brings a part of such content.
    #[fast]
    fn write_stream(&self, #[buffer] bytes: &[u8]) -> Result<(), JsErrorBox> {
        let Token::Sink(sink, kind) = self.shared.token.get() else {
            return Err(stale());
        };
        // SAFETY: as in `element`.
        unsafe { &mut *sink }
            .write_utf8_chunk(bytes, kind)
            .map_err(|_| parser_error("Invalid UTF-8"))
    }

    #[fast]
    fn remove(&self) -> Result<(), JsErrorBox> {
        // SAFETY: as in `element`.
        match self.shared.token.get() {
            Token::Element(element) => unsafe { &mut *element }.remove(),
            Token::Text(text) => unsafe { &mut *text }.remove(),
            Token::Comment(comment) => unsafe { &mut *comment }.remove(),
            Token::EndTag(tag) => unsafe { &mut *tag }.remove(),
            _ => return Err(stale()),
        }
        Ok(())
    }

    #[fast]
    fn remove_and_keep_content(&self) -> Result<(), JsErrorBox> {
        self.element()?.remove_and_keep_content();
        Ok(())
    }

    #[fast]
    fn removed(&self) -> Result<bool, JsErrorBox> {
        // SAFETY: as in `element`.
        Ok(match self.shared.token.get() {
            Token::Element(element) => unsafe { &*element }.removed(),
            Token::Text(text) => unsafe { &*text }.removed(),
            Token::Comment(comment) => unsafe { &*comment }.removed(),
            _ => return Err(stale()),
        })
    }

    /// The text of a comment or of a piece of text.
    #[string]
    fn text(&self) -> Result<String, JsErrorBox> {
        // SAFETY: as in `element`.
        Ok(match self.shared.token.get() {
            Token::Text(text) => unsafe { &*text }.as_str().to_owned(),
            Token::Comment(comment) => unsafe { &*comment }.text(),
            _ => return Err(stale()),
        })
    }

    #[fast]
    fn set_comment(&self, #[string] text: &str) -> Result<(), JsErrorBox> {
        match self.shared.token.get() {
            // SAFETY: as in `element`.
            Token::Comment(comment) => unsafe { &mut *comment }
                .set_text(text)
                .map_err(parser_error),
            _ => Err(stale()),
        }
    }

    #[fast]
    fn last_in_text_node(&self) -> Result<bool, JsErrorBox> {
        match self.shared.token.get() {
            // SAFETY: as in `element`.
            Token::Text(text) => Ok(unsafe { &*text }.last_in_text_node()),
            _ => Err(stale()),
        }
    }

    /// Name, public and system id.
    #[serde]
    fn doctype(&self) -> Result<Vec<Option<String>>, JsErrorBox> {
        let Token::Doctype(doctype) = self.shared.token.get() else {
            return Err(stale());
        };
        // SAFETY: as in `element`.
        let doctype = unsafe { &*doctype };
        Ok(vec![
            doctype.name(),
            doctype.public_id(),
            doctype.system_id(),
        ])
    }
}
