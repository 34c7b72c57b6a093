//! Retention and erasure: what goes by itself.

use std::time::Duration;

use tidings_db::{DbError, UnitFuture, UnitOfWork};
use tidings_jobs::{Job, JobError, JobHandler, LoggedEvent, ReactionHandler, Sweep, SweepItem};
use tidings_kernel::{CustomerId, ErasureId, Problem};

use crate::service::{self, Class, EraseBatch, Webhooks};

/// How often it is looked for what is kept no longer.
const PURGE_EVERY: Duration = Duration::from_hours(1);
/// How often it is looked for erasures to finish.
const FINISH_EVERY: Duration = Duration::from_secs(10);

/// The sweeps of retention, in an order in which each makes room for the next.
pub fn retention() -> [Sweep; 4] {
    [
        purge("webhooks.purge_payloads", Class::Payloads),
        purge("webhooks.purge_replies", Class::Replies),
        purge("webhooks.purge_deliveries", Class::Deliveries),
        purge("webhooks.purge_events", Class::Events),
    ]
}

fn purge(name: &'static str, class: Class) -> Sweep {
    Sweep::new(
        name,
        PURGE_EVERY,
        move |db, now| async move {
            let batches = service::overdue(&db, class, now).await?;
            Ok(batches.into_iter().map(|(tenant_id, id)| SweepItem { tenant_id, id }).collect())
        },
        move |work, item| {
            Box::pin(async move { Ok(service::purge_batch(work, class, item.id).await?) })
        },
    )
}

/// Writes the receipts of erasures, once the database's own log holds nothing of them any more.
pub fn finish_erasures() -> Sweep {
    Sweep::new(
        "webhooks.finish_erasures",
        FINISH_EVERY,
        |db, _| async move {
            let erased = service::erased(&db).await?;
            Ok(erased
                .into_iter()
                .map(|(tenant_id, id)| SweepItem { tenant_id, id: id.uuid() })
                .collect())
        },
        |work, item| {
            let id = ErasureId::from_uuid(item.id);
            Box::pin(async move { Ok(service::finish_erasure(work, id).await?) })
        },
    )
}

/// Erases a subject, a batch in each run.
#[derive(Debug, Clone)]
pub struct EraseSubject {
    webhooks: Webhooks,
}

impl EraseSubject {
    /// The handler of the job.
    pub fn new(webhooks: &Webhooks) -> Self {
        Self { webhooks: webhooks.clone() }
    }
}

impl JobHandler for EraseSubject {
    fn kind(&self) -> &'static str {
        EraseBatch::KIND
    }

    fn run<'t>(&self, work: &'t mut UnitOfWork, job: Job) -> UnitFuture<'t, (), JobError> {
        let webhooks = self.webhooks.clone();
        Box::pin(async move {
            let batch: EraseBatch = job.payload()?;
            Ok(webhooks.erase_batch(work, batch, tidings_web::replace_replies).await?)
        })
    }
}

/// Erases what events hold of a customer who was deleted for good or made anonymous.
#[derive(Debug, Clone, Copy, Default)]
pub struct ErasePeople;

impl ReactionHandler for ErasePeople {
    fn name(&self) -> &'static str {
        "webhooks.erase_people"
    }

    fn react<'t>(
        &self,
        work: &'t mut UnitOfWork,
        events: Vec<LoggedEvent>,
    ) -> UnitFuture<'t, (), Problem> {
        Box::pin(async move {
            for event in events {
                let customer = CustomerId::from_uuid(event.subject_id).any();
                if leaves(work, &event).await? {
                    service::erase_after(work, customer, &event).await?;
                }
            }
            Ok(())
        })
    }
}

/// Whether after this event nothing of the person is to be kept.
async fn leaves(work: &mut UnitOfWork, event: &LoggedEvent) -> Result<bool, DbError> {
    #[derive(serde::Deserialize)]
    struct Sent {
        data: Deleted,
    }
    #[derive(serde::Deserialize)]
    struct Deleted {
        hard_delete: bool,
    }
    Ok(match event.name.as_str() {
        "customer.anonymized" | "customer.erased" => true,
        "customer.deleted" => event
            .body(work)
            .await?
            .and_then(|body| serde_json::from_slice::<Sent>(&body).ok())
            .is_some_and(|sent| sent.data.hard_delete),
        _ => false,
    })
}
