//! What the host is like: processors, our own capabilities, devices, resolver.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{major, minor};
use nix::sys::utsname::uname;

use crate::error::{Error, Result};
use crate::network_files;
use crate::parse::device::DeviceSpec;
use crate::parse::limit::DeviceRate;
use crate::request::Resources;
use crate::spec::Host;
use crate::spec::capabilities;
use crate::spec::devices::Device;
use crate::spec::resources::{BlockDevices, Rate};

/// Looks the host over.
pub(crate) fn facts() -> Result<Host> {
    let status =
        fs::read_to_string("/proc/self/status").map_err(Error::io("read", "/proc/self/status"))?;
    let mask = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    let (_, open_files) = getrlimit(Resource::RLIMIT_NOFILE)
        .map_err(Error::errno("read", "the limit of open files"))?;
    Ok(Host {
        cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        capabilities: capabilities::of_mask(mask),
        open_files,
        read_only_trees: release().is_some_and(|release| release >= (5, 12)),
    })
}

/// Version and patch level of the kernel.
fn release() -> Option<(u32, u32)> {
    let name = uname().ok()?;
    let mut numbers = name
        .release()
        .to_str()?
        .split(|letter: char| !letter.is_ascii_digit())
        .map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// The devices that were asked for; a directory stands for those in it.
pub(crate) fn devices(specs: &[DeviceSpec]) -> Result<Vec<Device>> {
    let mut result = Vec::new();
    for spec in specs {
        let meta = fs::metadata(&spec.source).map_err(Error::io("look up device", &spec.source))?;
        if meta.is_dir() {
            let mut found = Vec::new();
            walk(&spec.source, &mut found);
            for path in found {
                let below = path.strip_prefix(&spec.source).unwrap_or(&path);
                result.extend(device(&path, spec.target.join(below), &spec.access));
            }
        } else {
            let found = device(&spec.source, spec.target.clone(), &spec.access);
            result.push(found.ok_or_else(|| {
                Error::Invalid(format!(
                    "{} is not a device: give a character or block device",
                    spec.source.display()
                ))
            })?);
        }
    }
    Ok(result)
}

/// Every device of the host, for a privileged container; those that the runtime makes itself are left out.
pub(crate) fn all_devices() -> Vec<Device> {
    let mut paths = Vec::new();
    walk(Path::new("/dev"), &mut paths);
    paths.retain(|path| !MADE_BY_RUNTIME.iter().any(|own| path == Path::new(own)));
    paths
        .iter()
        .filter_map(|path| device(path, path.clone(), "rwm"))
        .collect()
}

const MADE_BY_RUNTIME: [&str; 8] = [
    "/dev/null",
    "/dev/zero",
    "/dev/full",
    "/dev/random",
    "/dev/urandom",
    "/dev/tty",
    "/dev/console",
    "/dev/ptmx",
];
const NOT_DEVICES: [&str; 6] = ["pts", "shm", "fd", "mqueue", "lxc", ".udev"];

fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(kind) = entry.file_type() else {
            continue;
        };
        let skipped = NOT_DEVICES.iter().any(|name| entry.file_name() == *name);
        if kind.is_dir() && !skipped {
            walk(&entry.path(), found);
        } else if kind.is_char_device() || kind.is_block_device() {
            found.push(entry.path());
        }
    }
}

fn device(source: &Path, target: PathBuf, access: &str) -> Option<Device> {
    let meta = fs::metadata(source).ok()?;
    let kind = meta.file_type();
    (kind.is_block_device() || kind.is_char_device()).then(|| Device {
        path: target,
        block: kind.is_block_device(),
        major: major(meta.rdev()) as u32,
        minor: minor(meta.rdev()) as u32,
        mode: meta.mode() & 0o7777,
        uid: meta.uid(),
        gid: meta.gid(),
        access: access.to_owned(),
    })
}

/// The block devices that rates were given for.
pub(crate) fn block_devices(resources: &Resources) -> Result<BlockDevices> {
    let look_up = |rates: &[DeviceRate]| -> Result<Vec<Rate>> {
        rates
            .iter()
            .map(|rate| {
                let meta = fs::metadata(&rate.device)
                    .map_err(Error::io("look up device", &rate.device))?;
                match meta.file_type().is_block_device() {
                    true => Ok(Rate {
                        major: major(meta.rdev()) as u32,
                        minor: minor(meta.rdev()) as u32,
                        rate: rate.rate,
                    }),
                    false => Err(Error::Invalid(format!(
                        "{} is not a block device",
                        rate.device.display()
                    ))),
                }
            })
            .collect()
    };
    Ok(BlockDevices {
        read_bps: look_up(&resources.device_read_bps)?,
        write_bps: look_up(&resources.device_write_bps)?,
        read_iops: look_up(&resources.device_read_iops)?,
        write_iops: look_up(&resources.device_write_iops)?,
    })
}

/// The host's resolv.conf; that of systemd-resolved behind its stub, when the first names the stub alone.
pub(crate) fn resolv_conf() -> String {
    let text = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    if network_files::is_loopback_only(&text)
        && let Ok(behind) = fs::read_to_string("/run/systemd/resolve/resolv.conf")
    {
        return behind;
    }
    text
}

/// Changes with every boot.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default()
}
