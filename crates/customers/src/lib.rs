//! Customers: the model slice.
