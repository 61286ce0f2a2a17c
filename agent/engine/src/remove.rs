//! Taking containers away, and whatever the dead have left. Every step may be repeated.

use std::fs;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::container::{ExitStatus, MountKind, Record, Status, short};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::id;
use crate::json::{self, Durable};
use crate::lock::{self, Lock};
use crate::records;
use crate::run;
use crate::stop;
use crate::volume;

/// How long a start that is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Removes a container.
pub(crate) fn remove(engine: &Engine, name: &str, force: bool, volumes: bool) -> Result<()> {
    let layout = &engine.layout;
    let id = records::find_id(layout, name)?;
    let record = match records::read(layout, &id) {
        Err(Error::DamagedContainer { .. }) if force => return damaged(engine, &id),
        other => other?.ok_or_else(|| Error::container(name))?,
    };
    let object = || format!("container {}", record.name);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = records::observe(layout, &engine.runtime, &record.id)?;
        if matches!(state.status, Status::Running | Status::Paused) {
            if !force {
                return Err(Error::State {
                    operation: "remove",
                    object: object(),
                    why: format!(
                        "it is {}; stop it first, or remove it with --force",
                        state.status
                    ),
                });
            }
            stop::end(engine, &record)?;
        }
        let Some(lock) = Lock::wait(&layout.container(&record.id))? else {
            // Run with --rm, or removed by somebody else meanwhile.
            return Ok(());
        };
        // It is being started: by somebody else between the two, or by the monitor of a client that was killed.
        if lock::is_held(&layout.monitor_lock(&record.id))? && !layout.exit(&record.id).exists() {
            if Instant::now() < deadline {
                drop(lock);
                thread::sleep(Duration::from_millis(2));
                continue;
            }
            return Err(Error::State {
                operation: "remove",
                object: object(),
                why: "it is being started all the time; stop what starts it first".to_owned(),
            });
        }
        return locked(engine, &record, volumes);
    }
}

/// Removes a container whose record says nothing; if it runs, it is killed.
fn damaged(engine: &Engine, id: &str) -> Result<()> {
    let layout = &engine.layout;
    let Some(_lock) = Lock::wait(&layout.container(id))? else {
        return Ok(());
    };
    json::remove(&layout.record(id))?;
    half_made(engine, id)
}

/// Removes a container that doesn't run; the caller holds its lock.
pub(crate) fn locked(engine: &Engine, record: &Record, volumes: bool) -> Result<()> {
    let layout = &engine.layout;
    let (from, to) = (layout.record(&record.id), layout.removed_record(&record.id));
    match fs::rename(&from, &to) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        other => other.map_err(Error::io("remove", &from))?,
    }
    // From here on the container doesn't exist; whoever finds the rest finishes the work.
    tear_down(engine, &record.id)?;
    engine.store()?.remove_snapshot(&record.id)?;
    if volumes {
        remove_anonymous_volumes(engine, record)?;
    }
    records::drop_name(layout, &record.name, &record.id)?;
    json::remove_tree(&layout.container(&record.id))
}

/// Takes down what a run of the container has made: its network, the runtime's state and cgroup, its files below /run.
pub(crate) fn tear_down(engine: &Engine, id: &str) -> Result<()> {
    let layout = &engine.layout;
    let run_directory = layout.run_container(id);
    let mark = layout.started_mark(id);
    if !run_directory.exists() && !mark.exists() {
        return Ok(());
    }
    run::delete(&engine.runtime, id)?;
    engine.networks.release(id)?;
    json::remove_tree(&run_directory)?;
    json::remove(&mark)
}

fn remove_anonymous_volumes(engine: &Engine, record: &Record) -> Result<()> {
    let volumes = engine.layout.volumes();
    let mut others: Option<Vec<Record>> = None;
    for mount in &record.mounts {
        let MountKind::Volume {
            name,
            anonymous: true,
        } = &mount.kind
        else {
            continue;
        };
        let others = match &mut others {
            Some(others) => others,
            none => none.insert(records::all(&engine.layout)?),
        };
        if !others
            .iter()
            .any(|other| other.id != record.id && uses(other, name))
        {
            volume::remove(&volumes, name)?;
        }
    }
    Ok(())
}

/// Whether a container mounts the volume.
pub(crate) fn uses(record: &Record, volume: &str) -> bool {
    record
        .mounts
        .iter()
        .any(|mount| matches!(&mount.kind, MountKind::Volume { name, .. } if name == volume))
}

