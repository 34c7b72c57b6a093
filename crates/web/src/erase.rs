//! Stored replies that name somebody who is erased.
//!
//! They are sealed, so each is opened to be looked at. One that names the subject is replaced by a
//! refusal and not deleted: the same request would otherwise be carried out once more.

use bytes::Bytes;
use tidings_db::{DbError, Silent, UnitOfWork, args};
use tidings_kernel::{AnyId, Mentions, Problem, ProblemKind, Timestamp};
use tidings_vault::Vault;

use crate::idempotency::{Key, opened, sealed};
use crate::render;

tidings_db::statements! {
    query SIZES = "SELECT CAST(LENGTH(reply) AS BIGINT) FROM idempotent_replies \
        WHERE tenant_id = $1 AND (principal, route, idempotency_key) > ($2, $3, $4) \
        AND created_at < $5 ORDER BY principal, route, idempotency_key LIMIT $6";
    query NEXT = "SELECT principal, route, idempotency_key, body_hash, reply, created_at \
        FROM idempotent_replies WHERE tenant_id = $1 \
        AND (principal, route, idempotency_key) > ($2, $3, $4) AND created_at < $5 \
        ORDER BY principal, route, idempotency_key LIMIT $6";
    command REPLACE = "UPDATE idempotent_replies SET status = $5, reply = $6 WHERE tenant_id = $1 \
        AND principal = $2 AND route = $3 AND idempotency_key = $4";
}

/// Replies that one unit opens.
const REPLIES_MAX: i64 = 200;
/// Bytes of them; a single larger one is opened all the same.
const REPLIES_BYTES_MAX: i64 = 1024 * 1024;

/// A stored reply, as it is read.
type StoredReply = (String, String, String, Bytes, Bytes, Timestamp);

/// Looks through one batch of the tenant's replies, and replaces those that name a subject and are
/// from before its instant. Says how many of each subject, and where to go on, if there are more.
pub async fn replace_replies(
    work: &mut UnitOfWork,
    vault: &Vault,
    subjects: &[(AnyId, Timestamp)],
    reached: &str,
) -> Result<(Vec<usize>, Option<String>), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let before = subjects.iter().map(|(_, before)| *before).max().unwrap_or_default();
    let (rows, next) = batch(work, before, reached).await?;
    let wanted: Mentions<usize> =
        subjects.iter().enumerate().map(|(place, (id, _))| (*id, place)).collect();
    let refusal = render::problem_body(
        &Problem::new(
            ProblemKind::PayloadGone,
            "the reply to this Idempotency-Key was erased with the subject that it named",
        ),
        work.ctx().request_id,
    );
    let mut replaced = vec![0; subjects.len()];
    for (principal, route, text, hash, reply, created_at) in rows {
        let mut body_hash = [0; 32];
        if hash.len() == body_hash.len() {
            body_hash.copy_from_slice(&hash);
        }
        let key = Key { tenant_id, principal, route, text, body_hash, slot: None };
        let Some(plain) = opened(vault, &key, &reply) else { continue };
        let named = wanted.named_in(plain.expose());
        let Some(place) = named.into_iter().find(|place| created_at < subjects[**place].1) else {
            continue;
        };
        let reply = sealed(vault, &key, &refusal);
        let Key { principal, route, text, .. } = &key;
        let args = args![tenant_id, principal, route, text, refusal.status.as_u16(), reply];
        work.silent(Silent::Purge).execute(&REPLACE, args).await?;
        replaced[*place] += 1;
    }
    Ok((replaced, next))
}

/// The replies that one unit opens, and where the next one goes on, if there are more.
async fn batch(
    work: &mut UnitOfWork,
    before: Timestamp,
    reached: &str,
) -> Result<(Vec<StoredReply>, Option<String>), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let (principal, route, text): (String, String, String) =
        serde_json::from_str(reached).unwrap_or_default();
    let args = args![tenant_id, principal, route, text, before, REPLIES_MAX];
    let sizes: Vec<(i64,)> = work.reader().rows(&SIZES, args).await?;
    let mut bytes = 0_i64;
    let fitting = sizes.iter().take_while(|(size,)| {
        bytes = bytes.saturating_add(*size);
        bytes <= REPLIES_BYTES_MAX
    });
    let count = i64::try_from(fitting.count().max(1)).unwrap_or(1);
    let args = args![tenant_id, principal, route, text, before, count];
    let rows: Vec<StoredReply> = work.reader().rows(&NEXT, args).await?;
    let more = rows.len() < sizes.len()
        || i64::try_from(rows.len()).is_ok_and(|count| count >= REPLIES_MAX);
    let next = rows.last().filter(|_| more).map(|(principal, route, text, ..)| {
        // Three texts always serialise.
        serde_json::to_string(&(principal, route, text)).unwrap_or_default()
    });
    Ok((rows, next))
}
