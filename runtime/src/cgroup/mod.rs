//! Control groups: where a container's processes are counted, limited, stopped and killed together, on cgroup v2, v1 and the
//! hybrid of both.
//!
//! What is written into which file is decided in [`limits`] without touching one. Nothing here talks to systemd, and
//! parents of a container's directory are never removed.

mod devices;
mod error;
mod files;
mod group;
mod layout;
mod limits;
mod processes;
mod program;
mod stats;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use oci_spec::runtime::LinuxResources;

pub use stats::{CpuStats, HugepageStats, IoStats, MemoryStats, PidsStats, Stats};

use crate::Result;
use error::CgroupError;
use group::Group;
use layout::{Controller, Layout, Version};

/// What the unified hierarchy is called among the paths of a state.
const UNIFIED: &str = "unified";

/// The directories of one container, one in each hierarchy.
#[derive(Debug)]
pub(crate) struct Cgroups {
    groups: Vec<Group>,
    plan: Option<Plan>,
}

/// What is to be written when the directories are made.
#[derive(Debug)]
struct Plan {
    writes: Vec<limits::Write>,
    devices: Vec<devices::Rule>,
}

/// How a process gets into the groups: descriptors opened beforehand, so that the way in needs no path.
#[derive(Debug)]
pub(crate) struct Entry {
    /// v1 `tasks` files: the process itself writes "0" into each (a fraction of a millisecond; `cgroup.procs` costs ten).
    pub(crate) tasks: Vec<OwnedFd>,
    /// The v2 directory, for clone3(2) with CLONE_INTO_CGROUP.
    pub(crate) unified: Option<OwnedFd>,
    /// The `cgroup.procs` of the v2 directory: where CLONE_INTO_CGROUP isn't to be had the process writes "0".
    pub(crate) unified_procs: Option<OwnedFd>,
}

impl Cgroups {
    /// Decides where the directories are and what is written into them, without making any.
    ///
    /// `cgroups_path` counts from the mount of each hierarchy. `slice:prefix:name`, systemd's way, is read as
    /// `slice/prefix-name.scope`. Without device rules the defaults of the OCI runtimes hold: no device but the few that
    /// every container has.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidSpec`] for a path that leaves the hierarchy, [`crate::ErrorKind::Limit`] for a limit that this
    /// machine can't enforce.
    pub(crate) fn plan(cgroups_path: &str, resources: Option<&LinuxResources>) -> Result<Cgroups> {
        let layout = Layout::of_this_machine()?;
        let relative = group::relative(cgroups_path)?;
        let groups = Group::all(&layout, &relative);
        if groups.is_empty() {
            return Err(CgroupError::NoHierarchy.into());
        }
        let writes = match resources {
            Some(resources) => limits::writes(resources, &layout)?,
            None => Vec::new(),
        };
        let rules = resources
            .and_then(|resources| resources.devices().as_deref())
            .unwrap_or_default();
        let devices = devices::rules(rules)?;
        Ok(Cgroups {
            groups,
            plan: Some(Plan { writes, devices }),
        })
    }

    /// Makes the directories, enables the controllers along the way (v2), writes every limit and loads the device rules.
    /// When something fails the directories made are removed again.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Limit`] names the file, the value and what to do when the kernel refuses a limit.
    pub(crate) fn create(&mut self) -> Result<()> {
        let Some(plan) = self.plan.take() else {
            return Ok(());
        };
        let made = self.make(&plan);
        if made.is_err() {
            // The first failure is the one to tell of.
            let _ = self.remove();
        }
        Ok(made?)
    }

    fn make(&self, plan: &Plan) -> error::Result<()> {
        for group in &self.groups {
            group.make()?;
        }
        files::write_all(&plan.writes, &|write| self.directory(write.controller))?;
        match self.find(Controller::Devices) {
            Some(group) => devices::write_v1(&plan.devices, &group.path),
            None => match self.unified() {
                Some(group) => program::attach(&plan.devices, &group.path),
                None => Ok(()),
            },
        }
    }

    /// Opens what a process needs to get in.
    pub(crate) fn entry(&self) -> Result<Entry> {
        let mut entry = Entry {
            tasks: Vec::new(),
            unified: None,
            unified_procs: None,
        };
        for group in &self.groups {
            match group.version {
                Version::V1 => entry
                    .tasks
                    .push(files::open_for_writing(&group.path.join("tasks"))?),
                Version::V2 => {
                    entry.unified = Some(files::open_directory(&group.path)?);
                    entry.unified_procs =
                        Some(files::open_for_writing(&group.path.join("cgroup.procs"))?);
                }
            }
        }
        Ok(entry)
    }

