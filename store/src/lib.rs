//! The replica: a time-series database that is a fold over the journal.
