//! A `Committed` is the proof of a flush. Its fields are nobody's business.

use tidings_db::Committed;

fn main() {
    let _ = Committed { value: "paid", events: Vec::new() };
}
