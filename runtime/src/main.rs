//! minirun
fn main() {}