/// Removes what its maker or remover has left of a container without a record; the caller holds its lock.
pub(crate) fn half_made(engine: &Engine, id: &str) -> Result<()> {
    let layout = &engine.layout;
    if let Some(record) = json::read::<Record>(&layout.removed_record(id)).unwrap_or(None) {
        return locked(engine, &record, record.spec.remove);
    }
    tear_down(engine, id)?;
    engine.store()?.remove_snapshot(id)?;
    for volume in volume::list(&layout.volumes())? {
        if volume.anonymous_of.as_deref() == Some(id) {
            volume::remove(&layout.volumes(), &volume.name)?;
        }
    }
    for name in json::names(&layout.names())? {
        records::drop_name(layout, &name, id)?;
    }
    json::remove_tree(&layout.container(id))
}

/// Removes the owner of a name when that is half-made and nobody works on it; whether it did.
pub(crate) fn heal_owner(engine: &Engine, name: &str) -> Result<bool> {
    let Some(id) = records::owner(&engine.layout, name)? else {
        return Ok(true);
    };
    if engine.layout.record(&id).exists() {
        return Ok(false);
    }
    match Lock::attempt(&engine.layout.container(&id))? {
        Some(_lock) if !engine.layout.record(&id).exists() => {
            half_made(engine, &id)?;
            Ok(true)
        }
        _ => Ok(false),
    }
}

/// The exit command's work.
pub(crate) fn cleanup(engine: &Engine, id: &str) -> Result<()> {
    if !id::is_id(id) {
        return Err(Error::container(id));
    }
    let layout = &engine.layout;
    if let Some(_lock) = Lock::wait(&layout.container(id))?
        && let Some(exit) = json::read::<ExitStatus>(&layout.exit(id))?
    {
        leave_word(engine, id, &exit);
        match records::read(layout, id)? {
            Some(record) if record.spec.remove => locked(engine, &record, true)?,
            Some(_) => tear_down(engine, id)?,
            None => half_made(engine, id)?,
        }
    }
    Ok(())
}

/// Whoever waits for the end holds the monitor's lock file open: it tells them how it was, even when the container is
/// gone by then.
fn leave_word(engine: &Engine, id: &str, exit: &ExitStatus) {
    if let Ok(bytes) = serde_json::to_vec(exit)
        && let Ok(file) = fs::File::options()
            .write(true)
            .open(engine.layout.monitor_lock(id))
    {
        // Only a waiter of a container with --rm needs it, and it says so when it finds nothing.
        let _ = io::Write::write_all(&mut &file, &bytes);
    }
}

/// A container whose monitor has died, or that a reboot has ended; the caller holds its lock.
pub(crate) fn lost(engine: &Engine, id: &str, exit_code: i32, why: &str) -> Result<()> {
    let layout = &engine.layout;
    let Some(record) = records::read(layout, id)? else {
        return half_made(engine, id);
    };
    let exit = match json::read::<ExitStatus>(&layout.exit(id))? {
        Some(exit) => exit,
        None => {
            let exit = unseen(engine, id, exit_code, why);
            json::write(&layout.exit(id), &exit, Durable::No)?;
            exit
        }
    };
    leave_word(engine, id, &exit);
    match record.spec.remove {
        true => locked(engine, &record, true),
        false => tear_down(engine, id),
    }
}

/// The record of an end that nobody has seen.
fn unseen(engine: &Engine, id: &str, exit_code: i32, why: &str) -> ExitStatus {
    let started_at = fs::metadata(engine.layout.started_mark(id))
        .and_then(|meta| meta.modified())
        .ok()
        .and_then(|time| jiff::Timestamp::try_from(time).ok());
    ExitStatus {
        exit_code,
        signal: None,
        oom_killed: false,
        pid: None,
        started_at,
        finished_at: Some(jiff::Timestamp::now()),
        error: Some(why.to_owned()),
    }
}

/// Gives a container another name.
pub(crate) fn rename(engine: &Engine, name: &str, new: &str) -> Result<()> {
    let new = id::check_name(new)?;
    let layout = &engine.layout;
    let found = records::find(layout, name)?;
    let Some(_lock) = Lock::wait(&layout.container(&found.id))? else {
        return Err(Error::container(name));
    };
    let mut record = records::read(layout, &found.id)?.ok_or_else(|| Error::container(name))?;
    if record.name == new {
        return Err(Error::Invalid(format!(
            "container {} has the name {new:?} already",
            short(&record.id)
        )));
    }
    records::take_name(layout, new, &record.id)?;
    let old = std::mem::replace(&mut record.name, new.to_owned());
    if let Err(error) = json::write(&layout.record(&record.id), &record, Durable::Yes) {
        records::drop_name(layout, new, &record.id)?;
        return Err(error);
    }
    records::drop_name(layout, &old, &record.id)
}
