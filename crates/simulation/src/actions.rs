//! What tenants do, through one node: each action is a task that may die with its node.

use std::time::Duration;

use serde_json::json;
use tidings_customers::{CreateCustomer, UpdateCustomer};
use tidings_db::{Committed, Db, args, work};
use tidings_kernel::{Actor, Ctx, DeliveryId, EventId, Grants, TenantId, Uuid};
use tidings_webhooks::{CreateSubscription, UpdateSubscription};

use crate::book::Book;
use crate::node::Program;
use crate::receivers::FIRST_PORT;
use crate::scenario::EndpointPlan;

tidings_db::statements! {
    /// Deliveries that can be repeated by hand.
    query ENDED = "SELECT id, event_id FROM deliveries WHERE tenant_id = $1 \
        AND status IN ('delivered', 'exhausted') ORDER BY id LIMIT 20";
}

/// The id of a tenant by its number.
pub(crate) fn tenant_id(tenant: usize) -> TenantId {
    TenantId::from_uuid(Uuid::from_u128(u128::try_from(tenant).unwrap_or_default() + 1))
}

/// What one action needs.
#[derive(Clone)]
pub(crate) struct Hand {
    pub(crate) program: Program,
    pub(crate) book: Book,
}

impl Hand {
    fn ctx(&self, tenant: usize) -> Ctx {
        let db: &Db = &self.program.db;
        let ctx = db.ctx(db.next_request_id(), tenant_id(tenant), Actor::Operator);
        Ctx { grants: Grants::whole_tenant(), ..ctx }
    }

    fn now(&self) -> Duration {
        self.program.clock.true_time()
    }

    /// Writes down what was accepted, or that it was not.
    fn accept<T, E: std::fmt::Display>(
        &self,
        tenant: usize,
        what: &str,
        done: Result<Committed<T>, E>,
    ) -> Option<T> {
        match done {
            Ok(done) => {
                let events: Vec<EventId> = done.events().iter().map(|e| e.event_id).collect();
                self.book.note(self.now(), &format!("accepted: {what}"));
                self.book.pages().accepted.entry(tenant).or_default().extend(events);
                Some(done.into_inner())
            }
            Err(error) => {
                self.book.note(self.now(), &format!("refused: {what}: {error}"));
                None
            }
        }
    }

    pub(crate) async fn create(self, tenant: usize, number: usize) {
        let email = format!("c{number}@example.com");
        let input = json!({"email": email, "first_name": "Ada", "last_name": "Lovelace"});
        let Ok(input) = serde_json::from_value::<CreateCustomer>(input) else { return };
        let customers = self.program.customers.clone();
        let unit = work!([customers, input], |work| customers.create_customer(work, input));
        let made = self.program.db.write(&self.ctx(tenant), unit).await;
        if let Some(customer) = self.accept(tenant, &format!("create {number}"), made) {
            self.book.pages().customers.entry(tenant).or_default().push(customer.id);
        }
    }

    pub(crate) async fn change(self, tenant: usize, which: usize, number: usize) {
        let known = self.book.pages().customers.get(&tenant).cloned().unwrap_or_default();
        let Some(&id) = known.get(which % known.len().max(1)) else { return };
        let input = json!({"first_name": format!("Ada {number}")});
        let Ok(input) = serde_json::from_value::<UpdateCustomer>(input) else { return };
        let customers = self.program.customers.clone();
        let unit =
            work!([customers, input], |work| customers.update_customer(work, id, None, input));
        let done = self.program.db.write(&self.ctx(tenant), unit).await;
        self.accept(tenant, &format!("change {number}"), done);
    }

