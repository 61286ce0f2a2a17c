#![forbid(unsafe_code)]
//! Who a node is.
