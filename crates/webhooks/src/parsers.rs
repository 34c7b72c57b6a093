//! What is made of a tenant's schemas and bodies, step by step: for the tests that feed them garbage.
//!
//! Nothing of the product calls these; its verbs call the same functions.

use bytes::Bytes;
use http::HeaderMap;
use serde_json::Value;
use tidings_kernel::{FieldError, Problem};

use crate::cloudevents::Head;
use crate::commands::{CreateSubscription, PublishEvent, RegisterEventType};
use crate::{ambiguity, evolution, service};

/// Every fault of `data` under a schema, as when an event is published.
pub fn faults(schema: &Value, data: &Value) -> Result<Vec<FieldError>, Problem> {
    service::faults_under(schema, data)
}

/// An example of a schema, or the reason why there is none.
pub fn sample(schema: &Value) -> Result<Value, String> {
    service::sample_of(schema).map_err(|reason| reason.to_string())
}

/// How many differences there are between two schemas.
pub fn changes(old: &Value, new: &Value) -> usize {
    evolution::changes(old, new).len()
}

/// Reads the body of a publication, and gives its data as it would be stored.
pub fn publication(body: &[u8]) -> Result<String, Problem> {
    let event: PublishEvent = tidings_web::parse_json(body)?;
    Ok(event.event_data.get().to_owned())
}

/// Whether the data of a publication means different things to different readers.
pub fn is_ambiguous(data: &str) -> bool {
    ambiguity::find(data, "").is_some()
}

/// Reads the body that registers an event type.
pub fn registration(body: &[u8]) -> Result<(), Problem> {
    tidings_web::parse_json::<RegisterEventType>(body).map(drop)
}

/// Reads the body that makes a subscription.
pub fn subscription(body: &[u8]) -> Result<(), Problem> {
    tidings_web::parse_json::<CreateSubscription>(body).map(drop)
}

/// A stored body in both formats of CloudEvents: the headers beside it, and the object around it.
pub fn cloudevents(body: &[u8]) -> Option<(HeaderMap, Option<Bytes>)> {
    let head = Head::of(body)?;
    let mut headers = HeaderMap::new();
    head.binary(&mut headers);
    Some((headers, head.structured(body, &mut HeaderMap::new())))
}
