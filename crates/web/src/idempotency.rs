//! Idempotency keys: the first reply is stored in the unit of work that it answers, and given again.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use http::StatusCode;
use tidings_db::{Db, DbError, Silent, UnitOfWork, args};
use tidings_kernel::{Problem, ProblemKind, TenantId, Timestamp, Uuid, limits};
use tidings_vault::{Secret, Vault, equal, sha256};

use crate::answer::Rendered;
use crate::api::Services;
use crate::call::Call;
use crate::commit::is_stored;
use crate::in_flight::Slot;
use crate::render;

tidings_db::statements! {
    query FIND = "SELECT body_hash, status, reply FROM idempotent_replies \
        WHERE tenant_id = $1 AND principal = $2 AND route = $3 AND idempotency_key = $4";
    command STORE = "INSERT INTO idempotent_replies (tenant_id, principal, route, \
        idempotency_key, body_hash, status, reply, created_at) \
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    across query EXPIRED = "SELECT tenant_id, MIN(created_at) FROM idempotent_replies \
        WHERE created_at < $1 GROUP BY tenant_id LIMIT 100";
    command PURGE = "DELETE FROM idempotent_replies WHERE tenant_id = $1 \
        AND (principal, route, idempotency_key) IN \
        (SELECT principal, route, idempotency_key FROM idempotent_replies \
        WHERE tenant_id = $1 AND created_at < $2 LIMIT $3)";
}

/// A key, in its scope: tenant, principal, method and path.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) tenant_id: TenantId,
    pub(crate) principal: String,
    pub(crate) route: String,
    pub(crate) text: String,
    pub(crate) body_hash: [u8; 32],
    /// The key's turn. A unit of work that outlives its caller holds it as well.
    #[expect(dead_code, reason = "it is held, and goes with the last who has the key")]
    pub(crate) slot: Option<Slot>,
}

impl Key {
    /// Reads the header. Both the quoted form of the draft and the bare one are taken.
    pub(crate) fn parse(header: &str) -> Result<String, Problem> {
        let bare =
            header.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(header);
        let fine = !bare.is_empty()
            && bare.len() <= limits::IDEMPOTENCY_KEY_CHARS_MAX
            && bare.bytes().all(|byte| (0x20..0x7f).contains(&byte));
        if fine {
            Ok(bare.to_owned())
        } else {
            Err(Problem::invalid_field(
                "Idempotency-Key",
                "invalid",
                "1 to 255 visible ASCII characters; a fresh UUID is a good one",
            ))
        }
    }

    /// What separates this request's body from another's.
    pub(crate) fn hash(query: &str, body: &[u8]) -> [u8; 32] {
        let mut text = Vec::with_capacity(query.len() + 1 + body.len());
        text.extend_from_slice(query.as_bytes());
        text.push(0);
        text.extend_from_slice(body);
        sha256(&text)
    }

    /// Where the key is stored: the name that tells it from every other.
    pub(crate) fn place(&self) -> String {
        let Self { tenant_id, principal, route, text, .. } = self;
        format!("{tenant_id}|idempotent_replies|{principal}|{route}|{text}")
    }

    fn args(&self) -> [tidings_db::Value; 4] {
        use tidings_db::ToValue;
        [
            self.tenant_id.to_value(),
            self.principal.to_value(),
            self.route.to_value(),
            self.text.to_value(),
        ]
    }
}

/// The first reply with this key, if there was one; a problem if its body was another.
pub(crate) async fn find(db: &Db, vault: &Vault, key: &Key) -> Result<Option<Rendered>, Problem> {
    let mut session = db.read(key.tenant_id).await?;
    let row: Option<(Bytes, u16, Bytes)> = session.reader().row(&FIND, &key.args()).await?;
    let Some((body_hash, status, sealed)) = row else { return Ok(None) };
    if !equal(&body_hash, &key.body_hash) {
        return Err(Problem::new(
            ProblemKind::IdempotencyKeyReused,
            "this Idempotency-Key came before with another body; use a new key for a new request",
        ));
    }
    let plain = vault.open(&key.place(), &sealed).map_err(|error| {
        tracing::error!(%error, "a stored reply cannot be opened");
        Problem::new(ProblemKind::Internal, "the stored reply cannot be read")
    })?;
    let (version, body) = plain.expose().split_at_checked(8).unwrap_or((&[0; 8], &[]));
    let version = version.first_chunk::<8>().map_or(-1, |bytes| i64::from_be_bytes(*bytes));
    Ok(Some(Rendered {
        status: StatusCode::from_u16(status).unwrap_or(StatusCode::OK),
        version: (version >= 0).then_some(version),
        body: Bytes::copy_from_slice(body),
    }))
}

/// A reply as it is stored.
pub(crate) fn sealed(vault: &Vault, key: &Key, rendered: &Rendered) -> Bytes {
    let mut plain = BytesMut::with_capacity(8 + rendered.body.len());
    plain.put_i64(rendered.version.unwrap_or(-1));
    plain.put_slice(&rendered.body);
    Bytes::from(vault.seal(&key.place(), &plain))
}

