//! The dialler seen from outside: addresses, URLs, replies and connections.

mod addresses;
mod connections;
mod replies;
mod scripted;
mod urls;
