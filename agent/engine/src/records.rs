//! Containers as the disk has them: which there are, what they are called, in which state they are.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;

use runtime::Runtime;

use crate::container::{Container, ExitStatus, Record, State, Status, short};
use crate::error::{Error, Result};
use crate::health::{self, HealthCheck};
use crate::id;
use crate::json;
use crate::layout::Layout;
use crate::lock::Lock;

/// The ids of all containers and of what is half-made, sorted.
pub(crate) fn ids(layout: &Layout) -> Result<Vec<String>> {
    let mut names = json::names(&layout.containers())?;
    names.retain(|name| id::is_id(name));
    Ok(names)
}

/// The record of a container; `None` when it doesn't exist (any more).
pub(crate) fn read(layout: &Layout, id: &str) -> Result<Option<Record>> {
    json::read(&layout.record(id)).map_err(|error| match error {
        Error::Damaged { source, .. } => Error::DamagedContainer {
            id: short(id).to_owned(),
            why: source,
        },
        other => other,
    })
}

/// Every record.
pub(crate) fn all(layout: &Layout) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    for id in ids(layout)? {
        records.extend(read(layout, &id)?);
    }
    Ok(records)
}

/// Every record that can be read, and what is wrong with the others.
pub(crate) fn readable(layout: &Layout) -> Result<(Vec<Record>, Vec<Error>)> {
    let (mut records, mut damaged) = (Vec::new(), Vec::new());
    for id in ids(layout)? {
        match read(layout, &id) {
            Err(error @ Error::DamagedContainer { .. }) => damaged.push(error),
            other => records.extend(other?),
        }
    }
    Ok((records, damaged))
}

/// The record that a person means: a whole id, a name, or the beginning of an id.
pub(crate) fn find(layout: &Layout, name: &str) -> Result<Record> {
    let id = find_id(layout, name)?;
    read(layout, &id)?.ok_or_else(|| Error::container(name))
}

/// The id of the container that a person means, also if its record is damaged.
pub(crate) fn find_id(layout: &Layout, name: &str) -> Result<String> {
    let name = name.strip_prefix('/').unwrap_or(name);
    if id::is_id(name) && layout.record(name).exists() {
        return Ok(name.to_owned());
    }
    if id::check_name(name).is_ok()
        && let Some(id) = owner(layout, name)?
        && layout.record(&id).exists()
    {
        return Ok(id);
    }
    if !id::is_hex(name) {
        return Err(Error::container(name));
    }
    let candidates: Vec<String> = ids(layout)?
        .into_iter()
        .filter(|id| id.starts_with(name))
        .collect();
    match candidates.as_slice() {
        [] => Err(Error::container(name)),
        [id] => Ok(id.clone()),
        _ => Err(Error::Ambiguous {
            what: "container",
            prefix: name.to_owned(),
        }),
    }
}

/// Whose name it is.
pub(crate) fn owner(layout: &Layout, name: &str) -> Result<Option<String>> {
    let path = layout.name(name);
    match fs::read_link(&path) {
        Ok(target) => Ok(target
            .to_str()
            .filter(|id| id::is_id(id))
            .map(str::to_owned)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("read", &path)(error)),
    }
}

/// Gives a name to a container. symlink(2) has one winner; a name whose owner has no directory any more is free.
pub(crate) fn take_name(layout: &Layout, name: &str, id: &str) -> Result<()> {
    let path = layout.name(name);
    for _ in 0..16 {
        match symlink(id, &path) {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Error::io("write", &path)(error)),
        }
        let Some(owner) = owner(layout, name)? else {
            continue;
        };
        if layout.container(&owner).exists() {
            return Err(Error::NameTaken {
                name: name.to_owned(),
                id: short(&owner).to_owned(),
            });
        }
        drop_name(layout, name, &owner)?;
    }
    Err(Error::NameTaken {
        name: name.to_owned(),
        id: "unknown".to_owned(),
    })
}

/// Takes a name from a container, if it is the container's. One at a time, so that nobody takes the name of the next owner.
pub(crate) fn drop_name(layout: &Layout, name: &str, id: &str) -> Result<()> {
    let _lock = Lock::wait(&layout.names())?;
    match owner(layout, name)?.as_deref() == Some(id) {
        true => json::remove(&layout.name(name)),
        false => Ok(()),
    }
}

/// The state of a container: the runtime says whether it runs, the exit record how it ended. The monitor's lock is left
/// alone: to look at it is to hold it for a moment, in which the monitor could not take it.
pub(crate) fn observe(layout: &Layout, runtime: &Runtime, id: &str) -> Result<State> {
    if layout.run_container(id).exists()
        && !layout.exit(id).exists()
        && let Some(state) = running(layout, runtime, id)
    {
        return Ok(state);
    }
    Ok(match json::read::<ExitStatus>(&layout.exit(id))? {
        Some(exit) => ended(exit),
        None => State::new(Status::Created),
    })
}

/// What the runtime knows; `None` when the container has ended meanwhile.
fn running(layout: &Layout, runtime: &Runtime, id: &str) -> Option<State> {
    let status = crate::run::status(runtime, id)?;
    let started_at = fs::metadata(layout.started_mark(id))
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| jiff::Timestamp::try_from(time).ok());
    Some(State {
        pid: Some(status.pid),
        started_at,
        ..State::new(status.status)
    })
}

