//! The node: ingest, planner, queries and subscriptions over HTTP.
