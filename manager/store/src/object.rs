//! What a table asks of its objects.

use model::{
    Cluster, Config, Deployment, Meta, Network, Node, Revision, Secret, Service, Stack, Task,
};

/// The index that groups objects by what they belong to: tasks and revisions by service, services and the like by stack.
pub(crate) const BY_OWNER: usize = 0;
/// The index that groups tasks by node.
pub(crate) const BY_NODE: usize = 1;

/// An object that lives in a table.
pub trait Stored: Clone + Send + Sync + 'static {
    /// The table's number in the log, that of [`Kind`](crate::Kind)'s field. Never changes.
    const TABLE: u32;
    /// What people call it.
    const NOUN: &'static str;

    /// Its id.
    fn id(&self) -> &str;
    /// Its version and times.
    fn meta(&self) -> &Meta;
    /// The same, for the store.
    fn meta_mut(&mut self) -> &mut Meta;
    /// Its name, where names are unique in the table.
    fn unique_name(&self) -> Option<&str> {
        None
    }
    /// How many indexes group it.
    const GROUPS: usize = 0;
    /// The id under which an index, counted from 0, groups it.
    fn group(&self, _index: usize) -> Option<&str> {
        None
    }
}

macro_rules! stored {
    ($object:ident, $table:literal, $noun:literal $(, $extra:item)*) => {
        impl Stored for $object {
            const TABLE: u32 = $table;
            const NOUN: &'static str = $noun;

            fn id(&self) -> &str {
                &self.id
            }

            fn meta(&self) -> &Meta {
                &self.meta
            }

            fn meta_mut(&mut self) -> &mut Meta {
                &mut self.meta
            }

            $($extra)*
        }
    };
}

stored!(Cluster, 1, "cluster");
stored!(Node, 2, "node");
stored!(
    Task,
    3,
    "task",
    const GROUPS: usize = 2;,
    fn group(&self, index: usize) -> Option<&str> {
        let id = match index {
            BY_OWNER => &self.service_id,
            _ => &self.node_id,
        };
        (!id.is_empty()).then_some(id.as_str())
    }
);
stored!(
    Config,
    4,
    "config",
    fn unique_name(&self) -> Option<&str> {
        Some(&self.spec.name)
    }
);
stored!(
    Service,
    5,
    "service",
    const GROUPS: usize = 1;,
    fn unique_name(&self) -> Option<&str> {
        Some(&self.spec.name)
    },
    fn group(&self, _: usize) -> Option<&str> {
        (!self.stack_id.is_empty()).then_some(self.stack_id.as_str())
    }
);
stored!(
    Revision,
    6,
    "revision",
    const GROUPS: usize = 1;,
    fn group(&self, _: usize) -> Option<&str> {
        Some(&self.service_id)
    }
);
stored!(
    Stack,
    7,
    "stack",
    fn unique_name(&self) -> Option<&str> {
        Some(&self.name)
    }
);
stored!(
    Deployment,
    8,
    "deployment",
    const GROUPS: usize = 1;,
    fn group(&self, _: usize) -> Option<&str> {
        Some(&self.stack_id)
    }
);
stored!(
    Secret,
    9,
    "secret",
    fn unique_name(&self) -> Option<&str> {
        Some(&self.spec.name)
    }
);
stored!(
    Network,
    10,
    "network",
    const GROUPS: usize = 1;,
    fn unique_name(&self) -> Option<&str> {
        Some(&self.spec.name)
    },
    fn group(&self, _: usize) -> Option<&str> {
        (!self.stack_id.is_empty()).then_some(self.stack_id.as_str())
    }
);
