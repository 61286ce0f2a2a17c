//! What is not used any more.

/// What to remove.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneSpec {
    /// Containers that don't run.
    pub containers: bool,
    /// Networks that no container uses.
    pub networks: bool,
    /// Anonymous volumes that no container uses.
    pub volumes: bool,
    /// Named ones too.
    pub all_volumes: bool,
    /// Images without a name that no container uses.
    pub images: bool,
    /// Named ones too.
    pub all_images: bool,
}

/// What was removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PruneReport {
    /// Ids.
    pub containers: Vec<String>,
    /// Names.
    pub networks: Vec<String>,
    /// Names.
    pub volumes: Vec<String>,
    /// References and ids.
    pub images: Vec<String>,
    /// Bytes.
    pub space: u64,
}
