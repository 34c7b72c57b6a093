//! OTLP: finished spans as the bytes of an `ExportTraceServiceRequest`.
//!
//! The few messages that are needed are written field by field, with the numbers of
//! `opentelemetry/proto/trace/v1/trace.proto`; a test reads them back with the messages that
//! OpenTelemetry itself generates.

use std::time::Duration;

use tidings_kernel::Timestamp;

use crate::attribute::{Attribute, AttributeValue};
use crate::span::{Finished, SpanKind};

/// The media type of the bytes.
pub const MEDIA_TYPE: &str = "application/x-protobuf";
/// Where a collector takes them, below its address.
pub const PATH: &str = "/v1/traces";

/// Who sends.
#[derive(Debug, Clone)]
pub struct Resource {
    /// `service.version`.
    pub version: &'static str,
    /// `service.instance.id`.
    pub instance: String,
}

/// A message that is being written.
#[derive(Default)]
struct Message(Vec<u8>);

/// How a field's value lies in the bytes.
const VARINT: u64 = 0;
const FIXED64: u64 = 1;
const BYTES: u64 = 2;
const FIXED32: u64 = 5;

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value > 0x7f {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push((value & 0x7f) as u8);
    }

    fn tag(&mut self, field: u64, wire: u64) {
        self.varint(field << 3 | wire);
    }

    fn number(&mut self, field: u64, value: u64) {
        self.tag(field, VARINT);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u64, value: u64) {
        self.tag(field, FIXED64);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, value: u32) {
        self.tag(field, FIXED32);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.tag(field, BYTES);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// `KeyValue`, with its `AnyValue`.
    fn key_value(&mut self, field: u64, key: &str, value: &AttributeValue) {
        self.message(field, |pair| {
            pair.bytes(1, key.as_bytes());
            pair.message(2, |any| match value {
                AttributeValue::Text(text) => any.bytes(1, text.as_bytes()),
                AttributeValue::Truth(truth) => any.number(2, u64::from(*truth)),
                AttributeValue::Whole(number) => any.number(3, number.cast_unsigned()),
            });
        });
    }
}

/// The bytes of one request to a collector.
pub fn request(resource: &Resource, spans: &[Finished]) -> Vec<u8> {
    let mut request = Message::default();
    request.message(1, |of_resource| {
        of_resource.message(1, |message| {
            for (key, value) in [
                ("service.name", "tidings"),
                ("service.version", resource.version),
                ("service.instance.id", &resource.instance),
            ] {
                message.key_value(1, key, &AttributeValue::Text(value.to_owned()));
            }
        });
        of_resource.message(2, |of_scope| {
            of_scope.message(1, |scope| scope.bytes(1, b"tidings"));
            for span in spans {
                of_scope.message(2, |message| write(message, span));
            }
        });
    });
    request.0
}

/// `Span.flags`: the sampled flag of W3C Trace Context.
const SAMPLED: u32 = 1;

fn write(message: &mut Message, span: &Finished) {
    message.bytes(1, &span.context.trace_id.to_be_bytes());
    message.bytes(2, &span.context.span_id.to_be_bytes());
    if let Some(parent) = span.parent {
        message.bytes(4, &parent.to_be_bytes());
    }
    message.bytes(5, span.name.as_bytes());
    message.number(6, kind(span.kind));
    message.fixed64(7, nanoseconds(span.began_at));
    message.fixed64(8, nanoseconds(span.began_at).saturating_add(in_nanoseconds(span.took)));
    for attribute in &span.attributes {
        message.key_value(9, attribute.key(), &Attribute::value(attribute));
    }
    if span.failed {
        // STATUS_CODE_ERROR. Without a status the code is "unset", as it should be for the rest.
        message.message(15, |status| status.number(3, 2));
    }
    message.fixed32(16, SAMPLED);
}

const fn kind(kind: SpanKind) -> u64 {
    match kind {
        SpanKind::Internal => 1,
        SpanKind::Server => 2,
        SpanKind::Client => 3,
        SpanKind::Consumer => 5,
    }
}

fn nanoseconds(at: Timestamp) -> u64 {
    u64::try_from(at.micros()).unwrap_or(0).saturating_mul(1_000)
}

fn in_nanoseconds(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use prost::Message as _;
    use tidings_kernel::TraceContext;

    use super::*;

    #[test]
    fn others_read_what_is_written() {
        let context = TraceContext { trace_id: 0x0102 << 96, span_id: 0xfe, sampled: true };
        let span = Finished {
            context,
            parent: Some(3),
            name: "POST /api/v1/customers".into(),
            kind: SpanKind::Client,
            began_at: Timestamp::from_micros(1_795_435_200_000_001),
            took: Duration::from_millis(300),
            attributes: vec![
                Attribute::Status(503),
                Attribute::Recovered,
                Attribute::EventType("custom.\u{fc}".repeat(40)),
            ],
            failed: true,
        };
        let root = Finished { parent: None, failed: false, attributes: Vec::new(), ..span.clone() };
        let resource = Resource { version: "1", instance: "here".to_owned() };
        let bytes = request(&resource, &[span, root]);
        let read = ExportTraceServiceRequest::decode(bytes.as_slice()).unwrap();
        let of_resource = &read.resource_spans[0];
        let said = &of_resource.resource.as_ref().unwrap().attributes;
        assert_eq!(said.len(), 3);
        assert_eq!(said[0].key, "service.name");
        let [span, root] = &of_resource.scope_spans[0].spans[..] else { panic!("two spans") };
        assert_eq!(span.trace_id, context.trace_id.to_be_bytes());
        assert_eq!(span.span_id, [0, 0, 0, 0, 0, 0, 0, 0xfe]);
        assert_eq!(span.parent_span_id, [0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!((span.kind, span.flags), (3, 1));
        assert_eq!(span.start_time_unix_nano, 1_795_435_200_000_001_000);
        assert_eq!(span.end_time_unix_nano - span.start_time_unix_nano, 300_000_000);
        assert_eq!(span.status.as_ref().unwrap().code, 2);
        let values: Vec<_> =
            span.attributes.iter().map(|pair| pair.value.clone().unwrap().value.unwrap()).collect();
        assert_eq!(values[0], Value::IntValue(503));
        assert_eq!(values[1], Value::BoolValue(true));
        assert_eq!(values[2], Value::StringValue("custom.\u{fc}".repeat(40)));
        assert_eq!((root.parent_span_id.len(), root.status.is_none()), (0, true));
    }
}
