//! A statement touches one tenant's rows, unless it is declared to touch everybody's.

tidings_db::statements! {
    query GET = "SELECT name FROM things WHERE id = $1";
}

fn main() {}