fn ended(exit: ExitStatus) -> State {
    // A container whose process was never executed has not ended: it is as it was made.
    let status = match exit.started_at {
        Some(_) => Status::Exited,
        None => Status::Created,
    };
    State {
        status,
        pid: None,
        exit_code: Some(exit.exit_code),
        signal: exit.signal,
        oom_killed: exit.oom_killed,
        error: exit.error,
        started_at: exit.started_at,
        finished_at: exit.finished_at,
        health: None,
    }
}

/// A container with its state; `endpoints` of others are left out.
pub(crate) fn container(
    layout: &Layout,
    runtime: &Runtime,
    record: Record,
    endpoints: &[network::Endpoint],
) -> Result<Container> {
    let mut state = observe(layout, runtime, &record.id)?;
    let alive = matches!(state.status, Status::Running | Status::Paused);
    if alive
        && record
            .health
            .as_ref()
            .and_then(HealthCheck::check)
            .is_some()
    {
        state.health = Some(health::read(&layout.health(&record.id)));
    }
    let endpoints = endpoints
        .iter()
        .filter(|endpoint| endpoint.id == record.id)
        .cloned()
        .collect();
    Ok(Container {
        record,
        state,
        endpoints,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::json::Durable;

    fn layout(root: &std::path::Path) -> Layout {
        let layout = Layout::new(&Config {
            data_root: root.join("data"),
            run_root: root.join("run"),
            cgroup_parent: "mini".to_owned(),
            minirun: "minirun".into(),
            minictl: "minictl".into(),
            insecure_registries: Vec::new(),
        });
        for directory in layout.directories() {
            fs::create_dir_all(directory).unwrap();
        }
        layout
    }

    fn add(layout: &Layout, id: &str, name: &str) {
        fs::create_dir(layout.container(id)).unwrap();
        take_name(layout, name, id).unwrap();
        let record = Record {
            id: id.to_owned(),
            name: name.to_owned(),
            ..crate::spec::test_record()
        };
        json::write(&layout.record(id), &record, Durable::No).unwrap();
    }

    #[test]
    fn containers_are_found_by_name_id_and_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let (first, second) = (format!("ab{:062}", 1), format!("ac{:062}", 2));
        add(&layout, &first, "web");
        add(&layout, &second, "ab");
        let check = |name: &str, expected: Result<&str, &str>| match (find(&layout, name), expected)
        {
            (Ok(record), Ok(expected)) => assert_eq!(record.id, expected, "{name}"),
            (Err(error), Err(expected)) => {
                assert!(error.to_string().contains(expected), "{name}: {error}")
            }
            (found, expected) => panic!("{name}: {found:?}, expected {expected:?}"),
        };
        check("web", Ok(&first));
        check("/web", Ok(&first));
        check(&first, Ok(&first));
        check("ab0", Ok(&first));
        check("ab", Ok(&second));
        check("ac", Ok(&second));
        check("a", Err("several"));
        check("ff", Err("no such container"));
        check("nobody", Err("no such container"));
        check("..", Err("no such container"));
        check("", Err("no such container"));
        assert_eq!(all(&layout).unwrap().len(), 2);
    }

    #[test]
    fn a_name_has_one_owner() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let ids: Vec<String> = (0..8).map(|n| format!("{n:064}")).collect();
        for id in &ids {
            fs::create_dir(layout.container(id)).unwrap();
        }
        let winners: usize = std::thread::scope(|scope| {
            let threads: Vec<_> = ids
                .iter()
                .map(|id| scope.spawn(|| take_name(&layout, "web", id)))
                .collect();
            threads
                .into_iter()
                .filter_map(|thread| thread.join().unwrap().ok())
                .count()
        });
        assert_eq!(winners, 1);
        let owner = owner(&layout, "web").unwrap().unwrap();
        let other = ids.iter().find(|id| **id != owner).unwrap();
        drop_name(&layout, "web", other).unwrap();
        let taken = take_name(&layout, "web", other).unwrap_err();
        assert!(taken.to_string().contains(short(&owner)), "{taken}");
        fs::remove_dir(layout.container(&owner)).unwrap();
        take_name(&layout, "web", other).unwrap();
    }

    #[test]
    fn the_exit_record_tells_the_state() {
        let dir = tempfile::tempdir().unwrap();
        let layout = layout(dir.path());
        let runtime = Runtime::new(layout.runtime());
        let id = format!("{:064}", 1);
        add(&layout, &id, "web");
        let state = || observe(&layout, &runtime, &id).unwrap();
        assert_eq!(state().status, Status::Created);
        let mut exit = ExitStatus {
            exit_code: 127,
            signal: None,
            oom_killed: false,
            pid: None,
            started_at: None,
            finished_at: None,
            error: Some("no such file".to_owned()),
        };
        json::write(&layout.exit(&id), &exit, Durable::No).unwrap();
        assert_eq!(
            (state().status, state().exit_code),
            (Status::Created, Some(127))
        );
        exit.started_at = Some(jiff::Timestamp::UNIX_EPOCH);
        json::write(&layout.exit(&id), &exit, Durable::No).unwrap();
        assert_eq!(state().status, Status::Exited);
    }
}
