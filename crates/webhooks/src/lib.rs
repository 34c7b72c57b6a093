//! Subscriptions, matching, signing and the delivery engine.
