//! Names, end to end.
