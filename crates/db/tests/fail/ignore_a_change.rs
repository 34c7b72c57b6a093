//! A change that is not applied is a mistake.
#![deny(unused_must_use)]

use tidings_kernel::{Change, Entity};

fn decide<S: Entity>(next: S, event: S::Event) -> Change<S> {
    Change::new(next, event)
}

fn forget<S: Entity>(next: S, event: S::Event) {
    decide(next, event);
}

fn main() {}
