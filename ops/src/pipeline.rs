//! Calls on the result of a call that has not been answered yet: they wait beside
//! it, and enter the callee as soon as it has the result, without a further way
//! there and back.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/rpc/#promise-pipelining>

use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;

use crate::export::Export;
use crate::message::Call;
use crate::message::CallError;
use crate::message::Failure;

/// Calls that may wait for one result.
const WAITING_MAX: usize = 16 * 1024;

/// What the caller and the callee of one call share of its result.
pub struct Pipeline(Mutex<State>);

enum State {
    /// There is no result yet.
    Waiting(Vec<Call>),
    /// There is one. Without an export there is nothing in it to call, and whoever
    /// made the call looks at the answer that is on its way.
    Resolved(Option<Arc<Export>>),
    /// There will be none.
    Failed(CallError),
}

impl Pipeline {
    /// The pipeline of a new call, and the end of it for the callee.
    pub fn new() -> (Arc<Pipeline>, PipelineEnd) {
        let pipeline = Arc::new(Pipeline(Mutex::new(State::Waiting(Vec::new()))));
        (pipeline.clone(), PipelineEnd(Some(pipeline)))
    }

    /// Makes a call on the result. It comes back, with its target, if the result is
    /// there and can be called now.
    pub fn push(&self, mut call: Call) -> Option<Call> {
        let mut state = self.lock();
        match &mut *state {
            State::Waiting(calls) if calls.len() < WAITING_MAX => calls.push(call),
            State::Waiting(_) => call.fail(CallError::Failed(Failure::overloaded())),
            State::Resolved(Some(export)) => {
                call.target = Some(export.clone());
                return Some(call);
            }
            State::Resolved(None) => call.fail(CallError::Missed),
            State::Failed(error) => call.fail(error.clone()),
        }
        None
    }

    fn settle(&self, settled: State) -> Vec<Call> {
        let mut state = self.lock();
        match &mut *state {
            State::Waiting(calls) => {
                let calls = std::mem::take(calls);
                *state = settled;
                calls
            }
            _ => Vec::new(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callee's end. Dropped unsettled, it tells the waiting calls that the
/// connection was lost.
pub struct PipelineEnd(Option<Arc<Pipeline>>);

impl PipelineEnd {
    /// Whether calls wait for the result.
    pub fn has_calls(&self) -> bool {
        let Some(pipeline) = &self.0 else {
            return false;
        };
        matches!(&*pipeline.lock(), State::Waiting(calls) if !calls.is_empty())
    }

    /// Says that the result is there, and where it can be called, if it can. The
    /// calls that waited come back with their target.
    pub fn resolve(mut self, export: Option<Arc<Export>>) -> Vec<Call> {
        let Some(pipeline) = self.0.take() else {
            return Vec::new();
        };
        let calls = pipeline.settle(State::Resolved(export.clone()));
        let Some(export) = export else {
            for call in calls {
                call.fail(CallError::Missed);
            }
            return Vec::new();
        };
        let aim = |mut call: Call| {
            call.target = Some(export.clone());
            call
        };
        calls.into_iter().map(aim).collect()
    }

    /// Says that there will be no result.
    pub fn fail(mut self, error: &CallError) {
        if let Some(pipeline) = self.0.take() {
            for call in pipeline.settle(State::Failed(error.clone())) {
                call.fail(error.clone());
            }
        }
    }
}

impl Drop for PipelineEnd {
    fn drop(&mut self) {
        if self.0.is_some() {
            PipelineEnd(self.0.take()).fail(&CallError::Failed(Failure::lost()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::Exports;
    use tokio::sync::oneshot;

    type Answer = oneshot::Receiver<Result<crate::message::Message, CallError>>;

    fn call() -> (Call, Answer) {
        let (reply, answer) = oneshot::channel();
        let (_, pipeline) = Pipeline::new();
        let path = vec!["method".to_owned()];
        let call = Call {
            path,
            arguments: None,
            target: None,
            reply,
            pipeline,
            measured: None,
            is_pipelined: true,
        };
        (call, answer)
    }

    #[test]
    fn waiting_calls_get_their_target_in_order() {
        let export = Exports::default().add(None).expect("below the bound");
        let (pipeline, end) = Pipeline::new();
        let answers: Vec<Answer> = (0..3)
            .map(|_| {
                let (call, answer) = call();
                assert!(pipeline.push(call).is_none());
                answer
            })
            .collect();
        assert!(end.has_calls());
        let calls = end.resolve(Some(export));
        assert!(calls.iter().all(|call| call.target.is_some()));
        assert_eq!(calls.len(), answers.len());
        assert!(pipeline.push(call().0).is_some());
    }

    #[test]
    fn a_result_without_anything_to_call_is_looked_at_by_the_caller() {
        let (pipeline, end) = Pipeline::new();
        let (early, mut early_answer) = call();
        let (late, mut late_answer) = call();
        pipeline.push(early);
        assert!(end.resolve(None).is_empty());
        assert!(pipeline.push(late).is_none());
        for answer in [&mut early_answer, &mut late_answer] {
            assert!(matches!(answer.try_recv(), Ok(Err(CallError::Missed))));
        }
    }

    #[test]
    fn a_dropped_end_fails_the_calls_and_those_upon_them() {
        let (pipeline, end) = Pipeline::new();
        let (first, mut answer) = call();
        let (second_pipeline, second_end) = Pipeline::new();
        let first = Call {
            pipeline: second_end,
            ..first
        };
        pipeline.push(first);
        let (second, mut second_answer) = call();
        second_pipeline.push(second);
        drop(end);
        for answer in [&mut answer, &mut second_answer] {
            assert!(matches!(answer.try_recv(), Ok(Err(CallError::Failed(_)))));
        }
    }
}
