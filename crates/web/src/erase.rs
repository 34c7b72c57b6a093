//! Stored replies that name somebody who is erased.
//!
//! They are sealed, so each is opened to be looked at. One that names the subject is replaced by a
//! refusal and not deleted: the same request would otherwise be carried out once more.

use bytes::Bytes;
use tidings_db::{DbError, Silent, UnitOfWork, args};
use tidings_kernel::{Problem, ProblemKind, Timestamp};
use tidings_vault::Vault;

use crate::idempotency::{Key, opened, sealed};
use crate::render;

tidings_db::statements! {
    query NEXT = "SELECT principal, route, idempotency_key, body_hash, reply \
        FROM idempotent_replies WHERE tenant_id = $1 \
        AND (principal, route, idempotency_key) > ($2, $3, $4) AND created_at < $5 \
        ORDER BY principal, route, idempotency_key LIMIT $6";
    command REPLACE = "UPDATE idempotent_replies SET status = $5, reply = $6 WHERE tenant_id = $1 \
        AND principal = $2 AND route = $3 AND idempotency_key = $4";
}

/// Replies that one unit opens.
const REPLIES_MAX: i64 = 200;

/// Looks through one batch of the tenant's replies from before an instant, and replaces those that
/// name a subject. Says how many, and where to go on, if there are more.
pub async fn replace_replies(
    work: &mut UnitOfWork,
    vault: &Vault,
    (subject, before): (&str, Timestamp),
    reached: &str,
) -> Result<(usize, Option<String>), DbError> {
    let tenant_id = work.ctx().tenant_id;
    let (principal, route, text): (String, String, String) =
        serde_json::from_str(reached).unwrap_or_default();
    let args = args![tenant_id, principal, route, text, before, REPLIES_MAX];
    let rows: Vec<(String, String, String, Bytes, Bytes)> = work.reader().rows(&NEXT, args).await?;
    let full = i64::try_from(rows.len()).is_ok_and(|count| count >= REPLIES_MAX);
    let next = rows.last().filter(|_| full).map(|(principal, route, text, ..)| {
        // Three texts always serialise.
        serde_json::to_string(&(principal, route, text)).unwrap_or_default()
    });
    let refusal = render::problem_body(
        &Problem::new(
            ProblemKind::PayloadGone,
            "the reply to this Idempotency-Key was erased with the subject that it named",
        ),
        work.ctx().request_id,
    );
    let mut replaced = 0;
    for (principal, route, text, hash, reply) in rows {
        let mut body_hash = [0; 32];
        if hash.len() == body_hash.len() {
            body_hash.copy_from_slice(&hash);
        }
        let key = Key { tenant_id, principal, route, text, body_hash, slot: None };
        if !opened(vault, &key, &reply).is_some_and(|plain| names(plain.expose(), subject)) {
            continue;
        }
        let reply = sealed(vault, &key, &refusal);
        let Key { principal, route, text, .. } = &key;
        let args = args![tenant_id, principal, route, text, refusal.status.as_u16(), reply];
        work.silent(Silent::Purge).execute(&REPLACE, args).await?;
        replaced += 1;
    }
    Ok((replaced, next))
}

fn names(plain: &[u8], subject: &str) -> bool {
    let subject = subject.as_bytes();
    !subject.is_empty() && plain.windows(subject.len()).any(|part| part == subject)
}
