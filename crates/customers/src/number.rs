//! The number that people use for a customer.

use std::str::FromStr;

use serde::{Deserialize, Serialize};
use tidings_kernel::CustomerId;
use utoipa::ToSchema;

/// What every number starts with.
const PREFIX: &str = "CUST-";
/// Spreads the attempts over the numbers: 2 to the 32nd divided by the golden ratio.
const SPREAD: u32 = 0x9E37_79B9;

/// `CUST-` and eight hexadecimal digits, unique in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
pub struct CustomerNumber(String);

/// A text that is no customer number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a customer number is CUST- and eight hexadecimal digits")]
pub struct CustomerNumberError;

impl CustomerNumber {
    /// The number of a customer: taken from the random end of its id, so that the same id gives the
    /// same number again. Where that number is in use, the next attempt gives another.
    pub fn of(id: CustomerId, attempt: u32) -> Self {
        let bytes = id.uuid().into_bytes();
        let [.., a, b, c, d] = bytes;
        let number = u32::from_be_bytes([a, b, c, d]).wrapping_add(attempt.wrapping_mul(SPREAD));
        Self(format!("{PREFIX}{number:08X}"))
    }

    /// The number as it is shown.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerNumber {
    type Err = CustomerNumberError;

    fn from_str(text: &str) -> Result<Self, CustomerNumberError> {
        let number = text.to_ascii_uppercase();
        let digits = number.strip_prefix(PREFIX).ok_or(CustomerNumberError)?;
        if digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Ok(Self(number))
        } else {
            Err(CustomerNumberError)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_kernel::Uuid;

    #[test]
    fn an_id_gives_the_same_number_again_and_each_attempt_another() {
        let id = CustomerId::from_uuid(Uuid::from_u128(0x9d2e_7a01));
        assert_eq!(CustomerNumber::of(id, 0).as_str(), "CUST-9D2E7A01");
        assert_eq!(CustomerNumber::of(id, 1), CustomerNumber::of(id, 1));
        assert_ne!(CustomerNumber::of(id, 0), CustomerNumber::of(id, 1));
    }

    #[test]
    fn a_number_is_read_in_any_case_and_nothing_else_is() {
        let number: CustomerNumber = "cust-9d2e7a01".parse().unwrap();
        assert_eq!(number.as_str(), "CUST-9D2E7A01");
        for wrong in ["9D2E7A01", "CUST-9D2E7A0", "CUST-9D2E7A0G", "CUST-9D2E7A011", ""] {
            assert_eq!(wrong.parse::<CustomerNumber>(), Err(CustomerNumberError), "{wrong}");
        }
    }
}
