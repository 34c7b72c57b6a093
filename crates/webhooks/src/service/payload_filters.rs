//! Payload filters, tried before they are saved.

use tidings_kernel::{FieldError, Problem, TenantId};

use crate::commands::TestFilter;
use crate::error::WebhookError;
use crate::payload_filter::{Explanation, PayloadFilter, ReadBody};
use crate::service::Webhooks;
use crate::store::log;

impl Webhooks {
    /// Says what a filter makes of an event, and which clause decides.
    pub(crate) async fn test_filter(
        &self,
        tenant_id: TenantId,
        input: TestFilter,
    ) -> Result<Explanation, WebhookError> {
        let mut faults = Vec::new();
        let filter = PayloadFilter::compile(&input.payload_filter, "/payload_filter")
            .map_err(|found| faults.extend(found));
        let body = match (input.event, input.event_id) {
            (Some(event), None) if event.is_object() => ReadBody::of_value(event),
            (Some(_), None) => {
                let message = "an event is an object, such as a receiver got";
                return Err(fault(faults, "/event", "invalid", message));
            }
            (None, Some(id)) => {
                let mut session = self.db.read(tenant_id).await?;
                match log::find(session.reader(), tenant_id, id).await?.map(|entry| entry.body) {
                    Some(Some(body)) => ReadBody::of(&body),
                    Some(None) => {
                        let message = "the payload of this event is kept no longer";
                        return Err(fault(faults, "/event_id", "gone", message));
                    }
                    None => {
                        let message = "there is no such event in the log";
                        return Err(fault(faults, "/event_id", "unknown", message));
                    }
                }
            }
            (Some(_), Some(_)) => {
                let message = "name either event or event_id, not both";
                return Err(fault(faults, "/event_id", "ambiguous", message));
            }
            (None, None) => {
                let message = "give an event, or the event_id of one in the log";
                return Err(fault(faults, "/event", "required", message));
            }
        };
        match filter {
            Ok(filter) => Ok(filter.explain(&body)),
            Err(()) => Err(Problem::invalid(faults).into()),
        }
    }
}

fn fault(
    mut faults: Vec<FieldError>,
    pointer: &str,
    code: &'static str,
    message: &str,
) -> WebhookError {
    faults.push(FieldError::new(pointer, code, message));
    Problem::invalid(faults).into()
}
