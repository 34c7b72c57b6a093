//! The bytes below HTTP: TCP with or without TLS, watched by a gauge.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::client::TlsStream;

use crate::failure::is_cut;
use crate::network::Socket;

/// Most bytes read for one reply: heads, framing and body together. Interim replies and tiny
/// chunks would otherwise have no bound but the deadline.
const READ_BYTES_MAX: usize = 512 * 1024;

/// The reply used more bytes than any honest one needs.
#[derive(Debug, thiserror::Error)]
#[error("the reply is too large")]
pub(crate) struct ReplyTooLarge;

/// What a send wants to know about its connection while it waits.
#[derive(Default)]
pub(crate) struct Gauge {
    write_blocked: AtomicBool,
    is_cut: AtomicBool,
    bytes_read: AtomicUsize,
}

impl Gauge {
    /// The receiver does not take our bytes.
    pub(crate) fn is_write_blocked(&self) -> bool {
        self.write_blocked.load(Ordering::Relaxed)
    }

    /// A new request begins.
    pub(crate) fn reset(&self) {
        self.bytes_read.store(0, Ordering::Relaxed);
    }

    fn note_read(&self, count: usize) -> io::Result<()> {
        let before = self.bytes_read.fetch_add(count, Ordering::Relaxed);
        if before.saturating_add(count) > READ_BYTES_MAX {
            return Err(io::Error::new(io::ErrorKind::InvalidData, ReplyTooLarge));
        }
        Ok(())
    }

    /// The receiver takes nothing more. What it has said before may still be read.
    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// A receiver that refuses early (413, 401) answers and closes while we still write. Its answer
    /// has arrived by then, and only the writing has failed: so what is left to write goes nowhere,
    /// and reading decides what came of it.
    fn note_write<T>(&self, poll: Poll<io::Result<T>>, all: T) -> Poll<io::Result<T>> {
        self.write_blocked.store(poll.is_pending(), Ordering::Relaxed);
        match poll {
            Poll::Ready(Err(error)) if is_cut(error.kind()) => {
                self.is_cut.store(true, Ordering::Relaxed);
                Poll::Ready(Ok(all))
            }
            Poll::Ready(_) | Poll::Pending => poll,
        }
    }
}

/// The two kinds of wire.
pub(crate) enum Wire {
    Plain(Socket),
    Tls(Box<TlsStream<Socket>>),
}

/// A wire with its gauge.
pub(crate) struct Stream {
    pub(crate) wire: Wire,
    pub(crate) gauge: Arc<Gauge>,
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        let poll = match &mut this.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        };
        match poll {
            Poll::Ready(Ok(())) => {
                Poll::Ready(this.gauge.note_read(buf.filled().len().saturating_sub(before)))
            }
            Poll::Ready(Err(_)) | Poll::Pending => poll,
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.gauge.is_cut() {
            return Poll::Ready(Ok(buf.len()));
        }
        let poll = match &mut this.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        };
        this.gauge.note_write(poll, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if this.gauge.is_cut() {
            return Poll::Ready(Ok(all));
        }
        let poll = match &mut this.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_write_vectored(cx, bufs),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_write_vectored(cx, bufs),
        };
        this.gauge.note_write(poll, all)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Plain(tcp) => tcp.is_write_vectored(),
            Wire::Tls(tls) => tls.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.gauge.is_cut() {
            return Poll::Ready(Ok(()));
        }
        let poll = match &mut this.wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        };
        this.gauge.note_write(poll, ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.get_mut().wire {
            Wire::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Wire::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}
