//! What answers in front of the worker: static files, and the pages of `stead dev`.

use std::sync::Arc;

use bytes::Bytes;

use crate::assets::Asked;
use crate::assets::Assets;
use crate::dev::Pages;
use crate::dev::Thrown;

/// What a server has in front of its worker.
#[derive(Default)]
pub struct Front {
    pub assets: Option<Arc<Assets>>,
    pub pages: Option<Arc<Pages>>,
    /// Whether clients speak HTTPS, so that the URLs of requests say so.
    pub is_https: bool,
}

impl Front {
    /// Whether there is nothing in front of the worker.
    pub fn is_absent(&self) -> bool {
        self.assets.is_none() && self.pages.is_none()
    }

    /// Whether a request is for something of Stead's own, which is not worth a line in the log.
    pub fn is_own(&self, asked: &Asked) -> bool {
        self.pages.is_some() && Pages::is_own(&asked.path)
    }

    /// Answers a request that the worker need not see. `stop` resolves when the server is to end.
    pub async fn answer(
        &self,
        asked: &Asked,
        stop: impl Future<Output = ()>,
    ) -> Option<http::Response<Bytes>> {
        if let Some(pages) = &self.pages {
            if self.is_own(asked) {
                let query = asked.query.as_deref();
                let answer = pages.answer_own(&asked.method, &asked.path, query, stop);
                return Some(answer.await);
            }
            let pages = pages.clone();
            let navigation = asked.clone();
            // A page shows lines of files.
            if pages.is_broken()
                && let Some(page) = off_thread(move || {
                    pages.for_navigation(&navigation.method, &navigation.headers)
                })
                .await
            {
                return Some(page);
            }
        }
        self.routed(asked.clone()).await
    }

    /// The answer of the static files to a request that they may have before the worker.
    pub async fn routed(&self, asked: Asked) -> Option<http::Response<Bytes>> {
        let assets = self.assets.clone()?;
        off_thread(move || assets.route(&asked)).await
    }

    /// What a person is shown of an exception that nobody caught; None for other clients.
    pub async fn exception(
        &self,
        asked: Asked,
        text: String,
        object: Option<String>,
    ) -> Option<http::Response<Bytes>> {
        let pages = self.pages.clone()?;
        let work = move || {
            let event = format!("{} {}", asked.method, asked.path_and_query());
            let thrown = Thrown {
                text: &text,
                object: object.as_deref(),
                event: &event,
            };
            pages.for_exception(&asked.headers, &thrown)
        };
        off_thread(work).await
    }

    /// The answer of the static files alone.
    pub async fn file(&self, asked: Asked) -> Option<http::Response<Bytes>> {
        let assets = self.assets.clone()?;
        off_thread(move || Some(assets.answer(&asked))).await
    }
}

/// Runs what may wait for the disk where nobody else waits for it.
async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Option<T> + Send + 'static,
) -> Option<T> {
    // None: the process is ending.
    tokio::task::spawn_blocking(work).await.ok().flatten()
}
