//! Secrets and configs as files of containers: on a file system in memory, never on a disk. It is mounted when the first task needs
//! it, and unmounted when none does any more.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use model::FileReference;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::failure::Failure;
use crate::work::Work;

/// Mode of a file for which none was given.
const MODE: u32 = 0o444;

/// A file for a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MemoryFile {
    /// Where it lies, in memory.
    pub(super) source: PathBuf,
    /// Where the container has it.
    pub(super) target: PathBuf,
}

/// The files of all tasks of this node.
#[derive(Debug)]
pub(super) struct MemoryFiles {
    root: PathBuf,
    changing: Mutex<()>,
}

impl MemoryFiles {
    pub(super) fn at(root: PathBuf) -> Self {
        MemoryFiles {
            root,
            changing: Mutex::default(),
        }
    }

    /// Writes the files of a task, if they are not there yet, and says which they are.
    pub(super) fn write(&self, work: &Work) -> Result<Vec<MemoryFile>, Failure> {
        let directory = self.of_task(&work.task.id);
        let files = plan(work)?;
        if files.is_empty() {
            return Ok(Vec::new());
        }
        let _changing = self.change();
        self.mount()?;
        let mut result = Vec::new();
        let made = DirBuilder::new().mode(0o700).create(&directory);
        match made {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other.map_err(Failure::io("make", directory.display()))?,
        }
        for (index, planned) in files.into_iter().enumerate() {
            let source = directory.join(index.to_string());
            write(&source, &planned)
                .map_err(Failure::io("write a file in", self.root.display()))?;
            result.push(MemoryFile {
                source,
                target: planned.target,
            });
        }
        Ok(result)
    }

    /// Removes the files of a task.
    pub(super) fn remove(&self, task: &str) -> Result<(), Failure> {
        let _changing = self.change();
        gone(fs::remove_dir_all(self.of_task(task)))
            .map_err(Failure::io("remove files in", self.root.display()))?;
        self.unmount_if_empty();
        Ok(())
    }

    /// Removes the files of all tasks but those of which `keep` says that they are there.
    pub(super) fn sweep(&self, keep: impl Fn(&str) -> bool) -> Result<(), Failure> {
        let _changing = self.change();
        for name in names(&self.root).map_err(Failure::io("list", self.root.display()))? {
            if !keep(&name) {
                gone(fs::remove_dir_all(self.of_task(&name)))
                    .map_err(Failure::io("remove files in", self.root.display()))?;
            }
        }
        self.unmount_if_empty();
        Ok(())
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of_task(&self, task: &str) -> PathBuf {
        self.root.join(task)
    }

    fn mount(&self) -> Result<(), Failure> {
        let failed = |what| Failure::io(what, self.root.display());
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root);
        made.map_err(failed("make"))?;
        if !self.is_mounted().map_err(failed("look at"))? {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            let attempt = |options: &str| {
                mount(
                    Some("mini-secrets"),
                    &self.root,
                    Some("tmpfs"),
                    flags,
                    Some(options),
                )
            };
            // Kernels before 6.4 have no noswap.
            attempt("mode=0700,noswap")
                .or_else(|_| attempt("mode=0700"))
                .map_err(|errno| failed("mount memory on")(errno.into()))?;
        }
        let found = fs::symlink_metadata(&self.root).map_err(failed("look at"))?;
        if found.is_dir() && found.uid() == 0 && found.mode() & 0o7777 == 0o700 {
            return Ok(());
        }
        Err(Failure::Invalid(format!(
            "{} holds secrets and is not root's alone: `chown root` and `chmod 700` it",
            self.root.display()
        )))
    }

    fn is_mounted(&self) -> io::Result<bool> {
        let parent = self.root.parent().unwrap_or(Path::new("/"));
        let own = match fs::symlink_metadata(&self.root) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            other => other?,
        };
        Ok(own.dev() != fs::metadata(parent)?.dev())
    }

    fn unmount_if_empty(&self) {
        if names(&self.root).is_ok_and(|names| names.is_empty()) {
            // What cannot be undone now is used again, or undone by the last task after this one.
            if self.is_mounted().unwrap_or(false) {
                let _ = umount2(&self.root, MntFlags::MNT_DETACH);
            }
            let _ = fs::remove_dir(&self.root);
        }
    }
}

fn names(directory: &Path) -> io::Result<Vec<String>> {
    match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        entries => entries?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect(),
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// A file that is to be written.
struct Planned<'a> {
    target: PathBuf,
    data: &'a [u8],
    uid: u32,
    gid: u32,
    mode: u32,
}

fn plan(work: &Work) -> Result<Vec<Planned<'_>>, Failure> {
    let container = &work.revision.task.container;
    let mut files = Vec::new();
    for reference in &container.secrets {
        let secret = work
            .secrets
            .iter()
            .find(|secret| secret.spec.name == reference.source);
        let data = secret.map(|secret| secret.spec.data.as_ref());
        files.push(planned("secret", "/run/secrets", reference, data)?);
    }
    for reference in &container.configs {
        let config = work
            .configs
            .iter()
            .find(|config| config.spec.name == reference.source);
        let data = config.map(|config| config.spec.data.as_ref());
        files.push(planned("config", "/", reference, data)?);
    }
    Ok(files)
}

