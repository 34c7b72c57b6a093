//! `/api/v1/webhooks/event-types/{event_type}/…`: the versions of a custom type's schema.

use serde::Serialize;
use serde_json::Value;
use tidings_kernel::{Permission, Problem, Timestamp};
use tidings_web::{Access, Answer, Body, Call, List, Op, Path, Routes};
use utoipa::ToSchema;

use crate::commands::CompareSchemas;
use crate::event_type::TypeVersion;
use crate::evolution::{Breaks, SchemaChange};
use crate::service::{SchemaDiff, Webhooks};

/// One version of a custom type's schema.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TypeVersionView {
    /// Which one.
    pub(crate) schema_version: u32,
    /// JSON Schema of the data that is published under it.
    #[schema(value_type = Object)]
    pub(crate) schema: Value,
    /// Since when there is it.
    pub(crate) created_at: Timestamp,
}

impl From<TypeVersion> for TypeVersionView {
    fn from(version: TypeVersion) -> Self {
        let TypeVersion { schema_version, schema, created_at } = version;
        Self { schema_version, schema, created_at }
    }
}

/// One difference between two schemas.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchemaChangeView {
    /// Where, as a JSON pointer into the schema.
    pub(crate) pointer: String,
    /// `safe` or `breaking`.
    pub(crate) class: &'static str,
    /// Whom it breaks: `publishers` that send what was fine, `receivers` that get what they were not
    /// written for.
    pub(crate) breaks: &'static [&'static str],
    /// What it is, for people.
    pub(crate) message: String,
}

impl From<SchemaChange> for SchemaChangeView {
    fn from(change: SchemaChange) -> Self {
        let SchemaChange { pointer, breaks, message } = change;
        Self { pointer, class: breaks.class(), breaks: breaks.whom(), message }
    }
}

/// How two schemas of a type differ.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SchemaDiffView {
    /// The version that the comparison starts from.
    pub(crate) from_version: u32,
    /// The version that it goes to; `null` for a schema that is none yet.
    pub(crate) to_version: Option<u32>,
    /// Whether any difference is breaking.
    pub(crate) breaking: bool,
    /// Every difference, in the order of the schema.
    pub(crate) changes: Vec<SchemaChangeView>,
}

impl From<SchemaDiff> for SchemaDiffView {
    fn from(diff: SchemaDiff) -> Self {
        let SchemaDiff { from_version, to_version, changes } = diff;
        let breaking = changes.iter().any(|change| change.breaks != Breaks::Nobody);
        let changes = changes.into_iter().map(SchemaChangeView::from).collect();
        Self { from_version, to_version, breaking, changes }
    }
}

const READ: Access = Access::Needs(Permission::EventsRead);

pub(crate) fn routes(routes: Routes<Webhooks>) -> Routes<Webhooks> {
    routes
        .list(
            Op::get(
                "/api/v1/webhooks/event-types/{event_type}/versions",
                "listEventTypeVersions",
                READ,
            )
            .summary("The versions of a custom type's schema, the newest first"),
            list,
        )
        .read_by_post(
            Op::post(
                "/api/v1/webhooks/event-types/{event_type}/compare",
                "compareEventTypeSchemas",
                READ,
            )
            .summary("How a schema or a version differs from another, and whom that breaks"),
            compare,
        )
}

async fn list(
    webhooks: Webhooks,
    call: Call,
    Path(name): Path<String>,
) -> Result<List<TypeVersionView>, Problem> {
    let page = webhooks.list_type_versions(call.ctx.tenant_id, &name, call.page()?).await?;
    Ok(call.list(page))
}

async fn compare(
    webhooks: Webhooks,
    call: Call,
    (Path(name), Body(input)): (Path<String>, Body<CompareSchemas>),
) -> Result<Answer<SchemaDiffView>, Problem> {
    let diff = webhooks.compare_event_type(call.ctx.tenant_id, &name, input).await?;
    Ok(Answer::new(diff.into()))
}
