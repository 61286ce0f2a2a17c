//! One change of one object, as it lies in the log.

use std::sync::Arc;

use model::{Cluster, Config, Deployment, Network, Node, Revision, Secret, Service, Stack, Task};

/// Any object, whole.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Object {
    /// Which.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10")]
    pub kind: Option<Kind>,
}

/// The kinds of objects.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    /// The cluster.
    #[prost(message, tag = "1")]
    Cluster(Cluster),
    /// A machine.
    #[prost(message, boxed, tag = "2")]
    Node(Box<Node>),
    /// A unit of work.
    #[prost(message, tag = "3")]
    Task(Task),
    /// A configuration file.
    #[prost(message, tag = "4")]
    Config(Config),
    /// What runs for as long as it is wanted.
    #[prost(message, boxed, tag = "5")]
    Service(Box<Service>),
    /// What tasks of a service ran at one time.
    #[prost(message, boxed, tag = "6")]
    Revision(Box<Revision>),
    /// What is deployed together.
    #[prost(message, tag = "7")]
    Stack(Stack),
    /// What was asked for by one deployment.
    #[prost(message, boxed, tag = "8")]
    Deployment(Box<Deployment>),
    /// What services are given and nobody else may read.
    #[prost(message, tag = "9")]
    Secret(Secret),
    /// A network.
    #[prost(message, tag = "10")]
    Network(Network),
}

/// What is done to an object.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Change {
    /// Which.
    #[prost(oneof = "Action", tags = "1, 2, 3")]
    pub action: Option<Action>,
}

/// What may be done to an object.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Action {
    /// It comes to be; its id and name must be free.
    #[prost(message, tag = "1")]
    Create(Object),
    /// It is replaced, if its version still is that of `meta.version`.
    #[prost(message, tag = "2")]
    Update(Object),
    /// It goes.
    #[prost(message, tag = "3")]
    Remove(Removal),
}

/// An object that goes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Removal {
    /// The table, as [`Kind`] numbers them.
    #[prost(uint32, tag = "1")]
    pub table: u32,
    /// Its id.
    #[prost(string, tag = "2")]
    pub id: String,
    /// The version it must have; 0 for any.
    #[prost(uint64, tag = "3")]
    pub version: u64,
}

impl Change {
    /// The object comes to be.
    pub fn create(object: impl Into<Kind>) -> Self {
        Change {
            action: Some(Action::Create(Object {
                kind: Some(object.into()),
            })),
        }
    }

    /// The object is replaced; `meta.version` names the version that this one is based on.
    pub fn update(object: impl Into<Kind>) -> Self {
        Change {
            action: Some(Action::Update(Object {
                kind: Some(object.into()),
            })),
        }
    }

    /// The object goes, if it still is as it was when `object` was read.
    pub fn remove<T: crate::Stored>(object: &T) -> Self {
        Change {
            action: Some(Action::Remove(Removal {
                table: T::TABLE,
                id: object.id().to_owned(),
                version: object.meta().version,
            })),
        }
    }
}

macro_rules! kinds {
    ($($kind:ident),* ; boxed $($boxed:ident),*) => {
        $(
            impl From<$kind> for Kind {
                fn from(object: $kind) -> Self {
                    Kind::$kind(object)
                }
            }
            impl From<Arc<$kind>> for Kind {
                fn from(object: Arc<$kind>) -> Self {
                    Kind::$kind(Arc::unwrap_or_clone(object))
                }
            }
        )*
        $(
            impl From<$boxed> for Kind {
                fn from(object: $boxed) -> Self {
                    Kind::$boxed(Box::new(object))
                }
            }
            impl From<Arc<$boxed>> for Kind {
                fn from(object: Arc<$boxed>) -> Self {
                    Kind::$boxed(Box::new(Arc::unwrap_or_clone(object)))
                }
            }
        )*
    };
}

// The large ones are boxed: every event and every change is as large as the largest.
kinds!(Cluster, Task, Config, Stack, Secret, Network; boxed Node, Service, Revision, Deployment);
