//! The body of a reply: read a little, keep less.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

/// Bytes kept for the attempt record.
const KEPT_BYTES_MAX: usize = 16 * 1024;
/// Bytes read before the connection is given up.
const READ_BYTES_MAX: usize = 64 * 1024;

/// What was read so far. It lives outside the read, so that a timeout leaves it usable.
#[derive(Default)]
pub(crate) struct Excerpt {
    kept: Vec<u8>,
    read_count: usize,
}

/// How a body ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// All of it was read; the connection can serve again.
    Complete,
    /// It is longer than we read; the connection has to go.
    Abandoned,
    /// It failed underway.
    Failed,
}

impl Excerpt {
    /// Reads until the end, a failure or the cap.
    pub(crate) async fn read(&mut self, body: &mut Incoming) -> Ending {
        if body.is_end_stream() {
            return Ending::Complete;
        }
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return Ending::Failed };
            // Trailers are of no interest.
            if let Some(data) = frame.data_ref() {
                self.take_in(data);
            }
            if self.read_count > READ_BYTES_MAX {
                return Ending::Abandoned;
            }
        }
        Ending::Complete
    }

    /// Copies, so that a kept excerpt does not pin the connection's read buffer.
    fn take_in(&mut self, data: &Bytes) {
        let room = KEPT_BYTES_MAX.saturating_sub(self.kept.len());
        self.kept.extend(data.iter().take(room));
        self.read_count = self.read_count.saturating_add(data.len());
    }

    /// More was read than is kept.
    pub(crate) fn is_truncated(&self) -> bool {
        self.read_count > self.kept.len()
    }

    pub(crate) fn into_bytes(self) -> Bytes {
        Bytes::from(self.kept)
    }
}
