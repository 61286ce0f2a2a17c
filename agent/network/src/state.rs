//! What is on the disk: definitions, endpoint records, leases, the lock.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, Result};
use crate::ipam;
use crate::model::{Endpoint, Network};

/// The files of one pair of roots.
#[derive(Debug, Clone)]
pub(crate) struct State {
    definitions: PathBuf,
    run: PathBuf,
}

impl State {
    pub(crate) fn new(data_root: &Path, run_root: &Path) -> State {
        State {
            definitions: data_root.join("networks"),
            run: run_root.join("network"),
        }
    }

    /// Where endpoint records are, one file each.
    pub(crate) fn endpoints_dir(&self) -> PathBuf {
        self.run.join("endpoints")
    }

    /// What sysctls were before we changed them.
    pub(crate) fn marks_dir(&self) -> PathBuf {
        self.run.join("sysctl")
    }

    /// Held by the resolver for life.
    pub(crate) fn resolver_lock(&self) -> PathBuf {
        self.run.join("resolver.lock")
    }

    /// Takes the lock under which bridges, records and the table change together.
    pub(crate) fn lock(&self) -> Result<Flock<File>> {
        make_dir(&self.run)?;
        lock_file(&self.run.join("lock"), FlockArg::LockExclusive)
    }

    /// The user-made networks, by name.
    pub(crate) fn networks(&self) -> Result<Vec<Network>> {
        read_all(&self.definitions)
    }

    /// Writes a new definition; `false` if the name is taken.
    pub(crate) fn define(&self, network: &Network) -> Result<bool> {
        make_dir(&self.definitions)?;
        let path = self.definition(&network.name);
        let draft = write_draft(&path, network, true)?;
        // A link, not a rename: of two at once only one wins.
        let linked = fs::hard_link(&draft, &path);
        let _ = fs::remove_file(&draft);
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(Error::system("create", path.display())(error)),
            Ok(()) => sync_dir(&self.definitions).map(|()| true),
        }
    }

    /// Removes a definition.
    pub(crate) fn undefine(&self, name: &str) -> Result<()> {
        remove(&self.definition(name))?;
        sync_dir(&self.definitions)
    }

    fn definition(&self, name: &str) -> PathBuf {
        self.definitions.join(format!("{name}.json"))
    }

    /// The predefined network, once its subnet was settled.
    pub(crate) fn default_network(&self) -> Result<Option<Network>> {
        read(&self.run.join("default.json"))
    }

    /// Settles the predefined network until reboot.
    pub(crate) fn settle_default(&self, network: &Network) -> Result<()> {
        make_dir(&self.run)?;
        write_over(&self.run.join("default.json"), network)
    }

    /// Every endpoint, by id and network.
    pub(crate) fn endpoints(&self) -> Result<Vec<Endpoint>> {
        read_all(&self.endpoints_dir())
    }

    /// The endpoints of one id.
    pub(crate) fn endpoints_of(&self, id: &str) -> Result<Vec<Endpoint>> {
        let prefix = format!("{id}@");
        let mut found = Vec::new();
        for path in records(&self.endpoints_dir())? {
            if path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
            {
                found.extend(read(&path)?);
            }
        }
        Ok(found)
    }

    /// Writes an endpoint's record.
    pub(crate) fn record(&self, endpoint: &Endpoint) -> Result<()> {
        make_dir(&self.endpoints_dir())?;
        write_over(&self.endpoint_file(endpoint), endpoint)
    }

    /// Removes an endpoint's record.
    pub(crate) fn forget(&self, endpoint: &Endpoint) -> Result<()> {
        remove(&self.endpoint_file(endpoint))
    }

    /// Removes what a writer of an endpoint's record has left that was killed. Only for whoever knows that none is writing.
    pub(crate) fn forget_drafts(&self, id: &str) -> Result<()> {
        let prefix = format!(".{id}@");
        for path in entries(&self.endpoints_dir())? {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with(&prefix) {
                remove(&path)?;
            }
        }
        Ok(())
    }

    fn endpoint_file(&self, endpoint: &Endpoint) -> PathBuf {
        self.endpoints_dir()
            .join(format!("{}@{}.json", endpoint.id, endpoint.network))
    }

    /// Leases the address asked for, or the next free one, to `id`.
    pub(crate) fn lease(
        &self,
        network: &Network,
        id: &str,
        wanted: Option<Ipv4Addr>,
    ) -> Result<Ipv4Addr> {
        let directory = self.leases_dir(network);
        make_dir(&directory)?;
        if let Some(address) = wanted {
            return self.lease_this(network, id, address, &directory);
        }
        // Where the last one was found; a hint, so it need not be safe against a crash.
        let hint = directory.join("last");
        let last = fs::read_to_string(&hint)
            .ok()
            .and_then(|text| text.parse().ok());
        for address in ipam::candidates(network.subnet, network.gateway, last) {
            if claim(&directory.join(address.to_string()), id)? {
                let _ = fs::write(&hint, address.to_string());
                return Ok(address);
            }
        }
        Err(Error::NoAddressLeft {
            network: network.name.clone(),
            subnet: network.subnet,
        })
    }

    fn lease_this(
        &self,
        network: &Network,
        id: &str,
        address: Ipv4Addr,
        directory: &Path,
    ) -> Result<Ipv4Addr> {
        if !ipam::is_usable(network.subnet, network.gateway, address) {
            let reason = format!(
                "it is not an endpoint's address of subnet {} of network {}",
                network.subnet, network.name
            );
            return Err(Error::Invalid {
                what: "address",
                value: address.to_string(),
                reason,
            });
        }
        let file = directory.join(address.to_string());
        if claim(&file, id)? {
            return Ok(address);
        }
        let owner = fs::read_link(&file)
            .map(|owner| owner.display().to_string())
            .unwrap_or_default();
        if owner == id {
            // Left over from a former life of the same endpoint.
            return Ok(address);
        }
        Err(Error::AddressTaken {
            network: network.name.clone(),
            address,
            owner,
        })
    }

    /// Gives a lease back, if it is `id`'s.
    pub(crate) fn unlease(&self, network_id: &str, address: Ipv4Addr, id: &str) -> Result<()> {
        let file = self
            .run
            .join("leases")
            .join(short(network_id))
            .join(address.to_string());
        if fs::read_link(&file).is_ok_and(|owner| owner.as_os_str() == id) {
            remove(&file)
        } else {
            Ok(())
        }
    }

    /// Gives back every lease of `id`. Only for whoever knows that none is being taken.
    pub(crate) fn unlease_all(&self, id: &str) -> Result<()> {
        for (owner, file) in self.leases()? {
            if owner == id {
                remove(&file)?;
            }
        }
        Ok(())
    }

    /// Every lease: its owner's id and its file.
    pub(crate) fn leases(&self) -> Result<Vec<(String, PathBuf)>> {
        let mut found = Vec::new();
        for directory in entries(&self.run.join("leases"))? {
            for file in entries(&directory)? {
                if let Some(owner) = lease_owner(&file) {
                    found.push((owner, file));
                }
            }
        }
        Ok(found)
    }

    /// Forgets the leases of a network that is gone.
    pub(crate) fn forget_leases(&self, network: &Network) {
        let _ = fs::remove_dir_all(self.leases_dir(network));
    }

    fn leases_dir(&self, network: &Network) -> PathBuf {
        self.run.join("leases").join(short(&network.id))
    }
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}

