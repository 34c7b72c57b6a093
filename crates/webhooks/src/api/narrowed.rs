//! What lists of the log and of deliveries have in common to be narrowed by.

use tidings_kernel::{AnyId, FieldError, Timestamp};

use crate::log_filter::{Span, TypeRange};

/// As it was sent.
pub(crate) struct Narrowed {
    pub(crate) event_type: Option<String>,
    pub(crate) subject_id: Option<String>,
    pub(crate) occurred_after: Option<Timestamp>,
    pub(crate) occurred_before: Option<Timestamp>,
}

/// As it was understood.
#[derive(Default)]
pub(crate) struct Narrowing {
    pub(crate) types: TypeRange,
    pub(crate) subject_id: Option<AnyId>,
    pub(crate) span: Span,
}

impl Narrowed {
    /// Reads it; what cannot be read is a fault and narrows nothing.
    pub(crate) fn read(self, faults: &mut Vec<FieldError>) -> Narrowing {
        let types = self.event_type.as_deref().map(TypeRange::parse).transpose();
        let subject_id = self.subject_id.map(|text| text.parse::<AnyId>()).transpose();
        let subject_id = subject_id
            .map_err(|error| FieldError::new("?subject_id", "invalid", error.to_string()));
        let span = Span::new(self.occurred_after, self.occurred_before);
        let mut take = |fault: FieldError| faults.push(fault);
        Narrowing {
            types: types
                .unwrap_or_else(|fault| {
                    take(fault);
                    None
                })
                .unwrap_or_default(),
            subject_id: subject_id.unwrap_or_else(|fault| {
                take(fault);
                None
            }),
            span: span.unwrap_or_else(|fault| {
                take(fault);
                Span::default()
            }),
        }
    }
}
