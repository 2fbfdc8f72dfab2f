//! Answers that are still owed. An object that is reset owes all of them at once.

use std::cell::Cell;
use std::cell::RefCell;
use std::rc::Rc;
use std::rc::Weak;
use std::sync::Arc;
use std::time::Duration;
use std::time::Instant;

use crate::activity::Activity;
use crate::instance::Instance;
use crate::message::AlarmOutcome;
use crate::message::CallError;
use crate::message::Failure;
use crate::message::Reply;
use crate::meter;
use crate::meter::Elsewhere;
use crate::meter::Spent;
use crate::pipeline::PipelineEnd;
use tokio::sync::oneshot;

/// An answer that an event's handler has not given yet.
pub struct Owed<T> {
    reply: RefCell<Option<Reply<T>>>,
    /// Where calls on the answer wait, if it is one that can be called.
    pipeline: RefCell<Option<PipelineEnd>>,
    instance: Option<Rc<Instance>>,
    activity: RefCell<Option<Activity>>,
    /// The id of the object that owes it, if a failure is to name it.
    names_object: RefCell<Option<Arc<str>>>,
    /// The processor's time that the worker's own code has taken for it.
    pub cpu_used: Cell<Duration>,
    /// Whether a person has been told that this code exceeded a limit.
    pub is_exceeded: Cell<bool>,
    /// Where what is done for the answer is counted, and what this thread had done before.
    measured: RefCell<Option<(Arc<Elsewhere>, Option<Spent>)>>,
}

impl<T> Owed<T> {
    /// Takes the way back; none if the answer was given.
    fn take(&self) -> Option<Reply<T>> {
        let reply = self.reply.borrow_mut().take()?;
        if let Some(instance) = &self.instance {
            let open = &instance.owes.open;
            open.set(open.get() - 1);
        }
        Some(reply)
    }
}

impl<T> Drop for Owed<T> {
    fn drop(&mut self) {
        self.take();
    }
}

impl<T: 'static> Owed<T> {
    /// An answer owed by the worker or, with an instance, by an object.
    pub fn new(reply: Reply<T>, instance: Option<Rc<Instance>>) -> Rc<Owed<T>> {
        let owed = Rc::new(Owed {
            reply: RefCell::new(Some(reply)),
            activity: RefCell::new(instance.as_ref().map(Instance::activity)),
            pipeline: RefCell::new(None),
            measured: RefCell::new(None),
            instance: instance.clone(),
            names_object: RefCell::new(None),
            cpu_used: Cell::default(),
            is_exceeded: Cell::default(),
        });
        if let Some(instance) = instance {
            instance.owes.open.set(instance.owes.count() + 1);
            instance.owes.add(owed.clone());
        }
        owed
    }

    /// The object that owes it.
    pub fn instance(&self) -> Option<&Rc<Instance>> {
        self.instance.as_ref()
    }

    /// Calls on the answer wait there.
    pub fn with_pipeline(self: Rc<Self>, pipeline: PipelineEnd) -> Rc<Owed<T>> {
        self.pipeline.replace(Some(pipeline));
        self
    }

    /// A failure of the object that owes it tells its id.
    pub fn naming_object(self: Rc<Self>) -> Rc<Owed<T>> {
        let id = self.instance.as_ref().map(|instance| instance.key.id);
        self.names_object
            .replace(id.map(|id| id.to_string().into()));
        self
    }

    /// What is done from here on is counted there.
    pub fn with_measured(self: Rc<Self>, measured: Option<Arc<Elsewhere>>) -> Rc<Owed<T>> {
        if let Some(measured) = measured {
            self.measured.replace(Some((measured, meter::read())));
        }
        self
    }

    /// Counts what this thread has done; where to count what follows.
    fn count(&self) -> Option<Arc<Elsewhere>> {
        let (measured, before) = self.measured.take()?;
        measured.add_since(before);
        Some(measured)
    }

    /// Whether calls on the answer wait.
    pub fn has_calls(&self) -> bool {
        let pipeline = self.pipeline.borrow();
        pipeline.as_ref().is_some_and(PipelineEnd::has_calls)
    }

    /// Whether it has still to be given.
    pub fn is_open(&self) -> bool {
        self.reply.borrow().is_some()
    }

    /// Gives the answer; if an object says it, once all that it wrote is durable.
    /// Only the first answer counts.
    pub fn give(&self, answer: Result<T, CallError>) {
        if let Some(instance) = &self.instance
            && instance.host().is_ending()
        {
            // Whoever ends the code answers.
            return;
        }
        let Some(reply) = self.take() else {
            return;
        };
        if let Err(error) = &answer {
            self.fail_pipeline(error);
        }
        let measured = self.count();
        let Some(instance) = &self.instance else {
            drop(reply.send(answer));
            return;
        };
        let speaker = instance.clone();
        let activity = self.activity.take();
        let measured = measured.map(|measured| (measured, Instant::now()));
        instance.say(move |durable| {
            if let Some((measured, said)) = measured {
                measured.add_gate(said.elapsed());
            }
            drop(reply.send(match durable {
                Ok(()) => answer,
                Err(broken) => {
                    let failure = speaker
                        .failure()
                        .unwrap_or_else(|| Failure::reset(broken.message));
                    Err(CallError::Failed(failure))
                }
            }));
            drop(activity);
        });
    }
}

