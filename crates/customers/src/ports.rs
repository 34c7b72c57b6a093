//! What the customers domain needs of others.

use tidings_db::{UnitFuture, UnitOfWork};
use tidings_kernel::{CustomerId, Problem};

/// The subscriptions that a verb touched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    /// Their ids, in the order in which they were touched.
    pub subscription_ids: Vec<String>,
}

impl Touched {
    /// How many they are.
    pub fn count(&self) -> u32 {
        count(&self.subscription_ids)
    }
}

/// How many ids these are, as events tell it.
pub(crate) fn count(subscription_ids: &[String]) -> u32 {
    u32::try_from(subscription_ids.len()).unwrap_or(u32::MAX)
}

/// The subscriptions of a customer. What is done to them joins the caller's unit of work, so that
/// it commits with the customer's change or not at all; its events come before the customer's.
pub trait Subscriptions: Send + Sync + 'static {
    /// How many of them run: whatever would still renew, pause or be paid.
    fn count_live<'t>(
        &'t self,
        work: &'t mut UnitOfWork,
        customer_id: CustomerId,
    ) -> UnitFuture<'t, u32, Problem>;

    /// Pauses those that run, because the customer is suspended.
    fn pause_for<'t>(
        &'t self,
        work: &'t mut UnitOfWork,
        customer_id: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem>;

    /// Lets those go on that the customer's suspension paused, and no others.
    fn resume_for<'t>(
        &'t self,
        work: &'t mut UnitOfWork,
        customer_id: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem>;

    /// Ends those that run with their periods, because the customer leaves.
    fn cancel_at_period_end_for<'t>(
        &'t self,
        work: &'t mut UnitOfWork,
        customer_id: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem>;

    /// Ends those that run at once, because the customer is deleted.
    fn cancel_for<'t>(
        &'t self,
        work: &'t mut UnitOfWork,
        customer_id: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem>;
}

/// An installation without subscriptions: there are none to touch, and that is what it reports.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSubscriptions;

impl NoSubscriptions {
    fn none<'t>() -> UnitFuture<'t, Touched, Problem> {
        Box::pin(std::future::ready(Ok(Touched::default())))
    }
}

impl Subscriptions for NoSubscriptions {
    fn count_live<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, u32, Problem> {
        Box::pin(std::future::ready(Ok(0)))
    }

    fn pause_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        Self::none()
    }

    fn resume_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        Self::none()
    }

    fn cancel_at_period_end_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        Self::none()
    }

    fn cancel_for<'t>(
        &'t self,
        _: &'t mut UnitOfWork,
        _: CustomerId,
    ) -> UnitFuture<'t, Touched, Problem> {
        Self::none()
    }
}
