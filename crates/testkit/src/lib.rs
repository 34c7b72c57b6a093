//! One way to write every test.
