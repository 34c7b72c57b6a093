//! HTTP: extractors, answers, problems, idempotency, permissions, OpenAPI.
