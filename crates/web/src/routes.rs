//! Operations: declared with who may call them and what they may emit.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::{Method, Response};
use serde::Serialize;
use tidings_events::EventType;
use tidings_kernel::{Problem, RequestId, limits};
use utoipa::ToSchema;

use crate::answer::{Answer, Changed, List, Origin, Rendered};
use crate::auth::Access;
use crate::call::{Call, Input};
use crate::live::Live;
use crate::openapi::{Described, Part};
use crate::render;

/// One operation, before it has a handler.
#[derive(Debug)]
pub struct Op {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) id: &'static str,
    pub(crate) access: Access,
    pub(crate) summary: &'static str,
    pub(crate) status: u16,
    pub(crate) emits: &'static [EventType],
    pub(crate) silent: Option<&'static str>,
    pub(crate) body_bytes_max: usize,
}

impl Op {
    fn new(method: Method, path: &'static str, id: &'static str, access: Access) -> Self {
        Self {
            method,
            path,
            id,
            access,
            summary: "",
            status: 200,
            emits: &[],
            silent: None,
            body_bytes_max: limits::BODY_BYTES_MAX,
        }
    }

    /// `GET path`.
    pub fn get(path: &'static str, id: &'static str, access: Access) -> Self {
        Self::new(Method::GET, path, id, access)
    }

    /// `POST path`.
    pub fn post(path: &'static str, id: &'static str, access: Access) -> Self {
        Self { status: 201, ..Self::new(Method::POST, path, id, access) }
    }

    /// `PATCH path`.
    pub fn patch(path: &'static str, id: &'static str, access: Access) -> Self {
        Self::new(Method::PATCH, path, id, access)
    }

    /// `DELETE path`.
    pub fn delete(path: &'static str, id: &'static str, access: Access) -> Self {
        Self { status: 204, ..Self::new(Method::DELETE, path, id, access) }
    }

    /// What it does, in a sentence.
    #[must_use]
    pub fn summary(mut self, summary: &'static str) -> Self {
        self.summary = summary;
        self
    }

    /// The status of its success, where that is not the method's usual one.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// The event types that it may write. In debug builds an answer whose unit of work wrote
    /// another one is a fault.
    #[must_use]
    pub fn emits(mut self, emits: &'static [EventType]) -> Self {
        self.emits = emits;
        self
    }

    /// Why it changes something and emits no event of the catalog.
    #[must_use]
    pub fn emits_nothing(mut self, reason: &'static str) -> Self {
        self.silent = Some(reason);
        self
    }

    /// The largest body that it takes, in bytes.
    #[must_use]
    pub fn body_bytes_max(mut self, bytes: usize) -> Self {
        self.body_bytes_max = bytes;
        self
    }
}

pub(crate) type RunFuture = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;
pub(crate) type Run = Arc<dyn Fn(Call) -> RunFuture + Send + Sync>;

/// An operation with its handler.
pub(crate) struct Registered {
    pub(crate) op: Op,
    pub(crate) described: Described,
    pub(crate) run: Run,
}

/// The function of an operation: of the domain's state, the call and what it takes of it, it makes an
/// answer or a refusal.
pub trait Handler<S, I, A>:
    Fn(S, Call, I) -> <Self as Handler<S, I, A>>::Answering + Send + Sync + Clone + 'static
{
    /// Its answer, while it is being made.
    type Answering: Future<Output = Result<A, Problem>> + Send + 'static;
}

impl<S, I, A, F, Fut> Handler<S, I, A> for F
where
    F: Fn(S, Call, I) -> Fut + Send + Sync + Clone + 'static,
    Fut: Future<Output = Result<A, Problem>> + Send + 'static,
{
    type Answering = Fut;
}

/// The operations of one domain.
pub struct Routes<S> {
    state: S,
    pub(crate) tag: &'static str,
    pub(crate) registered: Vec<Registered>,
}