/// A lease is a symlink to its owner's id: made in one step that only one can win, owner included.
fn claim(file: &Path, id: &str) -> Result<bool> {
    match symlink(id, file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(Error::system("create lease", file.display())(error)),
    }
}

/// Whose lease a file is.
pub(crate) fn lease_owner(file: &Path) -> Option<String> {
    Some(fs::read_link(file).ok()?.display().to_string())
}

/// Opens (making it) and locks a file.
pub(crate) fn lock_file(path: &Path, how: FlockArg) -> Result<Flock<File>> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path);
    let mut file = file.map_err(Error::system("open", path.display()))?;
    loop {
        match Flock::lock(file, how) {
            Ok(lock) => return Ok(lock),
            Err((back, nix::errno::Errno::EINTR)) => file = back,
            Err((_, errno)) => return Err(Error::system("lock", path.display())(errno)),
        }
    }
}

pub(crate) fn make_dir(path: &Path) -> Result<()> {
    fs::create_dir_all(path).map_err(Error::system("create directory", path.display()))
}

pub(crate) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system("remove", path.display())(error))
        }
        _ => Ok(()),
    }
}

fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| Error::Corrupt {
                path: path.display().to_string(),
                source,
            }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::system("read", path.display())(error)),
    }
}

fn read_all<T: DeserializeOwned>(directory: &Path) -> Result<Vec<T>> {
    let mut all = Vec::new();
    for path in records(directory)? {
        // One that vanished in between is none.
        all.extend(read(&path)?);
    }
    Ok(all)
}

fn records(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = entries(directory)?;
    paths.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && !name.starts_with('.')
    });
    paths.sort_unstable();
    Ok(paths)
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

fn write_over<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let draft = write_draft(path, value, false)?;
    fs::rename(&draft, path)
        .map_err(Error::system("replace", path.display()))
        .inspect_err(|_| {
            let _ = fs::remove_file(&draft);
        })
}

fn write_draft<T: Serialize>(path: &Path, value: &T, durable: bool) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let draft = path.with_file_name(format!(".{name}.{}.{number}", std::process::id()));
    let written = serde_json::to_vec_pretty(value)
        .map_err(io::Error::from)
        .and_then(|bytes| {
            let mut file = File::create(&draft)?;
            file.write_all(&bytes)?;
            if durable { file.sync_all() } else { Ok(()) }
        });
    match written {
        Ok(()) => Ok(draft),
        Err(error) => {
            let _ = fs::remove_file(&draft);
            Err(Error::system("write", path.display())(error))
        }
    }
}

fn sync_dir(path: &Path) -> Result<()> {
    File::open(path)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::system("sync", path.display()))
}