    pub(crate) async fn subscribe(self, endpoint: usize, plan: EndpointPlan) {
        let port = usize::from(FIRST_PORT) + endpoint;
        let input = json!({
            "url": format!("http://127.0.0.1:{port}/hook"),
            "events": [plan.events],
            "ordering": if plan.ordered { "per_object" } else { "none" },
            "retry_policy": plan.policy,
            "timeout_seconds": 2,
        });
        let Ok(input) = serde_json::from_value::<CreateSubscription>(input) else { return };
        let webhooks = self.program.webhooks.clone();
        let unit =
            work!([webhooks, input], |work| webhooks.create_subscription(work, (input, None)));
        let made = self.program.db.write(&self.ctx(plan.tenant), unit).await;
        if let Some((made, _)) = self.accept(plan.tenant, &format!("subscribe {endpoint}"), made) {
            self.book.pages().subscriptions.entry(endpoint).or_default().id = Some(made.id);
        }
    }

    /// Pauses, or resumes.
    pub(crate) async fn switch(self, endpoint: usize, tenant: usize, on: bool) {
        let Some(id) = self.subscription(endpoint) else { return };
        if on {
            self.book.pages().subscriptions.entry(endpoint).or_default().resumed = true;
        } else {
            self.book.pages().subscriptions.entry(endpoint).or_default().stopped_once = true;
        }
        let input = UpdateSubscription { is_active: Some(on), ..UpdateSubscription::default() };
        let webhooks = self.program.webhooks.clone();
        let unit = work!([webhooks, input], |work| {
            webhooks.update_subscription(work, id, (input, None, None))
        });
        let done = self.program.db.write(&self.ctx(tenant), unit).await;
        let done = self.accept(tenant, &format!("switch {endpoint} to {on}"), done);
        self.stopped(endpoint, done.is_some() && !on);
    }

    pub(crate) async fn delete(self, endpoint: usize, tenant: usize) {
        let Some(id) = self.subscription(endpoint) else { return };
        self.book.pages().subscriptions.entry(endpoint).or_default().stopped_once = true;
        let webhooks = self.program.webhooks.clone();
        let unit = work!([webhooks], |work| webhooks.delete_subscription(work, id, None));
        let done = self.program.db.write(&self.ctx(tenant), unit).await;
        let done = self.accept(tenant, &format!("delete {endpoint}"), done);
        self.stopped(endpoint, done.is_some());
    }

    fn subscription(&self, endpoint: usize) -> Option<tidings_kernel::WebhookSubscriptionId> {
        self.book.pages().subscriptions.get(&endpoint).and_then(|known| known.id)
    }

    fn stopped(&self, endpoint: usize, is_known: bool) {
        let now = self.now();
        let mut pages = self.book.pages();
        let known = pages.subscriptions.entry(endpoint).or_default();
        if is_known {
            known.stopped_at = Some(now);
        }
    }

    pub(crate) async fn repeat(self, tenant: usize, which: usize) {
        let ended: Vec<(DeliveryId, EventId)> = {
            let Ok(mut session) = self.program.db.read(tenant_id(tenant)).await else { return };
            session.reader().rows(&ENDED, args![tenant_id(tenant)]).await.unwrap_or_default()
        };
        let Some(&(id, event_id)) = ended.get(which % ended.len().max(1)) else { return };
        self.book.pages().repeated.insert(event_id);
        let webhooks = self.program.webhooks.clone();
        let unit = work!([webhooks], |work| webhooks.retry_delivery(work, id));
        let done = self.program.db.write(&self.ctx(tenant), unit).await;
        if self.accept(tenant, &format!("repeat {id}"), done).is_some() {
            self.program.webhooks.wake();
        }
    }

    pub(crate) async fn sequence(self) {
        let placed = self.program.runner.run_sequencer().await;
        if let Err(error) = placed {
            self.book.note(self.now(), &format!("no positions: {error}"));
        }
    }

    /// The sweeps and jobs that are due.
    pub(crate) async fn sweep(self) {
        let runner = self.program.runner.clone();
        let swept = match runner.declare().await {
            Ok(()) => runner.run_due().await,
            Err(error) => Err(error),
        };
        if let Err(error) = swept {
            self.book.note(self.now(), &format!("not swept: {error}"));
        }
    }

    pub(crate) async fn react(self) {
        if let Err(error) = self.program.runner.run_reactions().await {
            self.book.note(self.now(), &format!("no reactions: {error}"));
        }
    }
}