impl<S> std::fmt::Debug for Routes<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Routes").field("tag", &self.tag).finish_non_exhaustive()
    }
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No operations yet. `state` is handed to every handler; `tag` groups them in the document.
    pub fn new(tag: &'static str, state: S) -> Self {
        Self { state, tag, registered: Vec::new() }
    }

    /// Adds an operation that only reads.
    #[must_use]
    pub fn read<I, V>(mut self, op: Op, handler: impl Handler<S, I, Answer<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        assert_eq!(op.method, Method::GET, "{}: what only reads is a GET, or read_by_post", op.id);
        self.push_read(op, handler);
        self
    }

    /// Adds an operation that only reads, with criteria too large for a query string.
    #[must_use]
    pub fn read_by_post<I, V>(mut self, op: Op, handler: impl Handler<S, I, Answer<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        let op = Op { status: 200, silent: Some("it only reads"), ..op };
        self.push_read(op, handler);
        self
    }

    fn push_read<I, V>(&mut self, op: Op, handler: impl Handler<S, I, Answer<V>>)
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        self.push::<I, V, _>(op, handler, |answer, request_id| {
            let Answer { view, version } = answer;
            let rendered = Rendered::of(http::StatusCode::OK, Some(&view), version);
            render::response(rendered, request_id)
        });
    }

    /// Describes an operation and adds it: its input is read, then its handler runs, and `answer`
    /// makes a response of what that gave.
    fn push<I, V, A>(
        &mut self,
        op: Op,
        handler: impl Handler<S, I, A>,
        answer: impl Fn(A, RequestId) -> Response<Bytes> + Send + Sync + Copy + 'static,
    ) where
        I: Input + 'static,
        V: ToSchema,
        A: Send,
    {
        let mut described = Described::default();
        I::describe(&mut described);
        if op.status != 204 {
            described.answer::<V>(Part::Json);
        }
        let answer = move |answered, request_id| answer(answered, request_id).map(Body::from);
        self.add(op, described, handler, answer);
    }

    /// Adds an operation: its input is read, then its handler runs, and `answer` makes a response of
    /// what that gave.
    fn add<I, A>(
        &mut self,
        op: Op,
        described: Described,
        handler: impl Handler<S, I, A>,
        answer: impl Fn(A, RequestId) -> Response<Body> + Send + Sync + Copy + 'static,
    ) where
        I: Input + 'static,
        A: Send,
    {
        let state = self.state.clone();
        let run: Run = Arc::new(move |call: Call| {
            let (state, handler) = (state.clone(), handler.clone());
            Box::pin(async move {
                let request_id = call.ctx.request_id;
                let answered = match I::read(&call) {
                    Ok(input) => handler(state, call, input).await,
                    Err(problem) => Err(problem),
                };
                match answered {
                    Ok(answered) => answer(answered, request_id),
                    Err(problem) => render::problem_response(&problem, request_id).map(Body::from),
                }
            })
        });
        self.registered.push(Registered { op, described, run });
    }

    /// Adds an operation whose answer goes on, as server-sent events.
    #[must_use]
    pub fn live<I, V>(mut self, op: Op, handler: impl Handler<S, I, Live<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send + 'static,
    {
        assert_eq!(op.method, Method::GET, "{}: a stream is a GET", op.id);
        let mut described = Described::default();
        I::describe(&mut described);
        described.answer::<V>(Part::EventStream);
        self.add(op, described, handler, |live: Live<V>, request_id| {
            live.into_response(request_id)
        });
        self
    }

    /// Adds an operation that reads a list.
    #[must_use]
    pub fn list<I, V>(mut self, op: Op, handler: impl Handler<S, I, List<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        self.push_list(op, handler);
        self
    }

    /// Adds an operation that reads a list, with criteria too large for a query string. The page is
    /// asked for in the query string all the same.
    #[must_use]
    pub fn list_by_post<I, V>(mut self, op: Op, handler: impl Handler<S, I, List<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        let op = Op { status: 200, silent: Some("it only reads"), ..op };
        self.push_list(op, handler);
        self
    }

    fn push_list<I, V>(&mut self, op: Op, handler: impl Handler<S, I, List<V>>)
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send,
    {
        self.push_read(op, move |state, call, input| {
            let listed = handler(state, call, input);
            async move { listed.await.map(Answer::new) }
        });
        if let Some(added) = self.registered.last_mut() {
            added.described.paging();
        }
    }

    /// Adds an operation that changes something. Its handler can only answer what was committed.
    #[must_use]
    pub fn change<I, V>(mut self, op: Op, handler: impl Handler<S, I, Changed<V>>) -> Self
    where
        I: Input + 'static,
        V: Serialize + ToSchema + Send + 'static,
    {
        assert!(
            !op.emits.is_empty() || op.silent.is_some(),
            "{}: a change says what it emits, or why nothing",
            op.id
        );
        let (emits, id) = (op.emits, op.id);
        self.push::<I, V, _>(op, handler, move |changed: Changed<V>, request_id| {
            match changed.origin {
                Origin::Fresh(committed) => {
                    for event_type in committed.event_types() {
                        debug_assert!(emits.contains(&event_type), "{id} emits {event_type}");
                    }
                    render::response(committed.into_inner(), request_id)
                }
                Origin::Replayed(rendered) => replayed(rendered, request_id),
            }
        });
        self
    }
}

/// The first answer to a key, given again.
pub(crate) fn replayed(rendered: Rendered, request_id: RequestId) -> Response<Bytes> {
    let mut response = render::response(rendered, request_id);
    response.headers_mut().insert(render::REPLAYED, http::HeaderValue::from_static("true"));
    response
}
