//! What a table asks of its objects.

use model::{Cluster, Config, Meta, Node, Task};

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
    /// The id under which an index groups it.
    fn group(&self) -> Option<&str> {
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
    fn group(&self) -> Option<&str> {
        (!self.node_id.is_empty()).then_some(self.node_id.as_str())
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
