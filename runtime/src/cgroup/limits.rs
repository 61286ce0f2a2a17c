//! What is written where for the limits of a container, decided without touching a file.

use oci_spec::runtime::LinuxResources;

use super::error::{CgroupError, Result};
use super::layout::{Controller, Layout, Version};
use super::{v1, v2};

/// One value for one file of the container's cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Write {
    pub(super) controller: Controller,
    /// Names of the file, newest first: the first that exists is written.
    pub(super) files: Vec<String>,
    pub(super) value: String,
    /// The limit as a person knows it.
    pub(super) limit: String,
    pub(super) absent: Absent,
    /// What to do when the kernel refuses the value.
    pub(super) hint: &'static str,
}

/// What it means when the kernel has no such file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Absent {
    /// The limit can't be enforced.
    Refuse(&'static str),
    /// What was asked for holds without the file.
    Fine,
    /// Matters only while the machine has swap.
    FineWithoutSwap,
}

impl Write {
    pub(super) fn new(
        controller: Controller,
        file: &str,
        value: impl ToString,
        limit: &str,
    ) -> Write {
        let value = value.to_string();
        Write {
            controller,
            files: vec![file.to_owned()],
            limit: format!("{limit} {value}"),
            value,
            absent: Absent::Refuse("this kernel is built without it"),
            hint: "the value is outside what this kernel and the parent cgroup allow",
        }
    }

    pub(super) fn or_file(mut self, file: &str) -> Write {
        self.files.push(file.to_owned());
        self
    }

    pub(super) fn absent(self, absent: Absent) -> Write {
        Write { absent, ..self }
    }

    pub(super) fn hint(self, hint: &'static str) -> Write {
        Write { hint, ..self }
    }
}

/// What the rules of one version say: writes, and limits that this version can't express.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) writes: Vec<Write>,
    pub(super) refused: Vec<(Controller, CgroupError)>,
}

impl Decided {
    pub(super) fn refuse(
        &mut self,
        controller: Controller,
        limit: impl Into<String>,
        why: impl Into<String>,
    ) {
        self.refused.push((
            controller,
            CgroupError::Unsupported {
                limit: limit.into(),
                why: why.into(),
            },
        ));
    }
}

/// Every write for these limits, each by the rules of the version that has its controller.
pub(super) fn writes(resources: &LinuxResources, layout: &Layout) -> Result<Vec<Write>> {
    let mut writes = Vec::new();
    for (version, decided) in [
        (Version::V1, v1::writes(resources)),
        (Version::V2, v2::writes(resources)),
    ] {
        for (controller, error) in decided.refused {
            if layout.version(controller) == Some(version) {
                return Err(error);
            }
        }
        for write in decided.writes {
            match layout.version(write.controller) {
                Some(at) if at == version => writes.push(write),
                Some(_) => {}
                None if write.absent == Absent::Fine => {}
                None => return Err(missing(write)),
            }
        }
    }
    writes.extend(v2::unified(resources, layout)?);
    Ok(writes)
}

fn missing(write: Write) -> CgroupError {
    let name = write.controller.v1_name();
    CgroupError::Unsupported {
        limit: write.limit,
        why: format!(
            "this machine has no {name} cgroup controller; leave the limit out or enable it in the kernel"
        ),
    }
}

/// -1 is what "no limit" is spelt as in the specification; 0 is "not given".
pub(super) fn given(value: Option<i64>) -> Option<i64> {
    value.filter(|value| *value != 0)
}
