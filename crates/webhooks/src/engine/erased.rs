//! Subjects that are being erased: nothing of them is sent any more, wherever it waits in memory.
//!
//! Every erasure that is not finished is known, whoever asked for it and however many there are;
//! and one that is finished for as long as something of it may still be in memory.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

use tidings_db::DbError;
use tidings_kernel::{ErasureId, Mentions, TenantId, Timestamp, Uuid};

use super::Engine;
use crate::erasure::REMEMBERED;
use crate::store::erasures::{self, Finished, Silenced};

/// Erasures that are read at a time.
const CHUNK: i64 = 1_000;
/// Looks for what was finished overlap by so much: a unit that writes a receipt takes less.
const OVERLAP: Duration = Duration::from_mins(1);

/// What is being erased, as of the last look.
#[derive(Debug, Default)]
pub(super) struct Erased {
    /// Whether there is any: most times there is none, and no body is looked into.
    any: AtomicBool,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Of each subject, before which instant.
    of_tenant: HashMap<TenantId, Mentions<Timestamp>>,
    finished: HashMap<(TenantId, ErasureId), Finished>,
    looked_at: Option<Timestamp>,
}

/// Looks what is being erased: on every node, before anything is taken up.
pub(super) async fn learn(engine: &Engine) -> Result<(), DbError> {
    let (now, erased) = (engine.0.db.now(), &engine.0.erased);
    // Read after what is not finished: what ends between the two is in one of them at least.
    let unfinished = unfinished(engine).await?;
    let finished = finished(engine, erased.finished_unknown_since(now)).await?;
    erased.learn(unfinished, finished, now);
    Ok(())
}

const FIRST: (TenantId, ErasureId) =
    (TenantId::from_uuid(Uuid::nil()), ErasureId::from_uuid(Uuid::nil()));

async fn unfinished(engine: &Engine) -> Result<Vec<Silenced>, DbError> {
    let (mut all, mut after) = (Vec::new(), FIRST);
    loop {
        let mut session = engine.0.db.read_across_tenants().await?;
        let page = erasures::unfinished(&mut session.reader(), after, CHUNK).await?;
        let full = i64::try_from(page.len()).is_ok_and(|count| count >= CHUNK);
        all.extend(page);
        match all.last().filter(|_| full) {
            Some(last) => after = (last.tenant_id, last.erasure_id),
            None => return Ok(all),
        }
    }
}

async fn finished(engine: &Engine, since: Timestamp) -> Result<Vec<Finished>, DbError> {
    let (mut all, mut after) = (Vec::new(), FIRST);
    loop {
        let mut session = engine.0.db.read_across_tenants().await?;
        let page = erasures::finished_since(&mut session.reader(), since, after, CHUNK).await?;
        let full = i64::try_from(page.len()).is_ok_and(|count| count >= CHUNK);
        all.extend(page);
        match all.last().filter(|_| full) {
            Some(last) => after = (last.silenced.tenant_id, last.silenced.erasure_id),
            None => return Ok(all),
        }
    }
}

impl Erased {
    /// Since when it is not known what was finished.
    fn finished_unknown_since(&self, now: Timestamp) -> Timestamp {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        let all = now.before(REMEMBERED);
        known.looked_at.map_or(all, |looked_at| looked_at.min(now).before(OVERLAP).max(all))
    }

