//! The remote journal: another node's journal over gRPC.
