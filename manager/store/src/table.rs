//! Objects of one kind, by id, by unique name, and by the group they belong to. Copies cost nothing: they share what is alike.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::object::Stored;
use crate::transaction::Refusal;

/// A table.
pub struct Table<T> {
    by_id: OrdMap<Arc<str>, Arc<T>>,
    by_name: OrdMap<Arc<str>, Arc<str>>,
    /// Which index, and the group's id.
    by_group: OrdMap<(usize, Arc<str>), OrdSet<Arc<str>>>,
}

impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Table {
            by_id: self.by_id.clone(),
            by_name: self.by_name.clone(),
            by_group: self.by_group.clone(),
        }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Table {
            by_id: OrdMap::new(),
            by_name: OrdMap::new(),
            by_group: OrdMap::new(),
        }
    }
}

impl<T: Stored> Table<T> {
    /// The object of that id.
    pub fn get(&self, id: &str) -> Option<&Arc<T>> {
        self.by_id.get(id)
    }

    /// The object of that unique name.
    pub fn named(&self, name: &str) -> Option<&Arc<T>> {
        self.get(self.by_name.get(name)?)
    }

    /// The objects of an index's group, by id.
    pub(crate) fn in_group(&self, index: usize, group: &str) -> impl Iterator<Item = &Arc<T>> {
        self.by_group
            .get(&(index, Arc::from(group)))
            .into_iter()
            .flatten()
            .filter_map(|id| self.get(id))
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<T>> {
        self.by_id.values()
    }

    /// The same, with nothing borrowed.
    pub(crate) fn into_objects(self) -> impl Iterator<Item = Arc<T>> + Send + Sync + use<T> {
        self.by_id.into_iter().map(|(_, object)| object)
    }

    /// The objects whose id begins like that, by id: people type the beginning only.
    pub fn with_prefix(&self, prefix: &str) -> impl Iterator<Item = &Arc<T>> {
        let from = Arc::<str>::from(prefix);
        let prefix = prefix.to_owned();
        self.by_id
            .range(from..)
            .map(|(_, object)| object)
            .take_while(move |object| object.id().starts_with(&prefix))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// Tells whether an object may come to be.
    pub(crate) fn check_create(&self, object: &T) -> Result<(), Refusal> {
        if object.id().is_empty() {
            return Err(Refusal::invalid(format!("a {} without an id", T::NOUN)));
        }
        if self.by_id.contains_key(object.id()) {
            return Err(Refusal::exists(T::NOUN, object.id()));
        }
        self.check_name(object)
    }

    /// Tells whether an object may be replaced by this one, which is based on the version in its meta.
    pub(crate) fn check_update(&self, object: &T) -> Result<(), Refusal> {
        self.check_version(object.id(), object.meta().version)?;
        self.check_name(object)
    }

    /// Tells whether an object is there, in that version; 0 is any.
    pub(crate) fn check_version(&self, id: &str, version: u64) -> Result<(), Refusal> {
        let Some(known) = self.get(id) else {
            return Err(Refusal::missing(T::NOUN, id));
        };
        if version != 0 && known.meta().version != version {
            return Err(Refusal::overtaken(
                T::NOUN,
                id,
                version,
                known.meta().version,
            ));
        }
        Ok(())
    }

    fn check_name(&self, object: &T) -> Result<(), Refusal> {
        let Some(name) = object.unique_name() else {
            return Ok(());
        };
        match self.by_name.get(name) {
            Some(holder) if &**holder != object.id() => Err(Refusal::exists(T::NOUN, name)),
            _ => Ok(()),
        }
    }

    /// Puts an object in, in place of the one that has its id.
    pub(crate) fn put(&mut self, object: T) -> Arc<T> {
        let id = match self.by_id.get_key_value(object.id()) {
            Some((id, _)) => id.clone(),
            None => Arc::from(object.id()),
        };
        let known = self.by_id.get(&id).cloned();
        let known = known.as_deref();
        self.forget(&id, Some(&object));
        if let Some(name) = object.unique_name()
            && known.and_then(T::unique_name) != Some(name)
        {
            self.by_name.insert(Arc::from(name), id.clone());
        }
        for index in 0..T::GROUPS {
            let Some(group) = object.group(index) else {
                continue;
            };
            if known.and_then(|known| known.group(index)) == Some(group) {
                continue;
            }
            let key = (index, Arc::from(group));
            match self.by_group.get_mut(&key) {
                Some(ids) => {
                    ids.insert(id.clone());
                }
                None => {
                    self.by_group.insert(key, OrdSet::unit(id.clone()));
                }
            }
        }
        let object = Arc::new(object);
        self.by_id.insert(id, object.clone());
        object
    }

    /// Takes an object out.
    pub(crate) fn take(&mut self, id: &str) -> Option<Arc<T>> {
        self.forget(id, None);
        self.by_id.remove(id)
    }

    /// Takes what the indexes know of an object out of them, but for what its successor says too.
    fn forget(&mut self, id: &str, successor: Option<&T>) {
        let Some(known) = self.by_id.get(id).cloned() else {
            return;
        };
        if let Some(name) = known.unique_name()
            && successor.and_then(T::unique_name) != Some(name)
        {
            self.by_name.remove(name);
        }
        for index in 0..T::GROUPS {
            let Some(group) = known.group(index) else {
                continue;
            };
            if successor.and_then(|object| object.group(index)) == Some(group) {
                continue;
            }
            let key = (index, Arc::from(group));
            if let Some(ids) = self.by_group.get_mut(&key) {
                ids.remove(id);
                if ids.is_empty() {
                    self.by_group.remove(&key);
                }
            }
        }
    }
}
