//! The object's alarm: reading and setting it, and how a run of it ends.
//!
//! <https://developers.cloudflare.com/durable-objects/api/alarms/>

use std::rc::Rc;

use deno_core::GarbageCollected;
use deno_core::op2;
use deno_core::v8;
use deno_error::JsErrorBox;

use crate::answer::OwedAlarm;
use crate::instance::AlarmRun;
use crate::instance::ObjectHandle;
use crate::kv::write;
use crate::message::AlarmOutcome;

deno_core::extension!(
    stead_alarm,
    ops = [op_alarm_get, op_alarm_set, op_alarm_delete, op_alarm_end],
);

/// Where a run's outcome goes, as JavaScript holds it.
pub struct AlarmReply(pub Rc<OwedAlarm>);

// SAFETY: the reply holds no references into the JavaScript heap.
unsafe impl GarbageCollected for AlarmReply {
    fn trace(&self, _visitor: &mut v8::cppgc::Visitor) {}
    fn get_name(&self) -> &'static std::ffi::CStr {
        c"AlarmReply"
    }
}

/// The alarm in milliseconds; null if there is none. While the handler runs,
/// the alarm that woke it counts as gone.
#[op2]
fn op_alarm_get(#[cppgc] handle: &ObjectHandle) -> Result<Option<f64>, JsErrorBox> {
    refuse_facet(handle)?;
    if handle.0.alarm_run.get() == AlarmRun::Running {
        return Ok(None);
    }
    let alarm = handle.0.check(handle.0.database.alarm())?;
    Ok(alarm.map(|at_ms| at_ms as f64))
}

/// Sets the alarm; a time that has passed becomes now.
#[op2(fast)]
fn op_alarm_set(
    #[cppgc] handle: &ObjectHandle,
    at_ms: f64,
    unconfirmed: bool,
) -> Result<(), JsErrorBox> {
    refuse_facet(handle)?;
    let at_ms = at_ms as i64;
    let at_ms = if at_ms > 0 {
        at_ms.max(handle.0.host().now_ms())
    } else {
        at_ms
    };
    write(handle, unconfirmed, |database| {
        database.set_alarm(Some(at_ms))
    })?;
    note_change(handle);
    Ok(())
}

#[op2(fast)]
fn op_alarm_delete(#[cppgc] handle: &ObjectHandle, unconfirmed: bool) -> Result<(), JsErrorBox> {
    refuse_facet(handle)?;
    write(handle, unconfirmed, |database| database.set_alarm(None))?;
    note_change(handle);
    Ok(())
}

fn refuse_facet(handle: &ObjectHandle) -> Result<(), JsErrorBox> {
    match handle.0.key.is_facet() {
        true => Err(JsErrorBox::generic("Facets currently cannot set alarms.")),
        false => Ok(()),
    }
}

fn note_change(handle: &ObjectHandle) {
    if handle.0.alarm_run.get() == AlarmRun::Running {
        handle.0.alarm_run.set(AlarmRun::Changed);
    }
}

/// Ends a run. The alarm that ran is removed in the same commit as what the
/// handler wrote last, and the outcome leaves once that is durable: a crash
/// before then runs the handler again.
#[op2]
fn op_alarm_end(
    #[cppgc] handle: &ObjectHandle,
    #[cppgc] reply: &AlarmReply,
    #[string] thrown: Option<String>,
) -> Result<(), JsErrorBox> {
    let instance = &handle.0;
    let run = instance.alarm_run.replace(AlarmRun::Idle);
    let Some(reply) = reply.0.take() else {
        return Ok(());
    };
    if thrown.is_none() && run == AlarmRun::Running {
        instance.check(instance.database.set_alarm(None))?;
    }
    let next = instance.check(instance.database.alarm())?;
    let outcome = match (thrown, run) {
        // A new alarm that the handler set takes the place of the retry.
        (Some(_), AlarmRun::Changed) if next.is_some() => AlarmOutcome::Done(next),
        (Some(thrown), _) => AlarmOutcome::Threw(thrown),
        (None, _) => AlarmOutcome::Done(next),
    };
    instance.say_when_synced(move |durable| {
        let outcome = if durable.is_ok() {
            outcome
        } else {
            AlarmOutcome::Failed
        };
        drop(reply.send(outcome));
    });
    Ok(())
}
