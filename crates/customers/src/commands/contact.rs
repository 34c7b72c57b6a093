//! A person to ask at a customer.

use serde::Deserialize;
use tidings_events::customers::ContactRole;
use tidings_kernel::Problem;
use utoipa::ToSchema;

use crate::validation::{EMAIL_CHARS_MAX, Faults, NOT_AN_ADDRESS, is_mail_address};

/// Adds a person to ask at a customer.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AddContact {
    /// What the person is asked about.
    pub role: ContactRole,
    /// The person's name, 1 to 200 characters.
    pub name: String,
    /// The person's mail address, at most 255 characters.
    pub email: Option<String>,
    /// The person's telephone number, at most 30 characters.
    pub phone: Option<String>,
}

impl AddContact {
    /// The same, tidied; or everything that is wrong with it.
    pub fn checked(mut self) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        faults.needed("name", &mut self.name, 200);
        faults.optional("email", &mut self.email, EMAIL_CHARS_MAX);
        if self.email.as_deref().is_some_and(|email| !is_mail_address(email)) {
            faults.push("/email".to_owned(), "invalid", NOT_AN_ADDRESS);
        }
        faults.optional("phone", &mut self.phone, 30);
        faults.or(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_told_at_once() {
        let contact = AddContact {
            role: ContactRole::Billing,
            name: " ".to_owned(),
            email: Some("grace".to_owned()),
            phone: Some("1".repeat(31)),
        };
        let problem = contact.checked().unwrap_err();
        let pointers: Vec<_> = problem.errors.iter().map(|e| e.pointer.as_str()).collect();
        assert_eq!(pointers, ["/name", "/email", "/phone"]);
    }
}
