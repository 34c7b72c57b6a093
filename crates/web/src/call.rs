//! One request that has passed the door, and what a handler takes of it.

use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use tidings_kernel::{
    Ctx, Cursor, Page, PageParams, Problem, ProblemKind, TenantId, Version, limits,
};
use utoipa::{IntoParams, ToSchema};

use crate::answer::List;
use crate::api::Services;
use crate::auth::Access;
use crate::body::{pairs, parse_json, parse_query};
use crate::cursor::Cursors;
use crate::idempotency::Key;
use crate::numbered::is_paging;
use crate::openapi::Described;

/// One request that has passed the door.
#[derive(Clone)]
pub struct Call {
    /// Who acts, for which tenant, at which instant.
    pub ctx: Ctx,
    pub(crate) services: Arc<Services>,
    pub(crate) operation: &'static str,
    pub(crate) access: Access,
    pub(crate) path: Arc<Vec<(String, String)>>,
    pub(crate) query: Arc<str>,
    pub(crate) headers: Arc<HeaderMap>,
    pub(crate) body: Bytes,
    pub(crate) key: Option<Arc<Key>>,
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Call").field("operation", &self.operation).finish_non_exhaustive()
    }
}

impl Call {
    /// The tenant of the credential, where there is one.
    pub fn tenant(&self) -> Option<TenantId> {
        Some(self.ctx.tenant_id).filter(|tenant_id| !tenant_id.uuid().is_nil())
    }

    /// Whether it would still be let in: for answers that go on.
    pub async fn still_allowed(&self) -> Result<(), Problem> {
        crate::door::allows(self).await
    }

    /// The text of a header, where there is one.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The version that `If-Match` names, if it is sent.
    pub fn if_match(&self) -> Result<Option<Version>, Problem> {
        if_match(&self.headers)
    }

    /// Refuses where `If-Match` names another version than this.
    pub fn expect_version(&self, version: Version) -> Result<(), Problem> {
        match self.if_match()? {
            Some(wanted) if wanted != version => Err(Problem::new(
                ProblemKind::PreconditionFailed,
                format!("the version is {version} and not {wanted}; read it again"),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Which part of a list is wanted.
    pub fn page(&self) -> Result<PageParams, Problem> {
        let mut params = PageParams { limit: self.limit()?, after: None };
        for (name, value) in pairs(&self.query)? {
            if matches!(name.as_str(), "cursor" | "after") {
                params.after = Some(self.open_cursor(&name, &value)?);
            }
        }
        Ok(params)
    }

    /// How many rows of a list are wanted.
    pub fn limit(&self) -> Result<i64, Problem> {
        let Some(text) = self.query_value("limit") else { return Ok(limits::PAGE_ROWS_DEFAULT) };
        let limit = text.parse().ok().filter(|n| (1..=limits::PAGE_ROWS_MAX).contains(n));
        limit.ok_or_else(|| {
            let message = format!("a whole number from 1 to {}", limits::PAGE_ROWS_MAX);
            Problem::invalid_field("?limit", "out_of_range", message)
        })
    }

    fn open_cursor(&self, name: &str, value: &str) -> Result<Cursor, Problem> {
        let list = self.list_name();
        self.cursors(&list).open(value).map_err(|error| {
            Problem::new(ProblemKind::InvalidCursor, error.to_string()).at(
                &format!("?{name}"),
                "invalid_cursor",
                "pass on next_cursor unchanged, with the same filters",
            )
        })
    }

    /// The operation and its filters, sorted, with the body: what a cursor is sealed for.
    fn list_name(&self) -> String {
        let mut filters: Vec<(String, String)> = pairs(&self.query)
            .unwrap_or_default()
            .into_iter()
            .filter(|(name, _)| !is_paging(name))
            .collect();
        filters.sort();
        let path: Vec<&str> = self.path.iter().map(|(_, value)| value.as_str()).collect();
        let body = String::from_utf8_lossy(&self.body);
        format!("{}|{path:?}|{filters:?}|{body}", self.operation)
    }

    fn cursors<'a>(&'a self, list: &'a str) -> Cursors<'a> {
        let Ctx { tenant_id, now, .. } = self.ctx;
        Cursors { vault: &self.services.vault, tenant_id, list, now }
    }

    /// Renders a page, its next cursor sealed for this list.
    pub fn list<T, V: From<T>>(&self, page: Page<T>) -> List<V> {
        let list = self.list_name();
        let next_cursor = page.next.map(|cursor| self.cursors(&list).seal(cursor));
        let data = page.data.into_iter().map(V::from).collect();
        List { data, next_cursor, total_count: None }
    }

    /// The text of a query parameter that the list's own reading leaves out.
    pub fn query_value(&self, name: &str) -> Option<String> {
        let mut values = pairs(&self.query).unwrap_or_default().into_iter();
        values.find(|(key, _)| key == name).map(|(_, value)| value)
    }
}

/// The version that `If-Match` names, in quotes or without. `*` names any that there is, and what there
/// is not is a 404 before its version matters.
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<Version>, Problem> {
    let Some(value) = headers.get(http::header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let text = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text);
    text.parse().map(Some).map_err(|_| {
        Problem::invalid_field(
            "If-Match",
            "invalid",
            "send the number of the ETag that was read, in quotes: \"7\"",
        )
    })
}

/// What a handler takes of a request, besides the call itself. The OpenAPI document is read off it.
pub trait Input: Sized + Send {
    /// Reads it, or says what is wrong.
    fn read(call: &Call) -> Result<Self, Problem>;

    /// Says what it is, for the document.
    fn describe(described: &mut Described);
}

impl Input for () {
    fn read(_: &Call) -> Result<Self, Problem> {
        Ok(())
    }

    fn describe(_: &mut Described) {}
}

/// The only parameter of the path.
#[derive(Debug)]
pub struct Path<T>(pub T);

impl<T> Input for Path<T>
where
    T: std::str::FromStr + ToSchema + Send,
{
    fn read(call: &Call) -> Result<Self, Problem> {
        let (_, text) = call.path.first().ok_or_else(Problem::not_found)?;
        // A text that is no id names nothing, and so gets the answer of an absent one; and no name
        // has control characters.
        if text.chars().any(char::is_control) {
            return Err(Problem::not_found());
        }
        text.parse().map(Self).map_err(|_| Problem::not_found())
    }

    fn describe(described: &mut Described) {
        described.path_parameter::<T>();
    }
}

/// The query string.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + IntoParams + Send> Input for Query<T> {
    fn read(call: &Call) -> Result<Self, Problem> {
        parse_query(&call.query).map(Self)
    }

    fn describe(described: &mut Described) {
        described.query_parameters::<T>();
    }
}

/// The JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + ToSchema + Send> Input for Body<T> {
    fn read(call: &Call) -> Result<Self, Problem> {
        parse_json(&call.body).map(Self)
    }

    fn describe(described: &mut Described) {
        described.body::<T>();
    }
}

/// A JSON body that may be left out.
impl<T: DeserializeOwned + ToSchema + Send> Input for Option<Body<T>> {
    fn read(call: &Call) -> Result<Self, Problem> {
        if call.body.is_empty() { Ok(None) } else { Body::read(call).map(Some) }
    }

    fn describe(described: &mut Described) {
        described.body::<T>();
        described.body_is_optional();
    }
}

impl<A: Input, B: Input> Input for (A, B) {
    fn read(call: &Call) -> Result<Self, Problem> {
        Ok((A::read(call)?, B::read(call)?))
    }

    fn describe(described: &mut Described) {
        A::describe(described);
        B::describe(described);
    }
}
