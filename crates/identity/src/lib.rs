//! Operator, tenants and API keys.
