//! Adds a purchase to a customer's figures.

use tidings_db::{Silent, UnitOfWork};
use tidings_kernel::{CustomerId, Version};

use crate::commands::RecordPurchase;
use crate::customer::Customer;
use crate::error::CustomerError;
use crate::service::history::{self, Line};
use crate::service::{Customers, get_for_change};
use crate::store::purchases;

impl Customers {
    /// Adds a purchase to a customer's figures. The same order again changes nothing.
    pub async fn record_purchase(
        &self,
        work: &mut UnitOfWork,
        id: CustomerId,
        expected: Option<Version>,
        input: RecordPurchase,
    ) -> Result<Customer, CustomerError> {
        let input = input.checked()?;
        let customer = get_for_change(work, id, expected).await?;
        let (tenant_id, now) = (customer.tenant_id, work.now());
        let RecordPurchase { amount, currency, order_id } = input;
        let currency =
            currency.or_else(|| customer.purchase_currency()).ok_or(CustomerError::NoCurrency)?;
        if let Some(order_id) = &order_id {
            let counted = purchases::find(&mut work.reader(), tenant_id, id, order_id).await?;
            match counted {
                Some(known) if known == (amount, currency.clone()) => return Ok(customer),
                Some(_) => return Err(CustomerError::OtherOrder),
                None => {}
            }
        }
        let paid = (amount, currency.clone());
        let customer = work.apply(customer.purchase(paid, order_id.clone(), now)?).await?;
        if let Some(order_id) = &order_id {
            let mut writer = work.silent(Silent::History);
            let order = (tenant_id, id, order_id.as_str());
            purchases::add(&mut writer, order, (amount, &currency), now).await?;
        }
        history::write(work, vec![Line::purchase(id, order_id)]).await?;
        Ok(customer)
    }
}
