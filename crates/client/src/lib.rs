//! A typed HTTP client for the public API.
