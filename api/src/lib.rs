//! Wire types of the network API.