impl<T> Owed<T> {
    /// Takes the place where calls on the answer wait, to settle it before the
    /// answer is given; none if the answer was given.
    pub fn take_pipeline(&self) -> Option<PipelineEnd> {
        self.pipeline.borrow_mut().take()
    }

    fn fail_pipeline(&self, error: &CallError) {
        if let Some(pipeline) = self.take_pipeline() {
            pipeline.fail(error);
        }
    }
}

/// What a reset does to an owed answer.
trait Unanswered {
    fn fail(&self, failure: &Failure);
    fn is_open(&self) -> bool;
}

impl<T: 'static> Unanswered for Owed<T> {
    fn fail(&self, failure: &Failure) {
        let mut failure = failure.clone();
        failure.object_id = self.names_object.borrow().clone();
        let error = CallError::Failed(failure);
        self.fail_pipeline(&error);
        if let Some(reply) = self.take() {
            drop(reply.send(Err(error)));
        }
        self.activity.take();
    }

    fn is_open(&self) -> bool {
        Owed::is_open(self)
    }
}

/// The outcome of an alarm's run that the handler has not reached yet.
pub struct OwedAlarm {
    reply: RefCell<Option<oneshot::Sender<AlarmOutcome>>>,
    activity: RefCell<Option<Activity>>,
}

impl OwedAlarm {
    /// The outcome of a run that begins in `instance`.
    pub fn new(reply: oneshot::Sender<AlarmOutcome>, instance: &Rc<Instance>) -> Rc<OwedAlarm> {
        let owed = Rc::new(OwedAlarm {
            reply: RefCell::new(Some(reply)),
            activity: RefCell::new(Some(instance.activity())),
        });
        instance.owes.add(owed.clone());
        owed
    }

    /// Takes the way back; none if the object was reset meanwhile.
    pub fn take(&self) -> Option<oneshot::Sender<AlarmOutcome>> {
        self.activity.take();
        self.reply.borrow_mut().take()
    }
}

impl Unanswered for OwedAlarm {
    fn fail(&self, failure: &Failure) {
        if let Some(reply) = self.take() {
            drop(reply.send(failure.alarm.clone()));
        }
    }

    fn is_open(&self) -> bool {
        self.reply.borrow().is_some()
    }
}

/// All answers that one object owes.
#[derive(Default)]
pub struct Owes {
    list: RefCell<Vec<Weak<dyn Unanswered>>>,
    /// Answers to calls and requests that have not been given.
    open: Cell<usize>,
}

impl Owes {
    /// Below this length the list is not searched for answers that were given.
    const PRUNE_ABOVE: usize = 32;

    /// An answer owed by code that is no object's.
    pub fn owed<T: 'static>(&self, reply: Reply<T>) -> Rc<Owed<T>> {
        let owed = Owed::new(reply, None);
        self.add(owed.clone());
        owed
    }

    fn add(&self, owed: Rc<dyn Unanswered>) {
        let mut list = self.list.borrow_mut();
        // Pruned only when it is about to grow, so that the cost per event is constant.
        if list.len() == list.capacity() && list.len() > Self::PRUNE_ABOVE {
            list.retain(|weak| weak.upgrade().is_some_and(|owed| owed.is_open()));
        }
        list.push(Rc::downgrade(&owed));
    }

    /// How many calls and requests have not been answered.
    pub fn count(&self) -> usize {
        self.open.get()
    }

    /// Answers everything with the failure of the object.
    pub fn fail(&self, failure: &Failure) {
        let list = std::mem::take(&mut *self.list.borrow_mut());
        for owed in list.iter().filter_map(Weak::upgrade) {
            owed.fail(failure);
        }
    }

    /// Whether any handler has still to answer.
    pub fn any(&self) -> bool {
        self.list
            .borrow()
            .iter()
            .any(|weak| weak.upgrade().is_some_and(|owed| owed.is_open()))
    }
}
