//! Customers in numbers: purchases of one, an overview of all.

use std::collections::BTreeMap;

use serde::Serialize;
use tidings_db::work;
use tidings_events::EventType;
use tidings_kernel::{CustomerId, Permission, Problem};
use tidings_web::{Access, Answer, Body, Call, Changed, Op, Path, Routes, commit};
use utoipa::ToSchema;

use crate::api::customers::changed;
use crate::api::views::CustomerView;
use crate::commands::RecordPurchase;
use crate::service::{Customers, Overview};
use crate::validation::exponent_of;

/// A tenant's customers in numbers; deleted ones are not counted.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OverviewView {
    /// How many there are.
    pub total_customers: i64,
    /// How many were made within the last 30 days.
    pub new_customers_30_days: i64,
    /// How many stand where.
    pub by_status: BTreeMap<String, i64>,
    /// How many are what.
    pub by_type: BTreeMap<String, i64>,
    /// How many are worth how much.
    pub by_tier: BTreeMap<String, i64>,
    /// What they have paid, by currency; amounts of different currencies are not added up.
    pub lifetime_values: Vec<LifetimeValueView>,
}

/// What customers have paid in one currency.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LifetimeValueView {
    /// ISO 4217 currency.
    pub currency: String,
    /// The currency's decimals.
    pub currency_exponent: u8,
    /// How many customers have paid in it.
    pub customers: i64,
    /// What they have paid, in minor units; 9223372036854775807 where it is more than that.
    pub lifetime_value: i64,
    /// What each has paid on average, rounded down.
    pub average_lifetime_value: i64,
}

impl From<Overview> for OverviewView {
    fn from(overview: Overview) -> Self {
        let Overview { by_status, by_type, by_tier, new_customers, lifetime_values } = overview;
        // What does not fit is told as the largest number there is; an average fits always.
        let told = |amount: i128| i64::try_from(amount).unwrap_or(i64::MAX);
        let lifetime_value = |(currency, customers, paid): (String, i64, i128)| LifetimeValueView {
            currency_exponent: exponent_of(&currency).unwrap_or_default(),
            currency,
            customers,
            lifetime_value: told(paid),
            average_lifetime_value: paid.checked_div(i128::from(customers)).map_or(0, told),
        };
        Self {
            total_customers: by_status.iter().map(|(_, count)| count).sum(),
            new_customers_30_days: new_customers,
            by_status: by_status.into_iter().collect(),
            by_type: by_type.into_iter().collect(),
            by_tier: by_tier.into_iter().collect(),
            lifetime_values: lifetime_values.into_iter().map(lifetime_value).collect(),
        }
    }
}

pub(super) fn routes(routes: Routes<Customers>) -> Routes<Customers> {
    routes
        .change(
            Op::post(
                "/api/v1/customers/{id}/metrics/purchase",
                "recordPurchase",
                Access::Needs(Permission::CustomersUpdate),
            )
            .status(200)
            .summary("Add a purchase to a customer's figures; each order counts once")
            .emits(&[EventType::CustomerPurchaseRecorded]),
            record_purchase,
        )
        .read(
            Op::get(
                "/api/v1/customers/metrics/overview",
                "getCustomersOverview",
                Access::Needs(Permission::CustomersRead),
            )
            .summary("The customers in numbers"),
            overview,
        )
}

async fn record_purchase(
    customers: Customers,
    call: Call,
    (Path(id), Body(input)): (Path<CustomerId>, Body<RecordPurchase>),
) -> Result<Changed<CustomerView>, Problem> {
    let expected = call.if_match()?;
    let unit =
        work!([customers, input], |work| customers.record_purchase(work, id, expected, input));
    commit(&call, unit, changed).await
}

async fn overview(
    customers: Customers,
    call: Call,
    (): (),
) -> Result<Answer<OverviewView>, Problem> {
    let overview = customers.customers_overview(call.ctx.tenant_id).await?;
    Ok(Answer::new(overview.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sum_that_does_not_fit_is_told_as_the_largest_number() {
        let most = i128::from(i64::MAX);
        for (customers, paid, value, average) in [
            (0, 0, 0, 0),
            (2, 7, 7, 3),
            (1, most, i64::MAX, i64::MAX),
            (10_000, 10_000 * 1_000_000_000_000_000, i64::MAX, 1_000_000_000_000_000),
            (1, most + 1, i64::MAX, i64::MAX),
        ] {
            let lifetime_values = vec![("EUR".to_owned(), customers, paid)];
            let view = OverviewView::from(Overview { lifetime_values, ..Overview::default() });
            let told = &view.lifetime_values[0];
            assert_eq!((told.lifetime_value, told.average_lifetime_value), (value, average));
        }
    }
}
