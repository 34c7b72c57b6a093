//! A `Changed` comes from `commit`, and from nowhere else.

use std::marker::PhantomData;

use tidings_kernel::Problem;
use tidings_web::{Call, Changed};

fn made_up<T>() -> T {
    unimplemented!()
}

async fn create(_: (), _: Call, _: ()) -> Result<Changed<String>, Problem> {
    Ok(Changed { origin: made_up(), view: PhantomData })
}

fn main() {}
