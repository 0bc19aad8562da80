//! SQL over a replica's snapshot.
