//! The verbs over a database, with their jobs.

mod deletion;
mod segments;
mod verbs;
mod world;
