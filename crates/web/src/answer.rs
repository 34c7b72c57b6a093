//! What a handler can answer.

use std::borrow::Cow;

use bytes::Bytes;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tidings_db::Committed;
use tidings_kernel::Version;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Schema, SchemaType, Type};
use utoipa::openapi::{Ref, RefOr};
use utoipa::{PartialSchema, ToSchema};

/// A page of a list: `{"data": […], "next_cursor": …}`.
#[derive(Debug, Serialize, Deserialize)]
pub struct List<T> {
    /// The rows.
    pub data: Vec<T>,
    /// Pass it on as `cursor` to get the next page; `null` on the last.
    pub next_cursor: Option<String>,
    /// How many rows the whole list has, where the page was asked for by its number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_count: Option<i64>,
}

impl<T> List<T> {
    /// Adds how many rows the whole list has.
    #[must_use]
    pub fn total(self, total_count: i64) -> Self {
        Self { total_count: Some(total_count), ..self }
    }
}

impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        let cursor = SchemaType::from_iter([Type::String, Type::Null]);
        ObjectBuilder::new()
            .property("data", ArrayBuilder::new().items(Ref::from_schema_name(T::name())))
            .required("data")
            .property(
                "next_cursor",
                ObjectBuilder::new().schema_type(cursor).description(Some(
                    "Pass it on as `cursor` to get the next page; `null` on the last.",
                )),
            )
            .required("next_cursor")
            .property(
                "total_count",
                ObjectBuilder::new().schema_type(Type::Integer).description(Some(
                    "How many rows the whole list has, where the page was asked for by its number.",
                )),
            )
            .into()
    }
}

// Each list has a name of its own: under one name, the rows of one would be those of all.
impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        T::schemas(schemas);
        schemas.push((T::name().into_owned(), T::schema()));
    }
}

/// The answer of a handler that only reads.
#[derive(Debug)]
pub struct Answer<V> {
    pub(crate) view: V,
    pub(crate) version: Option<Version>,
}

impl<V> Answer<V> {
    /// Answers 200 with a view.
    pub fn new(view: V) -> Self {
        Self { view, version: None }
    }

    /// Adds the version as `ETag`.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }
}

/// The answer of a handler that changes something, as its unit of work rendered it.
#[derive(Debug)]
pub struct Reply<V> {
    pub(crate) status: StatusCode,
    pub(crate) view: Option<V>,
    pub(crate) version: Option<Version>,
}

impl<V> Reply<V> {
    /// 201 with a view of what was made.
    pub fn created(view: V) -> Self {
        Self { status: StatusCode::CREATED, view: Some(view), version: None }
    }

    /// 200 with a view of what was changed.
    pub fn ok(view: V) -> Self {
        Self { status: StatusCode::OK, view: Some(view), version: None }
    }

    /// 202 with a view of what was taken on.
    pub fn accepted(view: V) -> Self {
        Self { status: StatusCode::ACCEPTED, view: Some(view), version: None }
    }

    /// 204: it is done, and there is nothing to show.
    pub fn gone() -> Self {
        Self { status: StatusCode::NO_CONTENT, view: None, version: None }
    }

    /// Adds the version as `ETag`.
    #[must_use]
    pub fn version(mut self, version: Version) -> Self {
        self.version = Some(version);
        self
    }
}

/// An answer as bytes.
#[derive(Debug, Clone)]
pub(crate) struct Rendered {
    pub(crate) status: StatusCode,
    pub(crate) version: Option<Version>,
    pub(crate) body: Bytes,
}

impl Rendered {
    pub(crate) fn of<V: Serialize>(
        status: StatusCode,
        view: Option<&V>,
        version: Option<Version>,
    ) -> Self {
        // Views are structs with text keys: they always serialise.
        let body = view.map(|view| serde_json::to_vec(view).unwrap_or_default());
        Self { status, version, body: Bytes::from(body.unwrap_or_default()) }
    }
}

/// Where an answer comes from: a commit of now, or a commit of before.
#[derive(Debug)]
pub(crate) enum Origin {
    Fresh(Committed<Rendered>),
    Replayed(Rendered),
}

/// The proof that a unit of work was committed, with the answer that it rendered. Only
/// [`commit`](crate::commit) makes one, so a changing handler that does not commit does not compile.
#[derive(Debug)]
#[must_use = "the answer of a committed unit is what the caller waits for"]
pub struct Changed<V> {
    pub(crate) origin: Origin,
    pub(crate) view: std::marker::PhantomData<fn() -> V>,
}
