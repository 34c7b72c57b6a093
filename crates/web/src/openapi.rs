//! The OpenAPI 3.1 document, read off the declared operations and the catalog.

use serde_json::{Map, Value, json};
use tidings_events::{Envelope, EventType, Payload, PayloadVisitor};
use tidings_kernel::{FieldError, ProblemKind};
use utoipa::openapi::RefOr;
use utoipa::openapi::path::ParameterIn;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};

use crate::auth::Access;
use crate::routes::Op;

/// In which form a body travels.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part {
    /// As JSON.
    Json,
    /// As server-sent events, whose `data` is JSON.
    EventStream,
}

impl Part {
    const fn media_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::EventStream => "text/event-stream",
        }
    }
}

/// What an operation takes and answers, as its handler's signature says it.
#[derive(Debug, Default)]
pub struct Described {
    parameters: Vec<Value>,
    body: Option<Value>,
    body_is_optional: bool,
    answer: Option<(Part, Value)>,
    schemas: Vec<(String, Value)>,
}

impl Described {
    fn reference<T: ToSchema>(&mut self) -> Value {
        let mut parts: Vec<(String, RefOr<Schema>)> = Vec::new();
        T::schemas(&mut parts);
        let name = T::name().into_owned();
        parts.push((name.clone(), T::schema()));
        for (name, schema) in parts {
            self.schemas.push((name, serde_json::to_value(schema).unwrap_or_default()));
        }
        json!({ "$ref": format!("#/components/schemas/{name}") })
    }

    pub(crate) fn path_parameter<T: ToSchema>(&mut self) {
        let schema = serde_json::to_value(T::schema()).unwrap_or_default();
        self.parameters.push(json!({"in": "path", "required": true, "schema": schema}));
    }

    pub(crate) fn query_parameters<T: IntoParams>(&mut self) {
        for parameter in T::into_params(|| Some(ParameterIn::Query)) {
            self.parameters.push(serde_json::to_value(parameter).unwrap_or_default());
        }
    }

    pub(crate) fn body<T: ToSchema>(&mut self) {
        self.body = Some(self.reference::<T>());
    }

    pub(crate) fn body_is_optional(&mut self) {
        self.body_is_optional = true;
    }

    pub(crate) fn answer<T: ToSchema>(&mut self, part: Part) {
        self.answer = Some((part, self.reference::<T>()));
    }

    pub(crate) fn parameter(&mut self, parameter: Value) {
        self.parameters.push(parameter);
    }

    pub(crate) fn paging(&mut self) {
        self.parameters.push(json!({
            "in": "query", "name": "limit", "required": false,
            "description": "How many rows, 50 unless told.",
            "schema": {"type": "integer", "minimum": 1, "maximum": 200},
        }));
        self.parameters.push(json!({
            "in": "query", "name": "cursor", "required": false,
            "description": "The `next_cursor` of the page before; `after` is the same.",
            "schema": {"type": "string"},
        }));
    }
}

/// The document of these operations, with every delivered event under `webhooks`.
pub(crate) fn document<'a>(
    operations: impl Iterator<Item = (&'static str, &'a Op, &'a Described)>,
) -> Value {
    let mut schemas = Map::new();
    let mut paths: Map<String, Value> = Map::new();
    for (tag, op, described) in operations {
        for (name, schema) in &described.schemas {
            schemas.insert(name.clone(), schema.clone());
        }
        let entry = paths.entry(op.path.to_owned()).or_insert_with(|| json!({}));
        entry[op.method.as_str().to_ascii_lowercase()] = operation(tag, op, described);
    }
    schemas.insert("Problem".to_owned(), problem_schema());
    schemas.insert(
        "FieldError".to_owned(),
        serde_json::to_value(<FieldError as utoipa::PartialSchema>::schema()).unwrap_or_default(),
    );
    let mut webhooks = Webhooks { schemas, entries: Map::new() };
    EventType::for_each(&mut webhooks);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tidings",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every change of state is a signed webhook event.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": [{"bearer": []}, {"api_key": []}],
        "paths": paths,
        "webhooks": webhooks.entries,
        "components": {
            "schemas": webhooks.schemas,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            },
        },
    })
}

