//! What the server says on its own: events that every page receives, numbered, and kept for a while for pages
//! that reconnect.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use axum::body::Bytes;
use http_body::{Body, Frame};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use crate::limits;

/// The events.
#[derive(Debug)]
pub struct Hub {
    kept: Mutex<Kept>,
    last: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: VecDeque<(u64, String)>,
    bytes: usize,
}

impl Default for Hub {
    fn default() -> Self {
        Self { kept: Mutex::default(), last: watch::Sender::new(0) }
    }
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends an event to every page.
    pub fn send(&self, name: &str, data: &Value) {
        let mut kept = self.lock();
        let id = *self.last.borrow() + 1;
        let text = format!("id: {id}\nevent: {name}\ndata: {data}\n\n");
        kept.bytes += text.len();
        kept.events.push_back((id, text));
        while kept.events.len() > limits::EVENTS || kept.bytes > limits::EVENT_BYTES {
            let Some((_, old)) = kept.events.pop_front() else { break };
            kept.bytes -= old.len();
        }
        self.last.send_replace(id);
    }

    /// Number of the last event.
    pub fn last(&self) -> u64 {
        *self.last.borrow()
    }

    /// Signals every further event.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// The text of the events after `seen` that are kept, some at a time, and the number of the last of them.
    pub fn after(&self, seen: u64) -> (String, u64) {
        let (mut text, mut last) = (String::new(), seen);
        for (id, event) in self.lock().events.iter().filter(|(id, _)| *id > seen) {
            if !text.is_empty() && text.len() + event.len() > 256 << 10 {
                break;
            }
            text += event;
            last = *id;
        }
        (text, last)
    }
}

/// A body whose parts come over a channel.
#[derive(Debug)]
pub struct Parts(pub mpsc::Receiver<Bytes>);

impl Body for Parts {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|part| part.map(|part| Ok(Frame::data(part))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn events_are_numbered_and_old_ones_go() {
        let hub = Hub::default();
        (0..limits::EVENTS + 10).for_each(|n| hub.send("saved", &json!({ "clip": n })));
        let (text, last) = hub.after(0);
        assert!(text.starts_with("id: 11\nevent: saved\ndata: {\"clip\":10}\n\n"), "{text:.80}");
        assert_eq!((last, hub.last()), (limits::EVENTS as u64 + 10, limits::EVENTS as u64 + 10));
        assert_eq!(
            hub.after(last - 1),
            (format!("id: {last}\nevent: saved\ndata: {{\"clip\":{}}}\n\n", last - 1), last)
        );
        assert_eq!(hub.after(last), (String::new(), last));
        hub.send("mask", &json!("x".repeat(limits::EVENT_BYTES)));
        assert_eq!(hub.after(0), (String::new(), 0), "larger than all that is kept");
    }
}
