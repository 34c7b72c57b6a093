//! Server-sent events, read as they come.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{Answer, Client, ClientError};

/// The most that is kept of a message that has not ended, in bytes: above every event.
const MESSAGE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One message of a stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Where to go on after it.
    pub id: Option<String>,
    /// What kind it is; `message` where nothing is said.
    pub event: String,
    /// What it carries; empty in a comment.
    pub data: String,
    /// Whether it only says that the stream is alive.
    pub is_comment: bool,
}

/// Takes a stream apart, however it is cut into pieces.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    message: Message,
    /// The last place that was named.
    last_id: Option<String>,
    has_data: bool,
}

impl Parser {
    /// The place to go on from.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// Takes a piece in; gives the messages that end in it. None where a message has no end.
    pub fn push(&mut self, piece: &[u8]) -> Option<Vec<Message>> {
        let mut messages = Vec::new();
        for byte in piece {
            match byte {
                b'\n' => {
                    let line = std::mem::take(&mut self.line);
                    messages.extend(self.end_line(&String::from_utf8_lossy(&line)));
                }
                b'\r' => {}
                byte => self.line.push(*byte),
            }
        }
        (self.line.len() + self.message.data.len() <= MESSAGE_BYTES_MAX).then_some(messages)
    }

    fn end_line(&mut self, line: &str) -> Option<Message> {
        if line.is_empty() {
            let message = std::mem::take(&mut self.message);
            return std::mem::take(&mut self.has_data).then(|| Message {
                event: if message.event.is_empty() { "message".into() } else { message.event },
                ..message
            });
        }
        if let Some(comment) = line.strip_prefix(':') {
            let data = comment.trim_start().to_owned();
            return Some(Message { data, is_comment: true, ..Message::default() });
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => {
                self.last_id = Some(value.to_owned());
                self.message.id = Some(value.to_owned());
            }
            "event" => value.clone_into(&mut self.message.event),
            "data" => {
                if self.has_data {
                    self.message.data.push('\n');
                }
                self.message.data.push_str(value);
                self.has_data = true;
            }
            // `retry`, and whatever is not known: to be passed over.
            _ => {}
        }
        None
    }
}

/// An answer that goes on.
#[derive(Debug)]
pub struct Events {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    body: Incoming,
    parser: Parser,
    ready: std::collections::VecDeque<Message>,
    base: String,
}

impl Events {
    /// The next message; none where the stream has ended.
    pub async fn next(&mut self) -> Result<Option<Message>, ClientError> {
        loop {
            if let Some(message) = self.ready.pop_front() {
                return Ok(Some(message));
            }
            let Some(frame) = self.body.frame().await else { return Ok(None) };
            let frame =
                frame.map_err(|error| ClientError::NoAnswer(self.base.clone(), error.into()))?;
            let Some(piece) = frame.data_ref() else { continue };
            let messages = self.parser.push(piece).ok_or_else(|| {
                ClientError::Request("the stream sent a message without an end".to_owned())
            })?;
            self.ready.extend(messages);
        }
    }

    /// The place to go on from.
    pub fn last_id(&self) -> Option<&str> {
        self.parser.last_id()
    }

    /// The rest as one answer: for what is no stream, such as a refusal.
    pub async fn into_answer(self) -> Result<Answer, ClientError> {
        let body = self.body.collect().await;
        let body = body.map_err(|error| ClientError::NoAnswer(self.base, error.into()))?;
        Ok(Answer { status: self.status, headers: self.headers, bytes: body.to_bytes() })
    }
}

impl Client {
    /// `GET` of a stream. What its status is is for the caller to look at.
    pub async fn events(&self, path: &str) -> Result<Events, ClientError> {
        let request = self.request(http::Method::GET, path, Bytes::new())?;
        let answer = self.answer(request).await?;
        let (parts, body) = answer.into_parts();
        Ok(Events {
            status: parts.status,
            headers: parts.headers,
            body,
            parser: Parser::default(),
            ready: std::collections::VecDeque::new(),
            base: self.base().to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = "retry: 2000\nid: 4\n\nid: 5\ndata: {\"a\":1}\n\n: still here\n\n\
        event: end\ndata: one\ndata: two\r\n\r\nunknown\ndata\n\n";

    fn message(id: Option<&str>, event: &str, data: &str) -> Message {
        let id = id.map(str::to_owned);
        Message { id, event: event.to_owned(), data: data.to_owned(), is_comment: false }
    }

    #[test]
    fn a_stream_is_the_same_however_it_is_cut() {
        let wanted = [
            message(Some("5"), "message", "{\"a\":1}"),
            Message { data: "still here".to_owned(), is_comment: true, ..Message::default() },
            message(None, "end", "one\ntwo"),
            message(None, "message", ""),
        ];
        for length in 1..STREAM.len() {
            let mut parser = Parser::default();
            let pieces = STREAM.as_bytes().chunks(length);
            let read: Vec<_> = pieces.flat_map(|piece| parser.push(piece).unwrap()).collect();
            assert_eq!(read, wanted, "in pieces of {length}");
            assert_eq!(parser.last_id(), Some("5"));
        }
    }

    #[test]
    fn a_place_without_a_message_is_a_place() {
        let mut parser = Parser::default();
        assert_eq!(parser.push(b"id: 7\n\n"), Some(Vec::new()));
        assert_eq!(parser.last_id(), Some("7"));
    }

    #[test]
    fn what_never_ends_is_given_up() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MESSAGE_BYTES_MAX];
        assert!(parser.push(&piece).is_some());
        assert_eq!(parser.push(b"x"), None);
    }
}
