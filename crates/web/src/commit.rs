//! From a verb to its answer: the one place where a request opens a unit of work.

use std::marker::PhantomData;
use std::sync::Arc;

use serde::Serialize;
use tidings_db::{Committed, DbError, UnitFn, unit};
use tidings_kernel::{Problem, ProblemKind};

use crate::answer::{Changed, Origin, Rendered, Reply};
use crate::call::Call;
use crate::idempotency;

/// Runs a verb in a unit of work, renders its answer inside the unit, and stores it there as well
/// if the caller sent an `Idempotency-Key`. What is answered is what was committed.
pub async fn commit<T, E, V, F, W>(call: &Call, run: F, view: W) -> Result<Changed<V>, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + From<DbError> + Send + 'static,
    V: Serialize + 'static,
    F: UnitFn<T, E>,
    W: Fn(T) -> Reply<V> + Send + Sync + 'static,
{
    let unit = rendering(call, run, view);
    let written = call.services.db.write::<Rendered, Problem, _>(&call.ctx, unit).await;
    answer(call, written).await
}

/// The same for a verb that only adds, such as publishing: on PostgreSQL whatever waits shares one
/// transaction.
pub async fn commit_shared<T, E, V, F, W>(
    call: &Call,
    run: F,
    view: W,
) -> Result<Changed<V>, Problem>
where
    T: Send + 'static,
    E: Into<Problem> + From<DbError> + Send + 'static,
    V: Serialize + 'static,
    F: UnitFn<T, E>,
    W: Fn(T) -> Reply<V> + Send + Sync + 'static,
{
    let unit = rendering(call, run, view);
    let written = call.services.db.write_shared::<Rendered, Problem, _>(&call.ctx, unit).await;
    answer(call, written).await
}

/// A unit that runs the verb, renders its answer, and stores it if the caller sent a key.
fn rendering<T, E, V, F, W>(
    call: &Call,
    run: F,
    view: W,
) -> impl UnitFn<Rendered, Problem> + use<T, E, V, F, W>
where
    T: Send + 'static,
    E: Into<Problem> + From<DbError> + Send + 'static,
    V: Serialize + 'static,
    F: UnitFn<T, E>,
    W: Fn(T) -> Reply<V> + Send + Sync + 'static,
{
    let run = Arc::new(run);
    let view = Arc::new(view);
    let key = call.key.clone();
    let services = Arc::clone(&call.services);
    unit(move |work| {
        let (run, view) = (Arc::clone(&run), Arc::clone(&view));
        let (key, services) = (key.clone(), Arc::clone(&services));
        Box::pin(async move {
            let value = run(&mut *work).await.map_err(E::into)?;
            let rendered = {
                let Reply { status, view, version } = view(value);
                Rendered::of(status, view.as_ref(), version)
            };
            if let Some(key) = key {
                let stored = idempotency::store(work, &services.vault, &key, &rendered).await;
                stored.map_err(|error| match error {
                    // Another node's call with this key holds its row, and has not committed.
                    DbError::Locked => idempotency::in_progress(),
                    error => error.into(),
                })?;
            }
            Ok(rendered)
        })
    })
}

async fn answer<V>(
    call: &Call,
    written: Result<Committed<Rendered>, Problem>,
) -> Result<Changed<V>, Problem> {
    match written {
        Ok(committed) => Ok(Changed { origin: Origin::Fresh(committed), view: PhantomData }),
        Err(problem) => match idempotency::settle_refusal(call, &problem).await? {
            // Another request with the same key was first; its answer is this one's too.
            Some(first) => Ok(Changed { origin: Origin::Replayed(first), view: PhantomData }),
            None => Err(problem),
        },
    }
}

/// Refusals that come after validation: the same key gets them again.
pub(crate) fn is_stored(kind: ProblemKind) -> bool {
    match kind {
        ProblemKind::NotFound
        | ProblemKind::DuplicateEmail
        | ProblemKind::AlreadyExists
        | ProblemKind::HasLiveSubscriptions
        | ProblemKind::InvalidTransition
        | ProblemKind::LimitReached
        | ProblemKind::PayloadGone
        | ProblemKind::PreconditionFailed
        | ProblemKind::EventIdReused => true,
        ProblemKind::Malformed
        | ProblemKind::InvalidCursor
        | ProblemKind::Unauthenticated
        | ProblemKind::Forbidden
        | ProblemKind::TenantSuspended
        | ProblemKind::MethodNotAllowed
        | ProblemKind::RequestTimeout
        | ProblemKind::IdempotencyInProgress
        | ProblemKind::TooSlow
        | ProblemKind::PayloadTooLarge
        | ProblemKind::UnsupportedMediaType
        | ProblemKind::Invalid
        | ProblemKind::IdempotencyKeyReused
        | ProblemKind::UnknownEventType
        | ProblemKind::UrlRefused
        | ProblemKind::Internal
        | ProblemKind::StorageFull
        | ProblemKind::Unavailable => false,
    }
}
