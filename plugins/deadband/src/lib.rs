//! The deadband plugin.
