//! Every statement of the program, for the test that prepares each on both engines.

use tidings_db::Statement;

/// Every statement of the program.
pub fn all_statements() -> Vec<&'static Statement> {
    tidings_db::statements()
        .chain(tidings_jobs::statements())
        .chain(tidings_web::statements())
        .chain(tidings_identity::statements())
        .chain(tidings_webhooks::statements())
        .collect()
}
