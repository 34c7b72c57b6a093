//! A writer is lent by a unit of work. Nobody else can make one.

use tidings_db::Writer;

fn main() {
    let _ = Writer { conn: todo!() };
}
