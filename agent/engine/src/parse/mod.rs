//! Values as Docker spells them. Each is a type with `FromStr` (or a named constructor where one type has several
//! spellings); each error names the value and a correct example.

pub mod device;
pub mod duration;
pub mod environment;
pub mod limit;
pub mod mode;
pub mod mount;
pub mod network;
pub mod port;
pub mod security;
pub mod size;

/// A value that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} \"{value}\": {why}; write it like {example}")]
pub struct ParseError {
    /// What the value should be.
    pub what: &'static str,
    /// As it was typed.
    pub value: String,
    /// What is wrong with it.
    pub why: String,
    /// A correct one.
    pub example: &'static str,
}

impl ParseError {
    pub(crate) fn new(
        what: &'static str,
        value: &str,
        why: impl Into<String>,
        example: &'static str,
    ) -> Self {
        ParseError {
            what,
            value: value.to_owned(),
            why: why.into(),
            example,
        }
    }
}
