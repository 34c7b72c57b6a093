//! Custom events: checked outside of the unit of work, published inside.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::value::RawValue;
use tidings_db::UnitOfWork;
use tidings_events::CustomName;
use tidings_kernel::{EventId, FieldError, Metadata, Problem, ProblemKind, TenantId, limits};
use tidings_vault::sha256;

use crate::ambiguity;
use crate::commands::{PublishEvent, metadata};
use crate::error::WebhookError;
use crate::event_type::{CustomType, Publication};
use crate::matching::EventFilter;
use crate::service::Webhooks;
use crate::service::schemas::faults;
use crate::store::event_types;

/// An event that fits its type's schema.
#[derive(Debug, Clone)]
pub(crate) struct Checked {
    name: CustomName,
    schema_version: u32,
    data: Box<RawValue>,
    client_id: Option<String>,
    metadata: Metadata,
    body_hash: Bytes,
}

/// What became of a publication.
#[derive(Debug, Clone)]
pub(crate) struct Published {
    pub(crate) id: EventId,
    /// Whether it was published before.
    pub(crate) duplicate: bool,
}

/// Faults that are told of one batch.
const FAULTS_TOLD_MAX: usize = 100;
/// The longest `event_id` of a publisher's, in characters.
const CLIENT_ID_CHARS_MAX: usize = 200;

impl Webhooks {
    /// Checks events against their types' schemas; every fault is told with its pointer.
    pub(crate) async fn check_events(
        &self,
        tenant_id: TenantId,
        events: Vec<(String, PublishEvent)>,
    ) -> Result<Vec<Checked>, WebhookError> {
        let mut types: HashMap<String, Arc<CustomType>> = HashMap::new();
        let mut checked = Vec::with_capacity(events.len());
        let mut errors = Vec::new();
        for (pointer, event) in events {
            let known = if let Some(known) = types.get(&event.event_type) {
                known
            } else {
                let found = self.custom_type(tenant_id, &pointer, &event.event_type).await?;
                types.entry(event.event_type.clone()).or_insert(found)
            };
            match self.check_event(known, &pointer, event).await {
                Ok(event) => checked.push(event),
                // The faults of all events are told at once.
                Err(WebhookError::Input(problem)) if problem.kind == ProblemKind::Invalid => {
                    errors.extend(problem.errors);
                }
                Err(error) => return Err(error),
            }
            if errors.len() >= FAULTS_TOLD_MAX {
                break;
            }
        }
        errors.truncate(FAULTS_TOLD_MAX);
        if errors.is_empty() { Ok(checked) } else { Err(Problem::invalid(errors).into()) }
    }

