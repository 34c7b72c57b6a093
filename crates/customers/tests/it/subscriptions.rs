//! Customers who have subscriptions: what the port is asked, and when.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tidings_customers::{CustomerError, DeleteCustomer, Subscriptions, Touched};
use tidings_db::{UnitFuture, UnitOfWork, work};
use tidings_kernel::{CustomerId, Problem};

use crate::world::World;

/// Some subscriptions of every customer, which end when they are ended.
struct Running(AtomicU32);

impl Running {
    fn ids(count: u32) -> Touched {
        Touched { subscription_ids: (0..count).map(|n| format!("sub_{n}")).collect() }
    }

    fn touched<'t>(&self) -> UnitFuture<'t, Touched, Problem> {
        let touched = Self::ids(self.0.load(Ordering::Relaxed));
        Box::pin(std::future::ready(Ok(touched)))
    }
}

impl Subscriptions for Running {
    fn count_live<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, u32, Problem> {
        Box::pin(std::future::ready(Ok(self.0.load(Ordering::Relaxed))))
    }

    fn pause_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        self.touched()
    }

    fn resume_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        self.touched()
    }

    fn cancel_at_period_end_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        self.touched()
    }

    fn cancel_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        let ended = Self::ids(self.0.swap(0, Ordering::Relaxed));
        Box::pin(std::future::ready(Ok(ended)))
    }
}

#[tokio::test]
async fn running_subscriptions_keep_a_customer_unless_they_are_to_end() {
    let world = World::with(Arc::new(Running(AtomicU32::new(2)))).await;
    let ada = world.customer("ada@example.com", "").await;
    world.told();
    for hard_delete in [false, true] {
        let input = DeleteCustomer { hard_delete, ..DeleteCustomer::default() };
        let (customers, id) = (world.customers.clone(), ada.id);
        let verb =
            work!([customers, input], |work| customers.delete_customer(work, id, None, input));
        let refused = world.write(verb).await;
        assert!(matches!(refused, Err(CustomerError::LiveSubscriptions { count: 2 })));
        let problem = Problem::from(refused.unwrap_err());
        assert_eq!(problem.kind.slug(), "has_live_subscriptions");
        assert!(problem.detail.contains("cancel_subscriptions=true"), "{problem}");
    }
    assert!(world.told().is_empty());
    let input = DeleteCustomer { cancel_subscriptions: true, ..DeleteCustomer::default() };
    let (customers, id) = (world.customers.clone(), ada.id);
    let verb = work!([customers, input], |work| customers.delete_customer(work, id, None, input));
    world.write(verb).await.unwrap();
    assert_eq!(world.told(), ["customer.deleted"]);
}
