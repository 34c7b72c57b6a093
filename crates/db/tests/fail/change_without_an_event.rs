//! There is no change without an event that tells of it.

use tidings_kernel::{Change, Entity};

fn move_on<S: Entity>(next: S) -> Change<S> {
    Change::new(next)
}

fn main() {}