/// A stored reply, opened; none where it cannot be.
pub(crate) fn opened(vault: &Vault, key: &Key, sealed: &[u8]) -> Option<Secret> {
    vault.open(&key.place(), sealed).ok()
}

/// Stores a reply in the unit of work that it answers.
pub(crate) async fn store(
    work: &mut UnitOfWork,
    vault: &Vault,
    key: &Key,
    rendered: &Rendered,
) -> Result<(), DbError> {
    let sealed = sealed(vault, key, rendered);
    let now = work.now();
    let [tenant_id, principal, route, text] = key.args();
    let hash = Bytes::copy_from_slice(&key.body_hash);
    work.silent(Silent::IdempotentReply)
        .execute(
            &STORE,
            args![tenant_id, principal, route, text, hash, rendered.status.as_u16(), sealed, now],
        )
        .await
        .map(|_| ())
}

/// The key's first answer, or its turn: then the call is the first, or nothing came of those before.
/// A call that waits for another with its key waits [`limits::IDEMPOTENCY_WAIT_MAX`] at most.
pub(crate) async fn enter(services: &Services, key: Key) -> Result<Entered, Problem> {
    if let Some(first) = find(&services.db, &services.vault, &key).await? {
        return Ok(Entered::Answered(first));
    }
    let taken = services.in_flight.take(key.place(), limits::IDEMPOTENCY_WAIT_MAX).await;
    let slot = taken.ok_or_else(in_progress)?;
    if slot.waited
        && let Some(first) = find(&services.db, &services.vault, &key).await?
    {
        return Ok(Entered::Answered(first));
    }
    Ok(Entered::First(Arc::new(Key { slot: Some(slot), ..key })))
}

/// What became of a call with a key at the door.
pub(crate) enum Entered {
    /// It was answered before.
    Answered(Rendered),
    /// It goes on.
    First(Arc<Key>),
}

/// Another call with the key runs, here or on another node.
pub(crate) fn in_progress() -> Problem {
    Problem {
        retry_after: Some(1),
        ..Problem::new(
            ProblemKind::IdempotencyInProgress,
            "the first call with this key still runs; send it again in a moment",
        )
    }
}

/// After a refusal: the answer of another call that was first with this key, if there was one, or
/// this one's own where only the answer to its COMMIT was lost. Otherwise a refusal that came after
/// validation is stored for the next time. Where nothing of it is known the refusal stays as it is,
/// and the key stays free: a 503 says to send it again, whether it was never run or its outcome is
/// unknown.
pub(crate) async fn settle_refusal(
    call: &Call,
    problem: &Problem,
) -> Result<Option<Rendered>, Problem> {
    let Some(key) = call.key.clone() else { return Ok(None) };
    let Services { db, vault, .. } = &*call.services;
    match find(db, vault, &key).await {
        Ok(Some(first)) => return Ok(Some(first)),
        Ok(None) => {}
        Err(reused) if reused.kind == ProblemKind::IdempotencyKeyReused => return Err(reused),
        // The refusal says more than that nothing could be looked up.
        Err(_) => return Ok(None),
    }
    if !is_stored(problem.kind) {
        return Ok(None);
    }
    let rendered = render::problem_body(problem, call.ctx.request_id);
    let (services, stored) = (Arc::clone(&call.services), Arc::clone(&key));
    let written = db.write::<(), DbError, _>(&call.ctx, move |work| {
        let (key, rendered) = (Arc::clone(&stored), rendered.clone());
        let services = Arc::clone(&services);
        Box::pin(async move { store(work, &services.vault, &key, &rendered).await })
    });
    match written.await {
        Ok(_) => Ok(None),
        // Another call's answer to the same key got in between: it is this one's too.
        Err(DbError::Duplicate { .. }) => find(db, vault, &key).await,
        Err(error) => Err(error.into()),
    }
}

/// The tenants with replies that are kept no longer.
pub async fn expired(db: Db, now: Timestamp) -> Result<Vec<(TenantId, Uuid)>, DbError> {
    let before = now.before(limits::IDEMPOTENCY_KEPT);
    let rows: Vec<(TenantId, Timestamp)> =
        db.read_across_tenants().await?.reader().rows(&EXPIRED, args![before]).await?;
    Ok(rows.into_iter().map(|(tenant_id, oldest)| (tenant_id, batch_of(oldest))).collect())
}

/// A batch is named by its oldest row, so that a sweep takes the tenant again while rows are left.
fn batch_of(oldest: Timestamp) -> Uuid {
    Uuid::from_u64_pair(0, oldest.micros().unsigned_abs())
}

/// Ends the replies of one tenant that are kept no longer.
pub async fn purge(work: &mut UnitOfWork) -> Result<(), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let before = work.now().before(limits::IDEMPOTENCY_KEPT);
    work.silent(Silent::Purge)
        .execute(&PURGE, args![tenant_id, before, limits::SWEEP_ROWS_MAX])
        .await
        .map(|_| ())
}
