//! What is computed about a customer. None of it ever fires `customer.updated`.

use serde::{Deserialize, Serialize};
use tidings_kernel::{Timestamp, limits};

use crate::error::CustomerError;

/// What a customer has bought.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// What was paid in all, in minor units of `currency`.
    pub lifetime_value: i64,
    /// The currency of the first purchase, and so of all.
    pub currency: Option<String>,
    /// How many purchases there were.
    pub total_purchases: i64,
    /// When the first was.
    pub first_purchase_at: Option<Timestamp>,
    /// When the last was.
    pub last_purchase_at: Option<Timestamp>,
}

impl Figures {
    /// Adds a purchase. Amounts of different currencies are never added up.
    pub fn with_purchase(
        self,
        amount: i64,
        currency: &str,
        now: Timestamp,
    ) -> Result<Self, CustomerError> {
        if let Some(known) = self.currency.as_deref().filter(|known| *known != currency) {
            return Err(CustomerError::OtherCurrency { known: known.to_owned() });
        }
        let sum = self.lifetime_value.checked_add(amount).filter(|sum| *sum <= limits::AMOUNT_MAX);
        Ok(Self {
            lifetime_value: sum.ok_or(CustomerError::TooMuch)?,
            currency: Some(currency.to_owned()),
            total_purchases: self.total_purchases.saturating_add(1),
            first_purchase_at: self.first_purchase_at.or(Some(now)),
            last_purchase_at: Some(now),
        })
    }

    /// What a purchase was worth on average, rounded down to the minor unit.
    pub fn average_order_value(&self) -> Option<i64> {
        self.lifetime_value.checked_div(self.total_purchases)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn purchases_add_up_in_one_currency_and_never_above_their_bound() {
        let now = Timestamp::from_micros(7);
        let one = Figures::default().with_purchase(1_000, "EUR", Timestamp::default()).unwrap();
        let two = one.with_purchase(501, "EUR", now).unwrap();
        assert_eq!((two.lifetime_value, two.average_order_value()), (1_501, Some(750)));
        assert_eq!(two.first_purchase_at, Some(Timestamp::default()));
        assert_eq!(two.last_purchase_at, Some(now));
        let mixed = two.clone().with_purchase(1, "USD", now);
        assert!(matches!(mixed, Err(CustomerError::OtherCurrency { known }) if known == "EUR"));
        let rest = limits::AMOUNT_MAX - two.lifetime_value;
        let full = two.clone().with_purchase(rest, "EUR", now).unwrap();
        assert_eq!(full.lifetime_value, limits::AMOUNT_MAX);
        for (figures, amount) in [(full, 1), (two.clone(), rest + 1), (two, i64::MAX)] {
            let much = figures.with_purchase(amount, "EUR", now);
            assert!(matches!(much, Err(CustomerError::TooMuch)), "{amount}");
        }
        assert_eq!(Figures::default().average_order_value(), None);
    }
}
