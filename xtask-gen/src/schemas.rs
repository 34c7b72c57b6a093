//! `schemas/events/`: the JSON Schema of each type's data, and of the envelope.

use tidings_events::{EventType, Payload, PayloadVisitor, data_schema, envelope_schema};

use crate::files::Files;

/// Where the schema of a version of a type lies.
pub(crate) fn path(event_type: &str, version: u32) -> String {
    format!("schemas/events/{event_type}/v{version}.json")
}

pub(crate) fn add(files: &mut Files) {
    EventType::for_each(&mut Schemas(files));
    files.add_json("schemas/events/envelope.json", envelope_schema());
}

struct Schemas<'f>(&'f mut Files);

impl PayloadVisitor for Schemas<'_> {
    fn visit<P: Payload>(&mut self) {
        self.0.add_json(path(P::TYPE.name(), P::TYPE.version()), data_schema::<P>());
    }
}