    async fn check_event(
        &self,
        custom: &CustomType,
        pointer: &str,
        event: PublishEvent,
    ) -> Result<Checked, WebhookError> {
        let schema_version = event.schema_version.unwrap_or(custom.schema_version);
        let place = format!("{pointer}/schema_version");
        let schema = self.schema_of(custom, schema_version, &place).await?;
        let mut errors = Vec::new();
        metadata(&format!("{pointer}/metadata"), &event.metadata, &mut errors);
        if event.event_data.get().len() > limits::EVENT_DATA_BYTES_MAX {
            let most = limits::EVENT_DATA_BYTES_MAX;
            let message = format!("at most {most} bytes; send a link instead of the content");
            errors.push(FieldError::new(format!("{pointer}/event_data"), "too_long", message));
        } else if let Some(fault) =
            ambiguity::find(event.event_data.get(), &format!("{pointer}/event_data"))
        {
            errors.push(fault);
        } else if *schema != serde_json::Value::Bool(true) {
            let pointer = format!("{pointer}/event_data");
            let key = (custom.tenant_id, custom.name.clone(), schema_version);
            let validator = self.schemas.get(key, &schema)?;
            if let Ok(value) = serde_json::from_str(event.event_data.get()) {
                errors.extend(faults(&validator, &value, &pointer));
            } else {
                let message = "a number is too large to be compared with the type's schema";
                errors.push(FieldError::new(pointer, "invalid", message));
            }
        }
        if let Some(client_id) = &event.event_id
            && !is_client_id(client_id)
        {
            let message = "1 to 200 visible ASCII characters";
            errors.push(FieldError::new(format!("{pointer}/event_id"), "invalid", message));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors).into());
        }
        let body_hash = hash(&event);
        Ok(Checked {
            name: custom.name.clone(),
            schema_version,
            data: event.event_data,
            client_id: event.event_id,
            metadata: event.metadata,
            body_hash,
        })
    }

    async fn custom_type(
        &self,
        tenant_id: TenantId,
        pointer: &str,
        name: &str,
    ) -> Result<Arc<CustomType>, WebhookError> {
        let parsed: Option<CustomName> = name.parse().ok();
        let known = parsed.as_ref().zip(self.types.as_ref());
        if let Some(known) = known.and_then(|(parsed, types)| types.get(tenant_id, parsed)) {
            return Ok(known);
        }
        let mut session = self.db.read(tenant_id).await?;
        let found = match (&parsed, &self.types) {
            (Some(parsed), Some(types)) => types.read(session.reader(), tenant_id, parsed).await?,
            (Some(parsed), None) => {
                event_types::find(session.reader(), tenant_id, parsed).await?.map(Arc::new)
            }
            (None, _) => None,
        };
        if let Some(found) = found {
            return Ok(found);
        }
        let registered = event_types::names(session.reader(), tenant_id).await?;
        let nearest = EventFilter::parse(name, &registered).err().and_then(|error| error.nearest);
        let detail = match nearest.filter(|nearest| nearest.starts_with("custom.")) {
            Some(nearest) => {
                format!("there is no custom event type {name}; the nearest is {nearest}")
            }
            None if parsed.is_some() => {
                format!("there is no custom event type {name}; register it first")
            }
            None => "only custom types are published, and they begin with custom.".to_owned(),
        };
        let problem = Problem::new(ProblemKind::UnknownEventType, detail.clone());
        Err(problem.at(&format!("{pointer}/event_type"), "unknown_event_type", detail).into())
    }

    /// Publishes checked events, all or none. One that was published before, under the same id and
    /// with the same body, gives the first one's id.
    pub(crate) async fn publish_events(
        &self,
        work: &mut UnitOfWork,
        events: Vec<Checked>,
    ) -> Result<Vec<Published>, WebhookError> {
        let mut published = Vec::with_capacity(events.len());
        for event in events {
            published.push(publish_one(work, event).await?);
        }
        Ok(published)
    }
}

async fn publish_one(work: &mut UnitOfWork, event: Checked) -> Result<Published, WebhookError> {
    let tenant_id = work.ctx().tenant_id;
    if let Some(client_id) = &event.client_id
        && let Some((id, hash)) =
            event_types::published(work.reader(), tenant_id, client_id).await?
    {
        return if hash == event.body_hash {
            Ok(Published { id, duplicate: true })
        } else {
            Err(WebhookError::EventIdReused(client_id.clone()))
        };
    }
    let publication = Publication {
        id: work.mint(),
        client_id: event.client_id,
        body_hash: event.body_hash,
        version: 0,
    };
    let custom_type = (&event.name, event.schema_version);
    let change = publication.publish(custom_type, event.data, event.metadata);
    let publication = work.apply(change).await?;
    let Some(id) = work.last_event() else { unreachable!("a change has at least one event") };
    if let Some(client_id) = &publication.client_id {
        event_types::remember(work, client_id, id, &publication.body_hash).await?;
    }
    Ok(Published { id, duplicate: false })
}

fn is_client_id(text: &str) -> bool {
    (1..=CLIENT_ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}

fn hash(event: &PublishEvent) -> Bytes {
    let mut text = Vec::with_capacity(event.event_data.get().len() + 64);
    text.extend_from_slice(event.event_type.as_bytes());
    if let Some(version) = event.schema_version {
        text.push(2);
        text.extend_from_slice(&version.to_be_bytes());
    }
    text.push(0);
    text.extend_from_slice(event.event_data.get().as_bytes());
    for (key, value) in &event.metadata {
        text.push(0);
        text.extend_from_slice(key.as_bytes());
        text.push(1);
        text.extend_from_slice(value.as_bytes());
    }
    Bytes::copy_from_slice(&sha256(&text))
}
