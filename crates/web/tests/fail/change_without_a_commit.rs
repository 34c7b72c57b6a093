//! A handler that changes something answers with the proof of its commit.

use tidings_events::EventType;
use tidings_kernel::{Permission, Problem};
use tidings_web::{Access, Answer, Call, Op, Routes};

async fn create(_: (), _: Call, _: ()) -> Result<Answer<String>, Problem> {
    Ok(Answer::new("made, or so it says".to_owned()))
}

fn main() {
    let access = Access::Needs(Permission::CustomersCreate);
    let op = Op::post("/api/v1/customers", "createCustomer", access);
    let _ = Routes::new("customers", ()).change(op.emits(&[EventType::CustomerCreated]), create);
}
