//! A tenant's own event types: made, changed, compared. Schemas are compiled, compared and given
//! examples outside of the unit of work, which only writes.

use std::borrow::Cow;

use serde_json::Value;
use tidings_db::UnitOfWork;
use tidings_events::CustomName;
use tidings_kernel::{FieldError, Page, PageParams, Problem, TenantId, Timestamp, limits, text};

use crate::commands::{CompareSchemas, DESCRIPTION_CHARS_MAX, RegisterEventType, UpdateEventType};
use crate::error::WebhookError;
use crate::event_type::{CustomType, TypeVersion};
use crate::evolution::{SchemaChange, breaking, changes};
use crate::service::Webhooks;
use crate::service::schemas::{compile, faults, sample_of};
use crate::store::{event_types, type_versions};

/// Breaking differences that are told of one change.
const BREAKING_TOLD_MAX: usize = 20;

/// A type that makes sense, and is not made yet.
#[derive(Debug, Clone)]
pub(crate) struct CheckedType {
    name: CustomName,
    description: String,
    schema: Value,
    example: Value,
}

/// A change of a type that makes sense for the type as it was read.
#[derive(Debug, Clone)]
pub(crate) struct CheckedUpdate {
    current: CustomType,
    next: CustomType,
    input: UpdateEventType,
}

/// How two schemas of a type differ.
#[derive(Debug, Clone)]
pub(crate) struct SchemaDiff {
    pub(crate) from_version: u32,
    /// None where it is a schema that is not a version yet.
    pub(crate) to_version: Option<u32>,
    pub(crate) changes: Vec<SchemaChange>,
}

impl Webhooks {
    /// Checks a new type; where it has no example, one is made from its schema if that can be.
    pub(crate) fn check_event_type(input: RegisterEventType) -> Result<CheckedType, WebhookError> {
        let name = input.event_type.parse().map_err(|error| {
            Problem::invalid_field("/event_type", "invalid", format!("{error}"))
        })?;
        check_description(&input.description)?;
        let schema = input.schema.unwrap_or(Value::Bool(true));
        compile(&schema)?;
        let example = match input.example {
            Some(example) => fitting(&schema, example)?,
            None => sample_of(&schema).unwrap_or(Value::Null),
        };
        Ok(CheckedType { name, description: input.description, schema, example })
    }

    /// Registers a custom type.
    pub(crate) async fn register_event_type(
        &self,
        work: &mut UnitOfWork,
        checked: CheckedType,
    ) -> Result<CustomType, WebhookError> {
        let tenant_id = work.ctx().tenant_id;
        let CheckedType { name, description, schema, example } = checked;
        if event_types::find(work.reader(), tenant_id, &name).await?.is_some() {
            return Err(WebhookError::TypeExists(name.as_str().to_owned()));
        }
        if event_types::count(work.reader(), tenant_id).await? >= limits::EVENT_TYPES_MAX {
            return Err(WebhookError::TooManyTypes);
        }
        let now = work.now();
        let custom = CustomType {
            id: work.mint(),
            tenant_id,
            name,
            description,
            schema_version: 1,
            schema,
            example,
            deprecated_at: None,
            created_at: now,
            updated_at: now,
            version: 0,
        };
        Ok(work.apply(custom.register()).await?)
    }

    /// Checks a change of a type.
    pub(crate) async fn check_event_type_update(
        &self,
        (tenant_id, now): (TenantId, Timestamp),
        name: &str,
        input: UpdateEventType,
    ) -> Result<CheckedUpdate, WebhookError> {
        let current = self.own_type(tenant_id, name).await?;
        let next = plan(&current, &input, now)?;
        Ok(CheckedUpdate { current, next, input })
    }

    /// Changes a custom type; a changed schema makes a new version.
    pub(crate) async fn update_event_type(
        &self,
        work: &mut UnitOfWork,
        checked: CheckedUpdate,
    ) -> Result<CustomType, WebhookError> {
        let tenant_id = work.ctx().tenant_id;
        let found = event_types::find(work.reader(), tenant_id, &checked.current.name).await?;
        let current = found.ok_or(WebhookError::NotFound)?;
        let now = work.now();
        let mut next = if current == checked.current {
            checked.next
        } else {
            // Somebody was faster: the change is judged again, by what there is now.
            plan(&current, &checked.input, now)?
        };
        if next == current {
            return Ok(current);
        }
        next.updated_at = now;
        Ok(work.apply(next.register()).await?)
    }

