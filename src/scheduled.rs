//! `/cdn-cgi/handler/scheduled`: runs the worker's `scheduled()` when somebody asks for it.
//!
//! <https://developers.cloudflare.com/workers/runtime-apis/handlers/scheduled/>

use bytes::Bytes;
use http::HeaderValue;
use http::StatusCode;
use http::header;
use tokio::sync::oneshot;

use crate::assets::Asked;
use crate::shard::Shard;
use crate::shared::HandlerEvent;

const PATH: &str = "/cdn-cgi/handler/scheduled";

/// Whether a request asks for the handler.
pub fn is_asked(asked: &Asked) -> bool {
    asked.path == PATH
}

impl Shard {
    /// Runs the handler with the `cron` and the `time` of the query; the answer says how it went.
    pub async fn scheduled_by_request(&self, asked: &Asked) -> http::Response<Bytes> {
        let query = asked.query.as_deref().unwrap_or_default();
        let value = |name: &str| {
            let mut pairs = url::form_urlencoded::parse(query.as_bytes());
            pairs
                .find(|(key, _)| key == name)
                .map(|(_, value)| value.into_owned())
        };
        let time = value("time").and_then(|time| time.parse().ok());
        let event = HandlerEvent::Scheduled {
            entrypoint: "default".to_owned(),
            cron: value("cron").unwrap_or_default(),
            scheduled_time: time.unwrap_or_else(|| self.shared.clock.now_ms()),
        };
        let (sender, outcome) = oneshot::channel();
        self.run_handler(&event, sender);
        let (status, text) = match outcome.await {
            Ok(Ok(_)) => (StatusCode::OK, "ok"),
            Ok(Err(error)) => {
                self.shared.logger.error(None, error);
                (StatusCode::INTERNAL_SERVER_ERROR, "exception")
            }
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "canceled"),
        };
        let mut response = http::Response::new(Bytes::from_static(text.as_bytes()));
        *response.status_mut() = status;
        let kind = HeaderValue::from_static("text/plain;charset=UTF-8");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}
