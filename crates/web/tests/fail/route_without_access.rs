//! A route says who may call it. There is no default.

use tidings_web::Op;

fn main() {
    let _ = Op::get("/api/v1/customers", "listCustomers");
}
