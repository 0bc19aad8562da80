//! The conformance suite: what every backend's tests run against the backend.
