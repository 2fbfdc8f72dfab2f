//! The end of all shards of a worker together: none ends while another one may still need an
//! object of it.

use tokio::sync::oneshot;
use tokio::sync::watch;

/// What a shard is told with the word to stop. Dropping it says that the shard is gone.
pub struct Stop {
    /// Says that the shard has ended.
    done: Option<oneshot::Sender<()>>,
    /// How many shards have work left.
    busy: watch::Sender<usize>,
    is_busy: bool,
}

impl Stop {
    /// For so many shards, with what tells of the end of each.
    pub fn for_shards(count: usize) -> Vec<(Stop, oneshot::Receiver<()>)> {
        let busy = watch::Sender::new(count);
        let stop = |_| {
            let (done, ended) = oneshot::channel();
            let stop = Stop {
                done: Some(done),
                busy: busy.clone(),
                is_busy: true,
            };
            (stop, ended)
        };
        (0..count).map(stop).collect()
    }

    /// The shard has done its work. It may get more, of others that have not.
    pub fn note_rest(&mut self) {
        if std::mem::take(&mut self.is_busy) {
            self.busy.send_modify(|busy| *busy -= 1);
        }
    }

    /// Whether all shards have done theirs.
    pub fn is_everywhere(&self) -> bool {
        *self.busy.borrow() == 0
    }

    /// Waits for that.
    pub fn everywhere(&self) -> impl Future<Output = ()> + 'static {
        let mut busy = self.busy.subscribe();
        async move { drop(busy.wait_for(|busy| *busy == 0).await) }
    }

    /// The shard has ended.
    pub fn end(mut self) {
        if let Some(done) = self.done.take() {
            // Nobody waits any more when the process ends at once.
            let _ = done.send(());
        }
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.note_rest();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_have_rest_when_the_last_one_has_or_is_gone() {
        let mut stops = Stop::for_shards(2);
        let (mut first, _ended) = stops.remove(0);
        let (second, ended) = stops.remove(0);
        first.note_rest();
        first.note_rest();
        assert!(!first.is_everywhere());
        drop(second);
        first.everywhere().await;
        assert!(first.is_everywhere());
        assert!(ended.await.is_err());
    }
}
