//! The state as records, and back.

use bytes::Bytes;
use model::FEATURE_LEVEL;
use prost::Message;
use std::sync::Arc;

use crate::change::{Kind, Object};
use crate::state::State;
use crate::transaction::TransactionReply;

/// One record of a snapshot.
#[derive(Clone, PartialEq, prost::Message)]
struct Record {
    #[prost(oneof = "Part", tags = "1, 2, 3")]
    part: Option<Part>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one of them at a time, and most are objects"
)]
enum Part {
    #[prost(message, tag = "1")]
    Head(Head),
    #[prost(message, tag = "2")]
    Object(Object),
    #[prost(message, tag = "3")]
    Request(Request),
}

#[derive(Clone, Copy, PartialEq, prost::Message)]
struct Head {
    #[prost(uint32, tag = "1")]
    feature_level: u32,
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(uint64, tag = "3")]
    term: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Request {
    #[prost(string, tag = "1")]
    id: String,
    #[prost(message, required, tag = "2")]
    reply: TransactionReply,
}

/// A snapshot that is not understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// A later version of this program wrote it.
    #[error(
        "the state is of feature level {found}, this version understands {FEATURE_LEVEL}: start the version that was here before, or a later one"
    )]
    TooNew {
        /// Its level.
        found: u32,
    },
    /// It is not a snapshot of ours.
    #[error("record {number} of the snapshot is not understood: {reason}")]
    Garbled {
        /// Counted from 1.
        number: u64,
        /// Why not.
        reason: String,
    },
    /// It ends before it begins.
    #[error("the snapshot is empty")]
    Empty,
}

impl State {
    /// The state as records: a head, the objects by table and id, the remembered requests by age.
    pub fn records(self) -> impl Iterator<Item = Bytes> + Send + Sync {
        let level = self.cluster().map_or(0, |cluster| cluster.feature_level);
        let head = Part::Head(Head {
            feature_level: level,
            version: self.version,
            term: self.term,
        });
        let objects = objects(&self.clusters)
            .chain(objects(&self.nodes))
            .chain(objects(&self.tasks))
            .chain(objects(&self.configs))
            .chain(objects(&self.services))
            .chain(objects(&self.revisions))
            .chain(objects(&self.stacks))
            .chain(objects(&self.deployments))
            .chain(objects(&self.secrets))
            .chain(objects(&self.networks));
        let answers = self.requests.clone();
        let requests = self.request_order.into_iter().filter_map(move |id| {
            let reply = answers.get(&id)?.clone();
            Some(Part::Request(Request {
                id: id.to_string(),
                reply,
            }))
        });
        std::iter::once(head)
            .chain(objects)
            .chain(requests)
            .map(|part| Record { part: Some(part) }.encode_to_vec().into())
    }

    /// The state that records stand for.
    pub fn from_records<E: ToString>(
        records: impl Iterator<Item = Result<Bytes, E>>,
    ) -> Result<State, RestoreError> {
        let mut state = State::default();
        let mut number = 0;
        for record in records {
            number += 1;
            let garbled = |reason: String| RestoreError::Garbled { number, reason };
            let bytes = record.map_err(|error| garbled(error.to_string()))?;
            let record = Record::decode(bytes).map_err(|error| garbled(error.to_string()))?;
            match record.part {
                Some(Part::Head(head)) if number == 1 => {
                    if head.feature_level > FEATURE_LEVEL {
                        return Err(RestoreError::TooNew {
                            found: head.feature_level,
                        });
                    }
                    (state.version, state.term) = (head.version, head.term);
                }
                Some(Part::Object(Object { kind: Some(kind) })) if number > 1 => state.put(kind),
                Some(Part::Request(request)) if number > 1 => {
                    let id = Arc::<str>::from(request.id);
                    state.requests.insert(id.clone(), request.reply);
                    state.request_order.push_back(id);
                }
                _ => {
                    return Err(garbled(
                        "of a kind that this version does not know, or out of place".to_owned(),
                    ));
                }
            }
        }
        if number == 0 {
            Err(RestoreError::Empty)
        } else {
            Ok(state)
        }
    }

    fn put(&mut self, object: Kind) {
        match object {
            Kind::Cluster(cluster) => drop(self.clusters.put(cluster)),
            Kind::Node(node) => drop(self.nodes.put(*node)),
            Kind::Task(task) => drop(self.tasks.put(task)),
            Kind::Config(config) => drop(self.configs.put(config)),
            Kind::Service(service) => drop(self.services.put(*service)),
            Kind::Revision(revision) => drop(self.revisions.put(*revision)),
            Kind::Stack(stack) => drop(self.stacks.put(stack)),
            Kind::Deployment(deployment) => drop(self.deployments.put(*deployment)),
            Kind::Secret(secret) => drop(self.secrets.put(secret)),
            Kind::Network(network) => drop(self.networks.put(network)),
        }
    }
}

fn objects<T: crate::Stored>(
    table: &crate::Table<T>,
) -> impl Iterator<Item = Part> + Send + Sync + use<T>
where
    Arc<T>: Into<Kind>,
{
    table.clone().into_objects().map(|object| {
        Part::Object(Object {
            kind: Some(object.into()),
        })
    })
}
