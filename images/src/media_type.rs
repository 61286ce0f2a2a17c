//! The media types a registry may answer with.
