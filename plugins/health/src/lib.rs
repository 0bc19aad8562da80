//! The health plugin.
