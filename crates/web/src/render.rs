//! Answers as HTTP.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Response, StatusCode};
use serde::Serialize;
use tidings_kernel::{FieldError, Problem, RequestId};

use crate::answer::Rendered;

/// Says that an answer is that of an earlier request with the same key.
pub(crate) const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Names the request in every answer, and as `cause.request_id` in its events.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[derive(Serialize)]
struct ProblemBody<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    request_id: String,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [FieldError],
}

/// A problem as bytes.
pub(crate) fn problem_body(problem: &Problem, request_id: RequestId) -> Rendered {
    let body = ProblemBody {
        kind: format!("/problems/{}", problem.kind.slug()),
        title: problem.kind.title(),
        status: problem.kind.status(),
        detail: &problem.detail,
        request_id: request_id.to_string(),
        errors: &problem.errors,
    };
    let status = StatusCode::from_u16(problem.kind.status());
    Rendered::of(status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR), Some(&body), None)
}

/// A problem as a response.
pub fn problem_response(problem: &Problem, request_id: RequestId) -> Response<Bytes> {
    let mut response = response(problem_body(problem, request_id), request_id);
    if let Some(seconds) = problem.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Rendered bytes as a response.
pub(crate) fn response(rendered: Rendered, request_id: RequestId) -> Response<Bytes> {
    let Rendered { status, version, body } = rendered;
    let content_type = if status.is_client_error() || status.is_server_error() {
        HeaderValue::from_static("application/problem+json")
    } else {
        HeaderValue::from_static("application/json")
    };
    let empty = body.is_empty();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    if !empty {
        headers.insert(CONTENT_TYPE, content_type);
    }
    if let Ok(value) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(REQUEST_ID, value);
    }
    if let Some(version) = version
        && let Ok(value) = HeaderValue::from_str(&format!("\"{version}\""))
    {
        headers.insert(ETAG, value);
    }
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    headers.insert("cache-control", HeaderValue::from_static("no-store"));
    response
}
