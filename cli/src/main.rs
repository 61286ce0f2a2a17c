//! minictl
fn main() {}
