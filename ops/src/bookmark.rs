//! Point-in-time recovery: bookmarks of an object's past, and going back to
//! one when the object is started the next time.
//!
//! <https://developers.cloudflare.com/durable-objects/api/sqlite-storage-api/#pitr-point-in-time-recovery-api>

use std::rc::Rc;

use deno_core::op2;
use deno_error::JsErrorBox;
use stead_storage::Bookmark;
use stead_storage::StorageError;
use tokio::sync::oneshot;

use crate::instance::Instance;
use crate::instance::ObjectHandle;
use crate::transaction::durable;

deno_core::extension!(
    stead_bookmark,
    ops = [
        op_bookmark_current,
        op_bookmark_for_time,
        op_bookmark_restore
    ],
);

/// The moment after all that the object has written so far, once that is
/// durable.
#[op2]
#[string]
fn op_bookmark_current(
    #[cppgc] handle: &ObjectHandle,
) -> impl Future<Output = Result<String, JsErrorBox>> + use<> {
    let instance = handle.0.clone();
    let (sender, receiver) = oneshot::channel();
    // Asked when the output gate has just let this pass, before a later commit
    // becomes durable.
    let database = instance.database.clone();
    instance.say(move |open| {
        let point = open.map(|()| database.durable_point());
        drop(sender.send(point));
    });
    async move {
        let point = receiver.await.map_err(|_| lost())?;
        let point = point.map_err(|broken| JsErrorBox::generic(broken.message))?;
        let point = point.ok_or_else(no_journal)?;
        Ok(Bookmark::after(point).to_string())
    }
}

/// The last moment not after a time, in milliseconds since 1970.
#[op2]
#[string]
fn op_bookmark_for_time(
    #[cppgc] handle: &ObjectHandle,
    time_ms: f64,
) -> impl Future<Output = Result<String, JsErrorBox>> + use<> {
    ask(handle.0.clone(), move |instance, answer| {
        let (journal, name) = instance.database.journal()?;
        journal.find_later(name, time_ms as i64, answer);
        Some(())
    })
}

/// Writes down that the object is to go back to a bookmark when it is started
/// the next time. Resolves to the bookmark that undoes it.
#[op2]
#[string]
fn op_bookmark_restore(
    #[cppgc] handle: &ObjectHandle,
    #[string] bookmark: String,
) -> impl Future<Output = Result<String, JsErrorBox>> + use<> {
    let parsed = bookmark.parse::<Bookmark>().map_err(thrown);
    let asked = parsed.map(|bookmark| {
        ask(handle.0.clone(), move |instance, answer| {
            let (journal, name) = instance.database.journal()?;
            journal.restore_at_next_open(name, bookmark, answer);
            Some(())
        })
    });
    async move { asked?.await }
}

type Answer = Box<dyn FnOnce(Result<Bookmark, StorageError>) + Send>;

/// Asks the journal something about an object, after all that it has written
/// so far is durable.
async fn ask(
    instance: Rc<Instance>,
    question: impl FnOnce(&Instance, Answer) -> Option<()>,
) -> Result<String, JsErrorBox> {
    durable(&instance).await?;
    let (sender, receiver) = oneshot::channel();
    let answer = Box::new(move |result| drop(sender.send(result)));
    question(&instance, answer).ok_or_else(no_journal)?;
    let bookmark = receiver.await.map_err(|_| lost())?;
    bookmark
        .map(|bookmark| bookmark.to_string())
        .map_err(thrown)
}

fn thrown(error: StorageError) -> JsErrorBox {
    JsErrorBox::new(error.js_class(), error.to_string())
}

fn lost() -> JsErrorBox {
    JsErrorBox::generic("Network connection lost.")
}

fn no_journal() -> JsErrorBox {
    JsErrorBox::generic("this object's storage has no journal")
}