    /// How a schema, or a version, differs from another version of a type.
    pub(crate) async fn compare_event_type(
        &self,
        tenant_id: TenantId,
        name: &str,
        input: CompareSchemas,
    ) -> Result<SchemaDiff, WebhookError> {
        let custom = self.own_type(tenant_id, name).await?;
        let from_version = input.from_version.unwrap_or(custom.schema_version);
        let from = self.schema_of(&custom, from_version, "/from_version").await?;
        let (to_version, to) = match (input.schema, input.to_version) {
            (Some(schema), None) => {
                compile(&schema)?;
                (None, Cow::Owned(schema))
            }
            (None, Some(version)) => {
                (Some(version), self.schema_of(&custom, version, "/to_version").await?)
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "give schema, to compare one that you have, or to_version";
                return Err(Problem::invalid_field("/schema", "required", message).into());
            }
        };
        Ok(SchemaDiff { from_version, to_version, changes: changes(&from, &to) })
    }

    /// The versions of a type, the newest first.
    pub(crate) async fn list_type_versions(
        &self,
        tenant_id: TenantId,
        name: &str,
        page: PageParams,
    ) -> Result<Page<TypeVersion>, WebhookError> {
        let custom = self.own_type(tenant_id, name).await?;
        let mut session = self.db.read(tenant_id).await?;
        Ok(type_versions::list(session.reader(), tenant_id, custom.id, page).await?)
    }

    /// The schema of one version of a type.
    pub(crate) async fn schema_of<'c>(
        &self,
        custom: &'c CustomType,
        version: u32,
        pointer: &str,
    ) -> Result<Cow<'c, Value>, WebhookError> {
        if version == custom.schema_version {
            return Ok(Cow::Borrowed(&custom.schema));
        }
        let mut session = self.db.read(custom.tenant_id).await?;
        let found =
            type_versions::find(session.reader(), custom.tenant_id, custom.id, version).await?;
        found.map(|version| Cow::Owned(version.schema)).ok_or_else(|| {
            let last = custom.schema_version;
            let name = custom.name.as_str();
            let message = format!("{name} has no version {version}; the newest is {last}");
            Problem::invalid_field(pointer, "unknown_value", message).into()
        })
    }

    async fn own_type(&self, tenant_id: TenantId, name: &str) -> Result<CustomType, WebhookError> {
        let name: CustomName = name.parse().map_err(|_| WebhookError::NotFound)?;
        let mut session = self.db.read(tenant_id).await?;
        let found = event_types::find(session.reader(), tenant_id, &name).await?;
        found.ok_or(WebhookError::NotFound)
    }
}

/// What a type becomes. A schema that breaks those who live with the old one must be asked for.
fn plan(
    current: &CustomType,
    input: &UpdateEventType,
    now: Timestamp,
) -> Result<CustomType, Problem> {
    let mut next = current.clone();
    if let Some(description) = &input.description {
        check_description(description)?;
        next.description.clone_from(description);
    }
    if let Some(schema) = input.schema.as_ref().filter(|schema| **schema != current.schema) {
        compile(schema)?;
        if !input.allow_breaking {
            refuse_breaking(current, schema)?;
        }
        next.schema = schema.clone();
        next.schema_version += 1;
    }
    if let Some(example) = &input.example {
        next.example = fitting(&next.schema, example.clone())?;
    } else if next.schema_version != current.schema_version {
        next.example = kept_or_made(current, &next.schema)?;
    }
    if let Some(deprecated) = input.deprecated {
        next.deprecated_at = deprecated.then(|| current.deprecated_at.unwrap_or(now));
    }
    Ok(next)
}

fn refuse_breaking(current: &CustomType, schema: &Value) -> Result<(), Problem> {
    let changes = changes(&current.schema, schema);
    let errors: Vec<FieldError> = breaking(&changes)
        .take(BREAKING_TOLD_MAX)
        .map(|change| {
            let whom = change.breaks.whom().join(" and ");
            let message = format!(
                "{}, which breaks {whom}; give allow_breaking: true to make version {} of it all \
                 the same, or register another type",
                change.message,
                current.schema_version + 1
            );
            FieldError::new(format!("/schema{}", change.pointer), "breaking", message)
        })
        .collect();
    if errors.is_empty() { Ok(()) } else { Err(Problem::invalid(errors)) }
}

/// The example of the version before where it still fits. One that was made is made again; one that
/// somebody gave is theirs to replace.
fn kept_or_made(current: &CustomType, schema: &Value) -> Result<Value, Problem> {
    let was_made =
        current.example.is_null() || sample_of(&current.schema).as_ref() == Ok(&current.example);
    if was_made {
        return Ok(sample_of(schema).unwrap_or(Value::Null));
    }
    fitting(schema, current.example.clone())
}

fn check_description(description: &str) -> Result<(), Problem> {
    match text::lines("/description", description, DESCRIPTION_CHARS_MAX) {
        Some(fault) => Err(Problem::invalid(vec![fault])),
        None => Ok(()),
    }
}

/// An example that fits its schema.
fn fitting(schema: &Value, example: Value) -> Result<Value, Problem> {
    let faults = faults(&compile(schema)?, &example, "/example");
    if faults.is_empty() { Ok(example) } else { Err(Problem::invalid(faults)) }
}
