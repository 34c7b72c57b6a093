//! A change cannot be put together with the events of another one.

use tidings_kernel::{Change, Entity};

fn move_on<S: Entity>(next: S, told: Change<S>) -> Change<S> {
    Change { state: next, ..told }
}

fn main() {}
