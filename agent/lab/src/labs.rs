//! The directory of all labs.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cgroups::Cgroups;
use crate::error::{Error, Result};
use crate::plan::{Plan, check_name};
use crate::record::{self, Record};

/// The lab that is meant when none is named.
pub const DEFAULT_NAME: &str = "lab";
/// Where labs are, usually.
pub const DEFAULT_ROOT: &str = "/var/lib/mini/labs";

/// All labs of one directory.
#[derive(Debug, Clone)]
pub struct Labs {
    pub(crate) root: PathBuf,
    pub(crate) host_command: Vec<OsString>,
}

/// A lab that is up, as far as its directory tells.
#[derive(Debug, Clone)]
pub struct Lab {
    pub(crate) record: Record,
}

impl Labs {
    /// The labs below `root`. `host_command` is a program and its first words that end in
    /// [`serve_host`](crate::serve_host) with the words after them.
    ///
    /// # Errors
    /// When `root` is relative and there is no current directory.
    pub fn new(root: &Path, host_command: Vec<OsString>) -> Result<Labs> {
        let root = std::path::absolute(root).map_err(Error::system("resolve", root.display()))?;
        Ok(Labs { root, host_command })
    }

    /// A lab that is up, whole or in part.
    ///
    /// # Errors
    /// [`Error::NotUp`], [`Error::Half`].
    pub fn open(&self, name: &str) -> Result<Lab> {
        check_name(name)?;
        let directory = self.root.join(name);
        match Record::read(&directory)? {
            Some(record) => Ok(Lab { record }),
            None if directory.exists() => Err(Error::Half(name.to_owned())),
            None => Err(self.not_up(name)),
        }
    }

    /// Takes a lab down, in whatever state it is: kills every process of its hosts, removes their cgroups and the directory.
    /// When this returns well nothing of the lab is left but what the kernel still tidies away by itself.
    ///
    /// # Errors
    /// [`Error::NotUp`], [`Error::Busy`] while another command is at work on it, [`Error::FromWithin`],
    /// [`Error::Undying`].
    pub fn down(&self, name: &str) -> Result<()> {
        check_name(name)?;
        let directory = self.root.join(name);
        let lock = record::lock(&directory, name)?.ok_or_else(|| self.not_up(name))?;
        let cgroups = Cgroups::find()?;
        if cgroups.is_within(name) {
            return Err(Error::FromWithin(name.to_owned()));
        }
        cgroups.remove(name)?;
        let removed = fs::remove_dir_all(&directory);
        drop(lock);
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::system("remove", directory.display())(error))
            }
            _ => Ok(()),
        }
    }

    fn not_up(&self, name: &str) -> Error {
        let orphans = Cgroups::find().ok().and_then(|all| all.inhabited(name));
        Error::NotUp {
            name: name.to_owned(),
            directory: self.root.join(name),
            orphans,
        }
    }
}

impl Lab {
    /// What the lab is.
    pub fn plan(&self) -> &Plan {
        &self.record.plan
    }
}