fn planned<'a>(
    what: &str,
    below: &str,
    reference: &FileReference,
    data: Option<&'a [u8]>,
) -> Result<Planned<'a>, Failure> {
    let name = &reference.source;
    let wanted = match reference.target.as_str() {
        "" => name,
        target => target,
    };
    let target = Path::new(below).join(wanted);
    let plain = target
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain || wanted.ends_with('/') {
        return Err(Failure::Invalid(format!(
            "{what} {name}: the target {wanted} is no path of a file"
        )));
    }
    let number = |role: &str, text: &str| match text {
        "" => Ok(0),
        _ => text.parse::<u32>().map_err(|_| {
            Failure::Invalid(format!(
                "{what} {name}: the {role} `{text}` must be a number"
            ))
        }),
    };
    Ok(Planned {
        target,
        data: data
            .ok_or_else(|| Failure::Invalid(format!("{what} {name} was not sent to this node")))?,
        uid: number("owner", &reference.uid)?,
        gid: number("group", &reference.gid)?,
        mode: reference.mode.unwrap_or(MODE) & 0o7777,
    })
}

/// Writes a file that appears whole or not at all, and belongs to nobody else meanwhile.
fn write(path: &Path, planned: &Planned<'_>) -> io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    let draft = path.with_extension("draft");
    gone(fs::remove_file(&draft))?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    file.write_all(planned.data)?;
    fchown(&file, Some(planned.uid), Some(planned.gid))?;
    file.set_permissions(fs::Permissions::from_mode(planned.mode))?;
    fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::sync::Arc;

    use model::{FileReference, Revision, Secret, Task};

    use super::{MemoryFiles, plan};
    use crate::work::Work;

    fn work(target: &str, uid: &str, mode: Option<u32>) -> Work {
        let mut revision = Revision::default();
        revision.task.container.secrets.push(FileReference {
            source: "password".to_owned(),
            target: target.to_owned(),
            uid: uid.to_owned(),
            gid: String::new(),
            mode,
        });
        let mut secret = Secret::default();
        secret.spec.name = "password".to_owned();
        secret.spec.data = "hush".into();
        Work {
            task: Task {
                id: "t1".to_owned(),
                ..Task::default()
            },
            revision: Arc::new(revision),
            networks: Vec::new(),
            secrets: vec![Arc::new(secret)],
            configs: Vec::new(),
        }
    }

    #[test]
    fn targets_and_owners_are_checked() {
        fn check(target: &str, uid: &str, expected: Result<&str, &str>) {
            let work = work(target, uid, None);
            let found = plan(&work)
                .map(|files| files[0].target.display().to_string())
                .map_err(|failure| failure.to_string());
            match (found, expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => assert!(found.contains(expected), "{found}"),
                (found, expected) => panic!("{target}: {found:?}, not {expected:?}"),
            }
        }
        check("", "", Ok("/run/secrets/password"));
        check("db/key", "1000", Ok("/run/secrets/db/key"));
        check("/etc/key", "", Ok("/etc/key"));
        check("../../etc/passwd", "", Err("no path of a file"));
        check("dir/", "", Err("no path of a file"));
        check(
            "key",
            "postgres",
            Err("the owner `postgres` must be a number"),
        );
    }

    #[test]
    fn files_are_in_memory_as_long_as_a_task_needs_them() {
        if !nix::unistd::geteuid().is_root() {
            println!("skipped: to mount needs root");
            return;
        }
        let outer = tempfile::tempdir().unwrap();
        let root = outer.path().join("secrets");
        let files = MemoryFiles::at(root.clone());
        let mut work = work("key", "33", Some(0o400));
        let first = files.write(&work).unwrap();
        let meta = fs::metadata(&first[0].source).unwrap();
        assert_eq!(
            (meta.uid(), meta.gid(), meta.mode() & 0o777),
            (33, 0, 0o400)
        );
        assert_eq!(fs::read(&first[0].source).unwrap(), b"hush");
        assert_ne!(meta.dev(), fs::metadata(outer.path()).unwrap().dev());
        assert_eq!(fs::metadata(&root).unwrap().mode() & 0o777, 0o700);
        assert_eq!(files.write(&work).unwrap(), first, "they stay as they are");

        work.task.id = "t2".to_owned();
        files.write(&work).unwrap();
        files.sweep(|task| task == "t2").unwrap();
        assert!(!root.join("t1").exists() && root.join("t2").exists());
        files.remove("t2").unwrap();
        assert!(!root.exists(), "nothing is left, mounted or not");
        files.remove("t2").unwrap();
    }
}
