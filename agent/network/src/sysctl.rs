//! Kernel settings: changed on demand, remembered where they outlive what needed them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// `net.ipv4.ip_forward`: the host passes packets on between its links.
pub(crate) const IP_FORWARD: &str = "net/ipv4/ip_forward";

/// Sets what a bridge of ours needs; it goes with the bridge. Packets of this host to 127.0.0.1:port may leave by it
/// (`route_localnet`), and it has no IPv6, which nothing would route.
pub(crate) fn prepare_bridge(name: &str) -> Result<()> {
    write(&format!("net/ipv4/conf/{name}/route_localnet"), "1")?;
    without_ipv6(name)
}

/// Keeps IPv6 (and its duplicate address detection) off a link. A kernel without IPv6 has nothing to do.
pub(crate) fn without_ipv6(link: &str) -> Result<()> {
    match write(&format!("net/ipv6/conf/{link}/disable_ipv6"), "1") {
        Err(Error::System { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Whether bridged frames pass through the IP hooks (`br_netfilter`), which then short-cuts translated packets.
pub(crate) fn bridges_call_iptables() -> bool {
    read("net/bridge/bridge-nf-call-iptables").is_ok_and(|value| value == "1")
}

/// Sets a setting of the whole host. What it was is remembered beneath `marks` until [`restore`].
pub(crate) fn change(setting: &str, value: &str, marks: &Path) -> Result<()> {
    let before = read(setting).map_err(Error::system("read sysctl", setting))?;
    if before == value {
        return Ok(());
    }
    // The mark first: if we die in between, a restore writes what is there anyway.
    let mark = marks.join(setting.replace('/', "."));
    fs::create_dir_all(marks).map_err(Error::system("create", marks.display()))?;
    fs::write(&mark, format!("{value}\n{before}"))
        .map_err(Error::system("write", mark.display()))?;
    write(setting, value)
}

/// Whether a setting of the host is still changed.
pub(crate) fn is_changed(marks: &Path) -> bool {
    entries(marks).is_ok_and(|marks| !marks.is_empty())
}

/// Puts back what [`change`] changed, where nobody has changed it since.
pub(crate) fn restore(marks: &Path) -> Result<()> {
    for mark in entries(marks)? {
        let setting = mark
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .replace('.', "/");
        let text = fs::read_to_string(&mark).map_err(Error::system("read", mark.display()))?;
        if let Some((ours, before)) = text.split_once('\n')
            && read(&setting).is_ok_and(|now| now == ours)
        {
            write(&setting, before)?;
        }
        fs::remove_file(&mark).map_err(Error::system("remove", mark.display()))?;
    }
    Ok(())
}

fn entries(directory: &Path) -> Result<Vec<PathBuf>> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .collect()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::system("list", directory.display())(error)),
    }
}

fn read(setting: &str) -> io::Result<String> {
    Ok(fs::read_to_string(Path::new("/proc/sys").join(setting))?
        .trim()
        .to_owned())
}

fn write(setting: &str, value: &str) -> Result<()> {
    fs::write(Path::new("/proc/sys").join(setting), value)
        .map_err(Error::system("set sysctl", setting))
}
