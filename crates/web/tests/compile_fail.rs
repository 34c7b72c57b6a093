//! What must not compile: each file in `tests/fail` declares a route that would break a promise,
//! and beside it is what the compiler says to that.
//!
//! After a change of a message: `TRYBUILD=overwrite cargo test -p tidings-web --test compile_fail`,
//! and read whether each still fails for the reason that its first line gives.

#[test]
fn there_is_no_way_around_a_declared_route() {
    trybuild::TestCases::new().compile_fail("tests/fail/*.rs");
}
