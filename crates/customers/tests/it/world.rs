//! A tenant over an embedded database, with a clock that stands still.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use tidings_bus::Bus;
use tidings_customers::{
    CreateCustomer, Customer, CustomerError, Customers, NoSubscriptions, Subscriptions, jobs,
};
use tidings_db::{
    CommitSink, Db, DbError, LeaseClock, Location, Options, Silent, UnitFn, WriterMode, args, work,
};
use tidings_events::CommittedEvent;
use tidings_jobs::{Leases, Runner, RunnerBuilder};
use tidings_kernel::{
    Actor, Clock, Ctx, CustomerId, Grants, IdSeed, NodeId, TenantId, TestClock, Timestamp, Uuid,
};

static WORLDS: AtomicU32 = AtomicU32::new(0);

tidings_db::statements! {
    query COUNT_CONSENTS = "SELECT COUNT(*) FROM customer_consents WHERE tenant_id = $1";
    query COUNT_CONTACTS = "SELECT COUNT(*) FROM customer_contacts WHERE tenant_id = $1";
    command ADD_TENANT = "INSERT INTO tenants (tenant_id, name, livemode, status, created_at, \
        updated_at, version) VALUES ($1, 'Acme', $2, 'active', 0, 0, 1)";
}

#[derive(Default)]
struct Told(std::sync::Mutex<Vec<CommittedEvent>>);

impl CommitSink for Told {
    fn committed(&self, events: &[CommittedEvent]) {
        self.0.lock().unwrap().extend_from_slice(events);
    }
}

pub(crate) struct World {
    pub(crate) db: Db,
    pub(crate) customers: Customers,
    pub(crate) tenant_id: TenantId,
    clock: Arc<TestClock>,
    runner: Runner,
    told: Arc<Told>,
    file: PathBuf,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Arc::new(NoSubscriptions)).await
    }

    /// A world in which customers have these subscriptions.
    pub(crate) async fn with(subscriptions: Arc<dyn Subscriptions>) -> Self {
        let number = WORLDS.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidings-customers-{}-{number}.db", std::process::id());
        let file = std::env::temp_dir().join(name);
        let clock = Arc::new(TestClock::at(Timestamp::from_micros(1_795_437_004_000_000)));
        let db = Db::open(Options {
            location: Location::Sqlite(file.clone()),
            clock: Arc::<TestClock>::clone(&clock),
            seed: IdSeed::from_number(u64::from(number)),
            lease_clock: LeaseClock::Application,
            writer: WriterMode::Inline,
            on_fatal: Arc::new(|error| panic!("{error}")),
        });
        let db = db.await.unwrap();
        let told = Arc::new(Told::default());
        db.add_sink(Arc::<Told>::clone(&told));
        let customers = Customers::new(db.clone(), subscriptions);
        let mut runner = RunnerBuilder::default();
        for sweep in jobs::sweeps(&customers) {
            runner = runner.sweep(sweep);
        }
        for handler in jobs::handlers(&customers) {
            runner = runner.job(handler);
        }
        let bus = Bus::new(Arc::<TestClock>::clone(&clock));
        let leases = Leases::new(db.clone(), NodeId::from_uuid(Uuid::from_u128(1)));
        let runner = runner.build(db.clone(), bus, leases);
        runner.declare().await.unwrap();
        let tenant_id = TenantId::from_uuid(Uuid::from_u128(7));
        let world = Self { db, customers, tenant_id, clock, runner, told, file };
        world
            .write(move |work| {
                Box::pin(async move {
                    let mut writer = work.silent(Silent::Installation);
                    writer.execute(&ADD_TENANT, args![tenant_id, true]).await?;
                    Ok::<(), DbError>(())
                })
            })
            .await
            .unwrap();
        world
    }

    fn ctx(&self) -> Ctx {
        let ctx = self.db.ctx(self.db.next_request_id(), self.tenant_id, Actor::Operator);
        Ctx { grants: Grants::whole_tenant(), ..ctx }
    }

    /// Runs a verb in a unit of work of its own.
    pub(crate) async fn write<T, E, F>(&self, run: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<DbError> + Send + 'static,
        F: UnitFn<T, E>,
    {
        let written = self.db.write(&self.ctx(), run).await;
        written.map(tidings_db::Committed::into_inner)
    }

    pub(crate) async fn create(&self, json: &str) -> Result<Customer, CustomerError> {
        let input: CreateCustomer = serde_json::from_str(json).unwrap();
        let customers = self.customers.clone();
        self.write(work!([customers, input], |work| customers.create_customer(work, input))).await
    }

    /// A customer with this mail address and whatever else `rest` says.
    pub(crate) async fn customer(&self, email: &str, rest: &str) -> Customer {
        let json = format!(r#"{{"email": "{email}", "first_name": "A", "last_name": "B"{rest}}}"#);
        self.create(&json).await.unwrap()
    }

    pub(crate) async fn get(&self, id: CustomerId) -> Customer {
        self.customers.get_customer(self.tenant_id, id, true).await.unwrap()
    }

    /// How many rows the tenant has in one of the tables that hold persons.
    pub(crate) async fn count(&self, table: &str) -> i64 {
        let statement = match table {
            "customer_consents" => &COUNT_CONSENTS,
            "customer_contacts" => &COUNT_CONTACTS,
            other => panic!("{other} is not counted"),
        };
        let mut session = self.db.read(self.tenant_id).await.unwrap();
        session.reader().scalar(statement, args![self.tenant_id]).await.unwrap()
    }

    /// What was told since the last time, with the fields that changed.
    pub(crate) fn told(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.told.0.lock().unwrap());
        events
            .iter()
            .map(|event| {
                let body: serde_json::Value = serde_json::from_slice(&event.body).unwrap();
                match body["data"]["changed_fields"].as_array() {
                    Some(fields) => {
                        let fields: Vec<_> = fields.iter().filter_map(|f| f.as_str()).collect();
                        format!("{} {}", event.name, fields.join(","))
                    }
                    None => event.name.to_string(),
                }
            })
            .collect()
    }

    /// Runs everything that is due, and what becomes due by it.
    pub(crate) async fn settle(&self) {
        while self.runner.run_due().await.unwrap() > 0 {}
    }

    pub(crate) async fn later(&self, by: Duration) {
        self.clock.advance(by);
        self.settle().await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.db.close();
        for suffix in ["", "-wal", "-shm"] {
            let mut file = self.file.clone().into_os_string();
            file.push(suffix);
            // A file that is gone already is as good as one that is deleted.
            let _ = std::fs::remove_file(file);
        }
    }
}
