//! A route emits types of the catalog, and no strings.

use tidings_kernel::Permission;
use tidings_web::{Access, Op};

fn main() {
    let access = Access::Needs(Permission::CustomersManageStatus);
    let _ = Op::patch("/api/v1/customers/{id}/status", "setCustomerStatus", access)
        .emits(&["customer.suspended"]);
}