    /// Learns what there is now.
    fn learn(&self, unfinished: Vec<Silenced>, finished: Vec<Finished>, now: Timestamp) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.looked_at = Some(now);
        if unfinished.is_empty() && finished.is_empty() && known.finished.is_empty() {
            known.of_tenant.clear();
            self.any.store(false, Ordering::Release);
            return;
        }
        for one in finished {
            known.finished.insert((one.silenced.tenant_id, one.silenced.erasure_id), one);
        }
        known.finished.retain(|_, one| now.since(one.completed_at) < REMEMBERED);
        let mut of_tenant: HashMap<TenantId, Mentions<Timestamp>> = HashMap::new();
        let remembered = known.finished.values().map(|one| one.silenced);
        for Silenced { tenant_id, subject, before_at, .. } in
            unfinished.into_iter().chain(remembered)
        {
            of_tenant.entry(tenant_id).or_default().insert(subject, before_at);
        }
        self.any.store(!of_tenant.is_empty(), Ordering::Release);
        known.of_tenant = of_tenant;
    }

    /// Whether an event with this body, which happened at an instant, is not to be sent any more. A
    /// replay or a repetition comes up later, and is an event of then all the same.
    pub(super) fn covers(&self, tenant_id: TenantId, body: &[u8], occurred_at: Timestamp) -> bool {
        if !self.any.load(Ordering::Acquire) {
            return false;
        }
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.of_tenant.get(&tenant_id).is_some_and(|of_tenant| {
            of_tenant.named_in(body).into_iter().any(|before_at| occurred_at < *before_at)
        })
    }
}

#[cfg(test)]
mod tests {
    use tidings_kernel::CustomerId;

    use super::*;

    fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros)
    }

    fn tenant(number: u128) -> TenantId {
        TenantId::from_uuid(Uuid::from_u128(number))
    }

    fn customer(number: u128) -> CustomerId {
        CustomerId::from_uuid(Uuid::from_u128(number))
    }

    fn silenced(tenant_id: TenantId, number: u128) -> Silenced {
        let erasure_id = ErasureId::from_uuid(Uuid::from_u128(number));
        Silenced { tenant_id, erasure_id, subject: customer(number).any(), before_at: at(10) }
    }

    fn body(number: u128) -> Vec<u8> {
        format!("{{\"id\":\"{}\"}}", customer(number)).into_bytes()
    }

    #[test]
    fn what_names_a_subject_and_happened_before_is_covered() {
        let (acme, other) = (tenant(1), tenant(2));
        let erased = Erased::default();
        assert!(!erased.covers(acme, &body(1), at(5)));
        erased.learn(vec![silenced(acme, 1)], Vec::new(), at(20));
        for (tenant_id, subject, instant, wanted) in
            [(acme, 1, 9, true), (acme, 1, 10, false), (acme, 2, 9, false), (other, 1, 9, false)]
        {
            let covered = erased.covers(tenant_id, &body(subject), at(instant));
            assert_eq!(covered, wanted, "{tenant_id} {subject} {instant}");
        }
        erased.learn(Vec::new(), Vec::new(), at(30));
        assert!(!erased.covers(acme, &body(1), at(5)));
    }

    #[test]
    fn however_many_there_are_of_one_tenant_another_ones_is_known() {
        let erased = Erased::default();
        let mut all: Vec<Silenced> = (0..5_000).map(|number| silenced(tenant(1), number)).collect();
        all.push(silenced(tenant(2), 9_999));
        erased.learn(all, Vec::new(), at(20));
        assert!(erased.covers(tenant(2), &body(9_999), at(9)));
        assert!(erased.covers(tenant(1), &body(4_999), at(9)));
        assert!(!erased.covers(tenant(1), &body(9_999), at(9)));
    }

    #[test]
    fn what_is_finished_is_remembered_for_a_while() {
        let (erased, acme) = (Erased::default(), tenant(1));
        let now = at(0).after(REMEMBERED * 2);
        assert_eq!(
            erased.finished_unknown_since(now),
            now.before(REMEMBERED),
            "after a start, all"
        );
        let finished = Finished { silenced: silenced(acme, 1), completed_at: now };
        erased.learn(Vec::new(), vec![finished], now);
        assert_eq!(erased.finished_unknown_since(now), now.before(OVERLAP));
        let soon = now.after(REMEMBERED / 2);
        erased.learn(Vec::new(), Vec::new(), soon);
        assert!(erased.covers(acme, &body(1), at(5)), "it may still be in memory");
        assert_eq!(
            erased.finished_unknown_since(now),
            now.before(OVERLAP),
            "the clock was set back"
        );
        erased.learn(Vec::new(), Vec::new(), now.after(REMEMBERED));
        assert!(!erased.covers(acme, &body(1), at(5)), "it is forgotten in time");
    }
}
