//! A query only reads: its text is looked at when it is compiled.

tidings_db::statements! {
    query ADD = "INSERT INTO things (tenant_id, id) VALUES ($1, $2)";
}

fn main() {}
