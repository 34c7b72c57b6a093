//! The catalog: every event type, its payload, its schema, its example.
