//! What managers agree on: changes that are made together or not at all.

use crate::change::Change;

/// Changes that are made together or not at all.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Transaction {
    /// Drawn by who asked. A second transaction of the same id changes nothing and is answered as the first was. Empty for none.
    #[prost(string, tag = "1")]
    pub request_id: String,
    /// What must be understood to apply it.
    #[prost(uint32, tag = "2")]
    pub feature_level: u32,
    /// The term of the leader that built it: it is void if another leads by the time it is applied.
    #[prost(uint64, tag = "3")]
    pub term: u64,
    /// The leader's clock: milliseconds since 1970 (UTC).
    #[prost(int64, tag = "4")]
    pub at_ms: i64,
    /// The changes, in order.
    #[prost(message, repeated, tag = "5")]
    pub changes: Vec<Change>,
}

/// One entry of the log: transactions that were proposed together, each for itself.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Batch {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub transactions: Vec<Transaction>,
}

/// What became of a transaction.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct TransactionReply {
    /// Index of the log entry that it was applied with; the version of every object that it changed.
    #[prost(uint64, tag = "1")]
    pub version: u64,
    /// Why nothing was changed.
    #[prost(message, optional, tag = "2")]
    pub refusal: Option<Refusal>,
}

/// The answers to a batch.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct BatchReply {
    /// In the order of the batch.
    #[prost(message, repeated, tag = "1")]
    pub replies: Vec<TransactionReply>,
}

/// Why a transaction changed nothing.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Refusal {
    /// Of which kind.
    #[prost(enumeration = "RefusalKind", tag = "1")]
    pub kind: i32,
    /// For people.
    #[prost(string, tag = "2")]
    pub message: String,
}

/// Why a transaction changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum RefusalKind {
    /// It makes no sense.
    Invalid = 0,
    /// An object is not there.
    Missing = 1,
    /// An id or a name is taken.
    Exists = 2,
    /// An object was changed since it was read.
    Overtaken = 3,
    /// Another manager leads by now.
    Fenced = 4,
}

impl Refusal {
    fn new(kind: RefusalKind, message: String) -> Self {
        Refusal {
            kind: kind.into(),
            message,
        }
    }

    /// It makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Refusal::new(RefusalKind::Invalid, message.into())
    }

    /// An object is not there.
    pub fn missing(noun: &str, id: &str) -> Self {
        Refusal::new(RefusalKind::Missing, format!("there is no {noun} `{id}`"))
    }

    /// An id or a name is taken.
    pub fn exists(noun: &str, name: &str) -> Self {
        Refusal::new(
            RefusalKind::Exists,
            format!("a {noun} `{name}` exists already"),
        )
    }

    pub(crate) fn overtaken(noun: &str, id: &str, based_on: u64, now: u64) -> Self {
        let message = format!(
            "{noun} `{id}` was changed meanwhile (version {now}, this change is based on {based_on}); look at it and try again"
        );
        Refusal::new(RefusalKind::Overtaken, message)
    }

    pub(crate) fn fenced(built: u64, now: u64) -> Self {
        Refusal::new(
            RefusalKind::Fenced,
            format!("the leader of term {built} was replaced in term {now}"),
        )
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
