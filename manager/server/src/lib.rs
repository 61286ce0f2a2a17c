#![forbid(unsafe_code)]
//! Server.
