//! How long a shard that ends waits for what it owes.
//!
//! What has not ended at its deadline is given up in steps, each of which leaves the answers that
//! it brings about a moment to reach their clients: nobody who was accepted is left without one.

use std::pin::Pin;
use std::task::Context;
use std::time::Duration;

use tokio::time::Instant;
use tokio::time::Sleep;

/// How long each step after the deadline takes at most.
const STEP: Duration = Duration::from_millis(250);

/// How far a shard's end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// The deadline has not come: everything may end by itself.
    InTime,
    /// Objects end, and their callers may say so.
    Late,
    /// Requests that are open are answered with an error.
    Refusing,
    /// Connections are cut.
    Over,
}

/// The steps of one end.
pub struct Patience {
    step: Step,
    /// When the next step comes, and what wakes the task then.
    until: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

impl Default for Patience {
    fn default() -> Patience {
        Patience {
            step: Step::InTime,
            until: None,
            timer: Box::pin(tokio::time::sleep(Duration::ZERO)),
        }
    }
}

impl Patience {
    /// Which step it is, if the first one ends at `deadline`, which may change; has the task
    /// woken for the next one.
    pub fn poll(&mut self, cx: &mut Context<'_>, deadline: Instant) -> Step {
        if self.step == Step::InTime && self.until != Some(deadline) {
            self.wait(deadline);
        }
        if self.step != Step::Over && self.timer.as_mut().poll(cx).is_ready() {
            self.step = match self.step {
                Step::InTime => Step::Late,
                Step::Late => Step::Refusing,
                Step::Refusing | Step::Over => Step::Over,
            };
            // Measured from here: the thread may have been held up by what ends now.
            self.wait(Instant::now() + STEP);
            cx.waker().wake_by_ref();
        }
        self.step
    }

    fn wait(&mut self, until: Instant) {
        self.until = Some(until);
        self.timer.as_mut().reset(until);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::task::Poll;
    use std::task::Waker;

    use super::*;

    #[tokio::test]
    async fn each_step_comes_after_the_one_before_however_late_it_is() {
        let mut patience = Patience::default();
        let far = Instant::now() + Duration::from_secs(3600);
        let cx = &mut Context::from_waker(Waker::noop());
        assert_eq!(patience.poll(cx, far), Step::InTime);
        // It has come forward, and nobody looked for a while.
        let deadline = Instant::now();
        let mut steps = Vec::new();
        poll_fn(|cx| {
            let step = patience.poll(cx, deadline);
            if steps.last() != Some(&step) {
                steps.push(step);
            }
            match step {
                Step::Over => Poll::Ready(()),
                _ => Poll::Pending,
            }
        })
        .await;
        steps.retain(|step| *step != Step::InTime);
        assert_eq!(steps, [Step::Late, Step::Refusing, Step::Over]);
    }
}