    /// The directories by controller (`memory`, `name=systemd`; `unified` for v2), as a state records them.
    pub(crate) fn paths(&self) -> BTreeMap<String, PathBuf> {
        let names = |group: &Group| group.names.clone();
        let all = self.groups.iter().flat_map(|group| {
            names(group)
                .into_iter()
                .map(|name| (name, group.path.clone()))
        });
        all.collect()
    }

    /// The groups of a container made earlier, from the [`Cgroups::paths`] in its state.
    pub(crate) fn from_paths(paths: &BTreeMap<String, PathBuf>) -> Cgroups {
        Cgroups {
            groups: Group::from_paths(paths),
            plan: None,
        }
    }

    /// The same groups one directory deeper, for `exec` into a cgroup below the container's own.
    ///
    /// # Errors
    /// [`crate::ErrorKind::InvalidSpec`] for a path that leaves the container's cgroup.
    pub(crate) fn below(&self, path: &str) -> Result<Cgroups> {
        let relative = group::relative(path)?;
        Ok(Cgroups {
            groups: self
                .groups
                .iter()
                .map(|group| group.below(&relative))
                .collect(),
            plan: None,
        })
    }

    /// Changes limits of a living container; device rules stay as they are.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Limit`], as [`Cgroups::create`].
    pub(crate) fn update(&self, resources: &LinuxResources) -> Result<()> {
        let writes = limits::writes(resources, &self.layout())?;
        Ok(files::write_all(&writes, &|write| {
            self.directory(write.controller)
        })?)
    }

    /// Removes the directories with all below them; waits a few seconds while killed processes are still leaving. Nothing there is
    /// fine.
    ///
    /// # Errors
    /// When processes are left in one.
    pub(crate) fn remove(&self) -> Result<()> {
        let mut first = Ok(());
        for group in &self.groups {
            let removed = files::remove(&group.path);
            first = first.and(removed);
        }
        Ok(first?)
    }

    /// What the container uses.
    pub(crate) fn stats(&self) -> Result<Stats> {
        Ok(stats::read(&|controller| {
            self.find_any(controller)
                .map(|group| (group.version, group.path.clone()))
        }))
    }

    /// Whether the kernel has killed a process of the container for want of memory.
    pub(crate) fn oom_killed(&self) -> bool {
        let Some(group) = self.find_any(Controller::Memory) else {
            return false;
        };
        match group.version {
            Version::V1 => files::tree(&group.path).iter().any(|directory| {
                files::keyed(&directory.join("memory.oom_control"), "oom_kill")
                    .is_some_and(|kills| kills > 0)
            }),
            Version::V2 => files::keyed(&group.path.join("memory.events"), "oom_kill")
                .is_some_and(|kills| kills > 0),
        }
    }

    /// The v1 directory of a controller.
    fn find(&self, controller: Controller) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.version == Version::V1 && group.controllers().contains(&controller))
    }

    fn unified(&self) -> Option<&Group> {
        self.groups
            .iter()
            .find(|group| group.version == Version::V2)
    }

    /// Where a controller's files are.
    fn find_any(&self, controller: Controller) -> Option<&Group> {
        self.find(controller).or_else(|| self.unified())
    }

    fn directory(&self, controller: Controller) -> Option<PathBuf> {
        self.find_any(controller).map(|group| group.path.clone())
    }

    /// The controllers as these groups have them.
    fn layout(&self) -> Layout {
        let mut layout = Layout::default();
        for group in &self.groups {
            match group.version {
                Version::V1 => layout.v1.push(layout::V1 {
                    mount: group.path.clone(),
                    controllers: group.controllers(),
                    names: group.names.clone(),
                }),
                Version::V2 => layout.v2 = Some(layout::V2::at(group.path.clone())),
            }
        }
        layout
    }
}

impl Layout {
    fn of_this_machine() -> Result<Layout, CgroupError> {
        let path = Path::new("/proc/self/mountinfo");
        let text = fs::read_to_string(path).map_err(CgroupError::io("read", path))?;
        Ok(Layout::parse(&text, layout::controllers_at))
    }
}