fn operation(tag: &str, op: &Op, described: &Described) -> Value {
    let mut names = op.path.split('{').skip(1).filter_map(|part| part.split('}').next());
    let parameters: Vec<Value> = described
        .parameters
        .iter()
        .map(|parameter| {
            let mut parameter = parameter.clone();
            if parameter["in"] == "path" {
                parameter["name"] = json!(names.next().unwrap_or("id"));
            }
            parameter
        })
        .chain(idempotency_parameter(op))
        .collect();
    let success = match &described.answer {
        Some((part, schema)) => json!({
            "description": "Done.",
            "content": {part.media_type(): {"schema": schema}},
        }),
        None => json!({"description": "Done."}),
    };
    let mut out = json!({
        "tags": [tag],
        "operationId": op.id,
        "summary": op.summary,
        "parameters": parameters,
        "responses": {
            op.status.to_string(): success,
            "default": {
                "description": "A problem; `type` says which.",
                "content": {"application/problem+json": {
                    "schema": {"$ref": "#/components/schemas/Problem"}
                }},
            },
        },
        "x-access": match op.access {
            Access::Public | Access::Optional(_) => "public",
            Access::Operator => "operator",
            Access::Needs(permission) => permission.name(),
        },
    });
    if let Some(body) = &described.body {
        out["requestBody"] = json!({
            "required": !described.body_is_optional,
            "content": {"application/json": {"schema": body}},
        });
    }
    if op.access == Access::Public {
        out["security"] = json!([]);
    }
    if let Access::Optional(_) = op.access {
        out["security"] = json!([{}, {"bearer": []}, {"api_key": []}]);
    }
    if !op.emits.is_empty() {
        out["x-emits"] = op.emits.iter().map(|event_type| json!(event_type.name())).collect();
    }
    out
}

fn idempotency_parameter(op: &Op) -> Option<Value> {
    (op.method != http::Method::GET && op.access != Access::Public).then(|| {
        json!({
            "in": "header", "name": "Idempotency-Key", "required": false,
            "description": "The same key and body get the first answer again, for 48 hours.",
            "schema": {"type": "string", "maxLength": 255, "pattern": "^[ -~]+$"},
        })
    })
}

fn problem_schema() -> Value {
    let kinds: Vec<String> =
        ProblemKind::ALL.iter().map(|kind| format!("/problems/{}", kind.slug())).collect();
    json!({
        "type": "object",
        "description": "RFC 9457. Branch on `type`, on nothing else.",
        "required": ["type", "title", "status", "detail", "request_id"],
        "properties": {
            "type": {"type": "string", "enum": kinds},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "request_id": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/FieldError"}},
        },
    })
}

struct Webhooks {
    schemas: Map<String, Value>,
    entries: Map<String, Value>,
}

impl PayloadVisitor for Webhooks {
    fn visit<P: Payload>(&mut self) {
        if P::TYPE.visibility() != tidings_events::Visibility::Public {
            return;
        }
        let mut described = Described::default();
        let data = described.reference::<P>();
        let envelope = described.reference::<Envelope<'static>>();
        self.schemas.extend(described.schemas);
        let header = |name: &str, description: &str| {
            json!({"in": "header", "name": name, "required": true, "description": description,
                "schema": {"type": "string"}})
        };
        let summary = data_description(&self.schemas, &data);
        self.entries.insert(
            P::TYPE.name().to_owned(),
            json!({"post": {
                "operationId": P::TYPE.name(),
                "summary": summary,
                "tags": [P::TYPE.category().name()],
                "x-priority": P::TYPE.priority().name(),
                "parameters": [
                    header("webhook-id", "The event's id, the same in every attempt."),
                    header("webhook-timestamp", "Unix seconds of this attempt."),
                    header("webhook-signature", "Standard Webhooks: `v1,` and base64, for each secret."),
                ],
                "requestBody": {"required": true, "content": {"application/json": {"schema": {
                    "allOf": [envelope, {
                        "type": "object",
                        "properties": {
                            "type": {"const": P::TYPE.name()},
                            "schema_version": {"const": P::TYPE.version()},
                            "data": data,
                        },
                    }],
                }}}},
                "responses": {
                    "2XX": {"description": "Taken. Anything else is tried again; 410 disables the endpoint."},
                },
            }}),
        );
    }
}

fn data_description(schemas: &Map<String, Value>, reference: &Value) -> Value {
    let name = reference["$ref"].as_str().unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or_default();
    schemas.get(name).map(|schema| schema["description"].clone()).unwrap_or_default()
}
