//! `tidings events`.

use serde_json::{Value, json};
use tidings_events::{EventType, Payload, PayloadVisitor, Visibility, data_schema};

use crate::Failure;
use crate::say::say;

/// Every type, a line each.
pub(crate) fn list() -> Result<(), Failure> {
    for event_type in EventType::ALL {
        let visibility = match event_type.visibility() {
            Visibility::Public => "public",
            Visibility::Internal => "internal",
        };
        say!(
            "{:<40} v{} {:<6} {visibility}",
            event_type.name(),
            event_type.version(),
            event_type.priority().name(),
        )?;
    }
    Ok(())
}

struct Show(Value);

impl PayloadVisitor for Show {
    fn visit<P: Payload>(&mut self) {
        self.0 = json!({
            "event_type": P::TYPE.name(),
            "schema_version": P::TYPE.version(),
            "priority": P::TYPE.priority().name(),
            "schema": data_schema::<P>(),
            "example": P::example(),
        });
    }
}

/// One type with its schema and an example.
pub(crate) fn show(name: &str) -> Result<(), Failure> {
    let event_type = EventType::find(name)
        .ok_or_else(|| format!("there is no event type {name}; `tidings events list` shows all"))?;
    let mut shown = Show(Value::Null);
    event_type.visit(&mut shown);
    say!("{:#}", shown.0)
}
