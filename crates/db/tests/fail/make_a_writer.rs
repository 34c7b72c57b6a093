//! A writer is lent by a unit of work. Nobody else can make one.

use tidings_db::Writer;

fn made_up<T>() -> T {
    unimplemented!()
}

fn main() {
    let _ = Writer { conn: made_up() };
}
