//! A `Committed` is the proof of a flush. Nobody but the database can make one.

use tidings_db::Committed;

fn main() {
    let _ = Committed::new("paid", Vec::new());
}
