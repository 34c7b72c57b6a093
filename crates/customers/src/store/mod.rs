//! Rows of the customers domain.

/// The columns of a customer, for every statement that reads one as `c`.
macro_rules! customer_columns {
    () => {
        "c.id, c.tenant_id, c.customer_number, c.status, c.profile, c.figures, \
         c.last_contact_at, c.deleted_at, c.erase_at, c.created_at, c.created_by, c.updated_at, \
         c.updated_by, c.version"
    };
}

pub(crate) mod activities;
pub(crate) mod consents;
pub(crate) mod contacts;
pub(crate) mod customers;
pub(crate) mod notes;
mod of_customer;
pub(crate) mod overview;
pub(crate) mod purchases;
pub(crate) mod search;
pub(crate) mod segments;

use tidings_db::Statement;

/// The statements of each file.
pub(crate) static ALL: [&[&Statement]; 9] = [
    activities::ALL,
    consents::ALL,
    contacts::ALL,
    customers::ALL,
    notes::ALL,
    overview::ALL,
    purchases::ALL,
    search::ALL,
    segments::ALL,
];
