//! The root file system: from the host's view to the container's, with pivot_root(2) as the point of no return.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::unistd::{chdir, chroot, fchdir, pivot_root};

use crate::error::{Error, Result};
use crate::mounts::{self, Context, Planned, devices, filesystem, restrict};
use crate::safefs::{Make, Root};
use crate::sys::mount as sys;

/// What the root file system is to be, decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RootPlan {
    /// The directory, absolute, on the host.
    pub(crate) path: PathBuf,
    /// Mounted over that directory as the root, instead of what is in it.
    pub(crate) overlay: Option<Planned>,
    pub(crate) read_only: bool,
    /// Of the host's mounts as the container's mount namespace sees them.
    pub(crate) propagation: MsFlags,
    pub(crate) mounts: Vec<Planned>,
    pub(crate) devices: Vec<devices::Device>,
    /// Bind the host's device files: a process of a user namespace can't make any.
    pub(crate) bind_devices: bool,
    pub(crate) masked: Vec<PathBuf>,
    pub(crate) read_only_paths: Vec<PathBuf>,
    /// Made if it isn't there.
    pub(crate) working_directory: PathBuf,
}

/// Attaches the root at its path in this mount namespace, and makes all mounts and devices in it. `sources` are those of
/// the bind mounts, in order.
pub(crate) fn build(
    plan: &RootPlan,
    sources: &[Option<OwnedFd>],
    context: &Context,
) -> Result<Root> {
    let root = attach_root(plan)?;
    for (planned, source) in plan.mounts.iter().zip(sources) {
        mounts::make(&root, planned, source.as_ref(), context)?;
    }
    devices::make(&root, &plan.devices, plan.bind_devices)?;
    devices::link(&root)?;
    Ok(root)
}

fn attach_root(plan: &RootPlan) -> Result<Root> {
    let path = plan.path.display();
    // Nothing mounted here may reach the host.
    mount(
        None::<&str>,
        "/",
        None::<&str>,
        plan.propagation,
        None::<&str>,
    )
    .map_err(Error::sys(
        "set the propagation of",
        "the mounts of the host",
    ))?;
    let directory = mounts::open_path(&plan.path)?;
    if plan.propagation.contains(MsFlags::MS_SHARED) {
        make_parent_private(&plan.path)?;
    }
    let tree = match &plan.overlay {
        Some(overlay) => filesystem::make(overlay, &directory).map_err(|error| {
            error.within(format!("mount {} as the root file system", overlay.kind))
        })?,
        None => sys::clone_tree(directory.as_fd(), true)
            .map_err(Error::sys("clone the root file system", &path))?,
    };
    sys::attach(tree.as_fd(), directory.as_fd())
        .map_err(Error::sys("attach the root file system at", &path))?;
    // pivot_root(2) wants neither the new root nor its parent to be shared.
    if plan.propagation.contains(MsFlags::MS_SHARED) {
        sys::propagate(tree.as_fd(), MsFlags::MS_PRIVATE)
            .map_err(Error::sys("make private", &path))?;
    }
    Ok(Root::new(tree))
}

/// The mount that holds `path` ceases to be shared.
fn make_parent_private(path: &Path) -> Result<()> {
    let mut point = path;
    loop {
        match mount(
            None::<&str>,
            point,
            None::<&str>,
            MsFlags::MS_PRIVATE,
            None::<&str>,
        ) {
            Ok(()) => return Ok(()),
            // Not the root of a mount: one further up is.
            Err(Errno::EINVAL) => match point.parent() {
                Some(parent) => point = parent,
                None => return Err(Error::sys("make private", path.display())(Errno::EINVAL)),
            },
            Err(errno) => return Err(Error::sys("make private", point.display())(errno)),
        }
    }
}

/// Hides and protects what is to be hidden and protected. The last before the root is entered: from here on the mounts stay.
pub(crate) fn restrict(plan: &RootPlan, root: &Root) -> Result<()> {
    if plan.working_directory != Path::new("/")
        && matches!(root.find(&plan.working_directory), Err(Errno::ENOENT))
    {
        root.find_or_make(&plan.working_directory, Make::Directory)?;
    }
    restrict::read_only(root, &plan.read_only_paths)?;
    restrict::mask(root, &plan.masked)?;
    if plan.read_only {
        let change = sys::Change {
            set: sys::attr::RDONLY,
            ..sys::Change::default()
        };
        sys::change(root.as_fd(), change)
            .map_err(Error::sys("make read-only", "the root file system"))?;
    }
    Ok(())
}

/// Makes `root` the root of this process and of its mount namespace; the host's mounts are gone afterwards.
pub(crate) fn enter(root: &Root, use_pivot: bool) -> Result<()> {
    fchdir(root.as_fd()).map_err(Error::sys("enter", "the root file system"))?;
    if use_pivot {
        // The old root ends up over the new one; taken away, the new one is left.
        pivot_root(".", ".").map_err(Error::sys("pivot to", "the root file system"))?;
        let recursive = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        mount(None::<&str>, ".", None::<&str>, recursive, None::<&str>)
            .map_err(Error::sys("separate", "the old root"))?;
        umount2(".", MntFlags::MNT_DETACH).map_err(Error::sys("unmount", "the old root"))?;
    } else {
        let here = format!("/proc/self/fd/{}", root.as_fd().as_raw_fd());
        let here = std::fs::read_link(&here).map_err(Error::sys("read", here))?;
        mount(
            Some(&here),
            "/",
            None::<&str>,
            MsFlags::MS_MOVE,
            None::<&str>,
        )
        .map_err(Error::sys("move the root file system to", "/"))?;
        chroot(".").map_err(Error::sys("change root to", "the root file system"))?;
    }
    chdir("/").map_err(Error::sys("enter", "/"))
}

/// Without a mount namespace of its own: a plain change of root, and no mounts.
pub(crate) fn change_root(path: &Path) -> Result<()> {
    chroot(path).map_err(Error::sys("change root to", path.display()))?;
    chdir("/").map_err(Error::sys("enter", "/"))
}
