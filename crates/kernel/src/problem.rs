//! What a refused caller is told: RFC 9457, with a closed list of kinds.

use std::borrow::Cow;

/// A fault in one part of the input.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
pub struct FieldError {
    /// Where: a JSON pointer into the body, `?name` for a query parameter, the name of a header.
    pub pointer: String,
    /// What, for programs.
    pub code: Cow<'static, str>,
    /// What to do about it, for people.
    pub message: String,
}

impl FieldError {
    /// A fault at `pointer`.
    pub fn new(pointer: impl Into<String>, code: &'static str, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code: Cow::Borrowed(code), message: message.into() }
    }
}

macro_rules! problem_kinds {
    ($($(#[$doc:meta])* $kind:ident = $status:literal $slug:literal $title:literal;)+) => {
        /// The kinds of refusal. A client may branch on the slug, and on nothing else.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ProblemKind {
            $($(#[$doc])* $kind,)+
        }

        impl ProblemKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind),+];

            /// The HTTP status.
            pub const fn status(self) -> u16 {
                match self { $(Self::$kind => $status),+ }
            }

            /// The name in `type`: `/problems/<slug>`.
            pub const fn slug(self) -> &'static str {
                match self { $(Self::$kind => $slug),+ }
            }

            /// The kind in words; the same for every problem of the kind.
            pub const fn title(self) -> &'static str {
                match self { $(Self::$kind => $title),+ }
            }

            /// The page that explains it. A kind without a page does not compile.
            pub const fn page(self) -> &'static str {
                match self {
                    $(Self::$kind => include_str!(
                        concat!("../../../docs/problems/", $slug, ".md")
                    )),+
                }
            }
        }
    };
}

problem_kinds! {
    /// The request is not what HTTP or JSON allows.
    Malformed = 400 "malformed_request" "The request cannot be read";
    /// A cursor that this list did not give out.
    InvalidCursor = 400 "invalid_cursor" "The cursor does not belong to this list";
    /// No credential, or one that is not known.
    Unauthenticated = 401 "unauthenticated" "A valid credential is needed";
    /// A credential that may not do this.
    Forbidden = 403 "forbidden" "The credential does not allow this";
    /// The tenant is suspended.
    TenantSuspended = 403 "tenant_suspended" "The tenant is suspended";
    /// Absent, or another tenant's: one may not know which.
    NotFound = 404 "not_found" "There is no such thing here";
    /// The path exists, the method does not.
    MethodNotAllowed = 405 "method_not_allowed" "The method is not allowed here";
    /// It took longer than a request may.
    RequestTimeout = 408 "request_timeout" "The request took too long";
    /// The request arrives more slowly than anybody is waited for.
    TooSlow = 408 "request_too_slow" "The request arrives too slowly";
    /// A customer with this mail address exists.
    DuplicateEmail = 409 "duplicate_email" "The mail address is in use";
    /// Something else that must be unique exists.
    AlreadyExists = 409 "already_exists" "It exists already";
    /// Subscriptions of the customer run.
    HasLiveSubscriptions = 409 "has_live_subscriptions" "Subscriptions of the customer run";
    /// The state does not allow the verb.
    InvalidTransition = 409 "invalid_transition" "The state does not allow this";
    /// The first call with this key still runs.
    IdempotencyInProgress = 409 "idempotency_in_progress" "The first call with this key still runs";
    /// A tenant has as many of these as it may have.
    LimitReached = 409 "limit_reached" "There are as many of these as there may be";
    /// Retention or erasure has taken what this needs.
    PayloadGone = 410 "payload_gone" "The payload is kept no longer";
    /// `If-Match` names an old version.
    PreconditionFailed = 412 "precondition_failed" "It has changed since it was read";
    /// The body is larger than the route takes.
    PayloadTooLarge = 413 "payload_too_large" "The body is too large";
    /// The body is not JSON.
    UnsupportedMediaType = 415 "unsupported_media_type" "The body must be JSON";
    /// Well-formed nonsense.
    Invalid = 422 "validation_failed" "The input is not valid";
    /// The key was used with another body.
    IdempotencyKeyReused = 422 "idempotency_key_reused" "The key was used for another request";
    /// The custom event's id was used with another body.
    EventIdReused = 422 "event_id_reused" "The event id was used for another event";
    /// An event type that is not in the catalog.
    UnknownEventType = 422 "unknown_event_type" "The event type is not in the catalog";
    /// A URL that Tidings does not call.
    UrlRefused = 422 "url_refused" "The URL is not one that can be called";
    /// A fault of ours.
    Internal = 500 "internal" "Something went wrong on our side";
    /// The disk of the database is full.
    StorageFull = 503 "storage_full" "There is no room left on the server's disk";
    /// Not now.
    Unavailable = 503 "unavailable" "Try again in a moment";
}

/// A refusal: what happened, in a sentence that says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// What happened this time.
    pub detail: String,
    /// The faults, one for each field.
    pub errors: Vec<FieldError>,
    /// Seconds after which to try again.
    pub retry_after: Option<u32>,
}

impl Problem {
    /// A problem with a sentence.
    pub fn new(kind: ProblemKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    /// The one answer for what is absent and for what is another tenant's.
    pub fn not_found() -> Self {
        Self::new(
            ProblemKind::NotFound,
            "nothing with this id is visible to this credential; check the id and the tenant",
        )
    }

    /// Input that was read and makes no sense.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.pointer, only.message),
            many => format!("{} fields are not valid; see errors", many.len()),
        };
        Self { errors, ..Self::new(ProblemKind::Invalid, detail) }
    }

    /// One fault in one field.
    pub fn invalid_field(
        pointer: impl Into<String>,
        code: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::invalid(vec![FieldError::new(pointer, code, message)])
    }

    /// Not now; try again after `seconds`.
    pub fn unavailable(detail: impl Into<String>, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..Self::new(ProblemKind::Unavailable, detail) }
    }

    /// Adds a fault to point at.
    #[must_use]
    pub fn at(mut self, pointer: &str, code: &'static str, message: impl Into<String>) -> Self {
        self.errors.push(FieldError::new(pointer, code, message));
        self
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.kind.slug(), self.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slugs_are_unique_and_each_page_begins_with_the_title() {
        let mut slugs: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.slug()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), ProblemKind::ALL.len());
        for kind in ProblemKind::ALL {
            let heading = format!("# {}\n", kind.title());
            assert!(kind.page().starts_with(&heading), "{}.md starts with {heading}", kind.slug());
        }
    }
}
