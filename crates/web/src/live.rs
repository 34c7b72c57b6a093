//! Answers that go on: server-sent events, with the end of whoever does not read them.

use std::fmt::Display;
use std::time::Duration;

use axum::body::Body;
use bytes::{BufMut, Bytes, BytesMut};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use serde::Serialize;
use tidings_kernel::RequestId;
use tokio::sync::mpsc;

use crate::render::REQUEST_ID;

/// Frames that wait for a reader; a bound on memory, not on the stream.
const FRAMES_MAX: usize = 16;
/// A reader that takes nothing for so long is let go; it can go on where it was.
const READER_SILENT_MAX: Duration = Duration::from_secs(30);
/// How long a client waits before it comes back, in milliseconds.
const RETRY_MS: u32 = 2_000;

/// The answer of a handler that goes on: what its [`Frames`] send is what the caller reads.
#[derive(Debug)]
pub struct Live<V> {
    frames: mpsc::Receiver<Bytes>,
    view: std::marker::PhantomData<fn() -> V>,
}

/// The sending end of a live answer.
#[derive(Debug)]
pub struct Frames<V> {
    to_reader: mpsc::Sender<Bytes>,
    patience: Duration,
    view: std::marker::PhantomData<fn() -> V>,
}

/// Nobody reads any more: the caller is gone, or has read nothing for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody reads this stream any more")]
pub struct Unread;

impl<V: Serialize> Live<V> {
    /// A live answer, and the end that it is sent from.
    pub fn channel() -> (Frames<V>, Self) {
        Self::with_patience(READER_SILENT_MAX)
    }

    fn with_patience(patience: Duration) -> (Frames<V>, Self) {
        let (sender, receiver) = mpsc::channel(FRAMES_MAX);
        let view = std::marker::PhantomData;
        (Frames { to_reader: sender, patience, view }, Self { frames: receiver, view })
    }

    pub(crate) fn into_response(self, request_id: RequestId) -> Response<Body> {
        let frames = futures_util::stream::unfold(self.frames, |mut frames| async move {
            let frame = frames.recv().await?;
            Some((Ok::<Bytes, std::convert::Infallible>(frame), frames))
        });
        let mut response = Response::new(Body::from_stream(frames));
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
        // Proxies that collect answers before they pass them on would hold up what is live.
        let unbuffered = HeaderName::from_static("x-accel-buffering");
        headers.insert(unbuffered, HeaderValue::from_static("no"));
        if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
            headers.insert(REQUEST_ID, value);
        }
        response
    }
}

impl<V: Serialize> Frames<V> {
    /// Begins: tells the client how soon to come back, and from where it would go on.
    pub async fn begin(&self, id: impl Display) -> Result<(), Unread> {
        self.push(Bytes::from(format!("retry: {RETRY_MS}\nid: {id}\n\n"))).await
    }

    /// Sends one thing, with the place that a client names when it comes back.
    pub async fn send(&self, id: impl Display, view: &V) -> Result<(), Unread> {
        self.push(message(id, view)).await
    }

    /// Says that the stream is alive, and from where a client would go on: what was left out for
    /// its filters need not be looked at again.
    pub async fn still_here(&self, id: impl Display) -> Result<(), Unread> {
        self.push(Bytes::from(format!(": still here\nid: {id}\n\n"))).await
    }

    /// Says that some of what would have come here is not there any more.
    pub async fn left_out(&self, reason: &'static str) -> Result<(), Unread> {
        let text = format!("event: left_out\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        self.push(Bytes::from(text)).await
    }

    /// Says why the stream ends. Who cannot be told any more is gone.
    pub async fn end(self, reason: &'static str) {
        let text = format!("event: end\ndata: {{\"reason\":\"{reason}\"}}\n\n");
        let _ = self.push(Bytes::from(text)).await;
    }

    /// Waits until the caller has gone.
    pub async fn gone(&self) {
        self.to_reader.closed().await;
    }

    async fn push(&self, frame: Bytes) -> Result<(), Unread> {
        let sent = tokio::time::timeout(self.patience, self.to_reader.send(frame)).await;
        sent.map_err(|_| Unread)?.map_err(|_| Unread)
    }
}

/// One message. JSON has no line breaks of its own, so one `data:` line holds it.
fn message<V: Serialize>(id: impl Display, view: &V) -> Bytes {
    let mut frame = BytesMut::with_capacity(1_024);
    frame.put_slice(format!("id: {id}\ndata: ").as_bytes());
    // Views are structs with text keys: they always serialise.
    let json = serde_json::to_vec(view).unwrap_or_default();
    // What was published with line breaks keeps them in its bytes; they are white space in JSON.
    frame.extend(json.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    frame.put_slice(b"\n\n");
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn frames_are_what_the_specification_of_server_sent_events_says() {
        let (frames, mut live) = Live::<serde_json::Value>::channel();
        frames.begin(41).await.unwrap();
        let raw = serde_json::json!({"text": "a\nb"});
        frames.send(42, &raw).await.unwrap();
        frames.still_here(42).await.unwrap();
        frames.left_out("kept_no_longer").await.unwrap();
        frames.end("shutdown").await;
        let mut read = Vec::new();
        while let Some(frame) = live.frames.recv().await {
            read.push(String::from_utf8(frame.to_vec()).unwrap());
        }
        assert_eq!(
            read,
            [
                "retry: 2000\nid: 41\n\n",
                "id: 42\ndata: {\"text\":\"a\\nb\"}\n\n",
                ": still here\nid: 42\n\n",
                "event: left_out\ndata: {\"reason\":\"kept_no_longer\"}\n\n",
                "event: end\ndata: {\"reason\":\"shutdown\"}\n\n",
            ]
        );
    }

    #[test]
    fn bytes_with_line_breaks_stay_one_message() {
        let raw = serde_json::value::RawValue::from_string("{\"a\":\r\n1}".to_owned()).unwrap();
        assert_eq!(message(1, &raw), Bytes::from_static(b"id: 1\ndata: {\"a\":  1}\n\n"));
    }

    #[tokio::test]
    async fn who_reads_nothing_is_let_go_and_who_is_gone_is_noticed() {
        let (frames, live) = Live::<i64>::with_patience(Duration::from_millis(1));
        let count = i64::try_from(FRAMES_MAX).unwrap();
        for id in 0..count {
            frames.send(id, &id).await.unwrap();
        }
        assert_eq!(frames.send(count, &count).await, Err(Unread));
        drop(live);
        frames.gone().await;
        assert_eq!(frames.still_here(0).await, Err(Unread));
    }
}
