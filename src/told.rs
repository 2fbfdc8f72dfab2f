//! What the person at the terminal is told of alarms and of objects' sockets.

use std::time::Duration;
use std::time::Instant;

use stead_ops::frame::Frame;
use stead_ops::host::object_label;
use stead_ops::instance::Instance;
use stead_ops::message::AlarmOutcome;
use stead_ops::message::ObjectKey;
use stead_ops::object_socket::Told;
use stead_storage::AlarmEntry;

use crate::cli::event_line::AlarmEnd;
use crate::cli::event_line::Event;
use crate::cli::event_line::EventLine;
use crate::cli::event_line::FrameKind;
use crate::cli::event_line::SocketRef;
use crate::cli::logger::Logger;
use crate::shard::Shard;
use crate::shared::Shared;

/// A run of an alarm that has begun.
pub struct AlarmRun {
    logger: Logger,
    is_shown: bool,
    object: String,
    begun: Instant,
    late: Duration,
    retry_count: u32,
    gives_up: bool,
}

impl AlarmRun {
    /// A run that begins now.
    pub fn begin(
        shared: &Shared,
        key: ObjectKey,
        entry: &AlarmEntry,
        retry_count: u32,
        gives_up: bool,
    ) -> AlarmRun {
        let class = shared.numbers.class(key.namespace);
        let id = &entry.id_hex;
        let name = entry.name.as_deref().unwrap_or(&id[..12.min(id.len())]);
        let late_ms = shared.clock.now_ms() - entry.at_ms;
        AlarmRun {
            logger: shared.logger.clone(),
            is_shown: shared.logs_requests(),
            object: format!("{class}/{name}"),
            begun: Instant::now(),
            late: Duration::from_millis(late_ms.max(0).unsigned_abs()),
            retry_count,
            gives_up,
        }
    }

    /// Says how it ended. That the object has another alarm, or none, is no run.
    pub fn end(self, outcome: &AlarmOutcome) {
        if !self.is_shown {
            return;
        }
        let (outcome, error) = match outcome {
            AlarmOutcome::Stale(_) => return,
            AlarmOutcome::Done(_) if self.gives_up => (AlarmEnd::GivenUp, None),
            AlarmOutcome::Done(_) => (AlarmEnd::Done, None),
            AlarmOutcome::Threw(error) => (AlarmEnd::Threw, Some(error.clone())),
            AlarmOutcome::Failed => (AlarmEnd::Failed, None),
            AlarmOutcome::Abandoned => (AlarmEnd::GivenUp, None),
        };
        let event = Event::Alarm {
            late: self.late,
            retry_count: self.retry_count,
            outcome,
        };
        self.logger.event(EventLine {
            object: self.object,
            event,
            error,
            elapsed: Some(self.begun.elapsed()),
        });
    }
}

impl Shard {
    /// Who is to hear of the end of a socket's event, if its line is to be printed.
    pub fn socket_told(&self, instance: &Instance, socket: u32, frame: &Frame) -> Option<Told> {
        let mut line = self.socket_line(instance, socket, frame, false)?;
        let logger = self.shared.logger.clone();
        let begun = Instant::now();
        Some(Told::new(move |error| {
            line.error = error;
            line.elapsed = Some(begun.elapsed());
            logger.event(line);
        }))
    }

    /// Prints the line of a frame that an object sends, if it is to be printed.
    pub fn tell_sent(&self, instance: &Instance, socket: u32, frame: &Frame) {
        if let Some(line) = self.socket_line(instance, socket, frame, true) {
            self.shared.logger.event(line);
        }
    }

    fn socket_line(
        &self,
        instance: &Instance,
        socket: u32,
        frame: &Frame,
        is_sent: bool,
    ) -> Option<EventLine> {
        if !self.shared.is_watched || !self.shared.logger.wants_socket_line() {
            return None;
        }
        let tags = instance.sockets.with(socket, |socket| socket.tags.clone());
        let frame = match frame {
            Frame::Text(text) => FrameKind::Text { bytes: text.len() },
            Frame::Binary(bytes) => FrameKind::Binary { bytes: bytes.len() },
            Frame::Close { code, reason } => FrameKind::Close {
                code: *code,
                reason: reason.clone(),
            },
            Frame::Failed(reason) => FrameKind::Close {
                code: Some(1006),
                reason: reason.clone(),
            },
        };
        let (key, name) = (instance.key, instance.name.borrow());
        let id = key.id.to_string();
        Some(EventLine {
            object: object_label(self, key.namespace, name.as_deref(), &id),
            event: Event::Socket {
                socket: SocketRef {
                    number: socket,
                    tags: tags.unwrap_or_default(),
                },
                is_sent,
                frame,
            },
            error: None,
            elapsed: None,
        })
    }
}
