//! A further process in a running container.

use std::ffi::CString;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::process::{Command, Stdio};

use nix::sys::memfd::{MFdFlags, memfd_create};
use oci_spec::runtime::Process;

use crate::container::{Record, Status};
use crate::create;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::parse::environment;
use crate::records;
use crate::request::ExecSpec;
use crate::rootfs;
use crate::run;
use crate::spec::{self, Host, capabilities};
use crate::stop::not_running;
use crate::sys;
use crate::users::Identity;

/// The command that starts it.
pub(crate) fn command(engine: &Engine, name: &str, asked: &ExecSpec) -> Result<Command> {
    let record = records::find(&engine.layout, name)?;
    if asked.command.is_empty() {
        return Err(Error::Invalid(format!(
            "no command given: write it behind the container {}",
            record.name
        )));
    }
    let status = run::status(&engine.runtime, &record.id)
        .ok_or_else(|| not_running("execute in", &record))?;
    if status.status == Status::Paused {
        return Err(Error::State {
            operation: "execute in",
            object: format!("container {}", record.name),
            why: format!(
                "it is paused; thaw it with: minictl unpause {}",
                record.name
            ),
        });
    }
    let root = rootfs::of_process(status.pid)?;
    let user = asked.user.as_deref().unwrap_or(&record.process.user);
    let further: &[String] = if asked.user.is_some() {
        &[]
    } else {
        &record.spec.group_add
    };
    let identity = rootfs::identity(&root, user, further)?;
    let env = create::environment(&asked.env_files, &asked.env)?;
    let process = process(&record, asked, &identity, env, engine.host()?)?;
    let descriptor = write(&process)?;

    let mut command = Command::new(&engine.config.minirun);
    command
        .arg("--root")
        .arg(engine.layout.runtime())
        .arg("exec")
        .arg("--process")
        .arg(format!("/proc/self/fd/{}", descriptor.as_raw_fd()));
    if asked.tty {
        command.arg("--tty");
    }
    if asked.detach {
        command.args(["--detach", "--null-stdio"]);
    }
    if !asked.stdin {
        command.stdin(Stdio::null());
    }
    command.arg(&record.id);
    sys::inherit(&mut command, vec![descriptor]);
    Ok(command)
}

/// The process in the OCI form: the container's environment, directory and privileges where nothing else was asked for.
fn process(
    record: &Record,
    asked: &ExecSpec,
    identity: &Identity,
    env: Vec<String>,
    host: &Host,
) -> Result<Process> {
    let mut config = record.process.clone();
    config.tty = asked.tty;
    for entry in env {
        environment::set(&mut config.env, entry);
    }
    let hostname = record
        .spec
        .hostname
        .clone()
        .unwrap_or_else(|| crate::container::short(&record.id).to_owned());
    if let Some(workdir) = asked.workdir.as_deref() {
        if !workdir.starts_with('/') {
            return Err(Error::Invalid(format!(
                "invalid working directory \"{workdir}\": it is not absolute; write it like /srv/app"
            )));
        }
        config.workdir = workdir.into();
    }
    let capabilities = match asked.privileged {
        true => host.capabilities.clone(),
        false => capabilities::effective(&record.spec, &host.capabilities),
    };
    let mut process = Process::default();
    process.set_terminal(Some(asked.tty));
    process.set_user(spec::user(identity));
    process.set_args(Some(asked.command.clone()));
    process.set_env(Some(spec::env(&config, &hostname, &identity.home)));
    process.set_cwd(config.workdir);
    process.set_capabilities(Some(spec::capability_sets(&capabilities)));
    process.set_rlimits(Some(spec::rlimits(record, host)?));
    process.set_no_new_privileges(Some(spec::no_new_privileges(&record.spec.security_opt)));
    Ok(process)
}

/// Into memory: a file that nobody has to remove.
fn write(process: &Process) -> Result<OwnedFd> {
    let name = CString::new("process").unwrap_or_default();
    let descriptor = memfd_create(name.as_c_str(), MFdFlags::MFD_CLOEXEC)
        .map_err(Error::errno("make", "a file in memory"))?;
    let mut file = File::from(descriptor);
    serde_json::to_writer(&mut file, process)
        .map_err(std::io::Error::from)
        .and_then(|()| file.flush())
        .map_err(Error::io("write", "a file in memory"))?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            cpus: 2,
            capabilities: capabilities::of_mask(u64::MAX),
            open_files: 1024,
            read_only_trees: true,
        }
    }

    fn identity() -> Identity {
        Identity {
            uid: 33,
            gid: 33,
            groups: vec![33],
            home: "/srv".to_owned(),
        }
    }

    #[test]
    fn a_process_inherits_from_its_container() {
        let mut record = spec::test_record();
        record.process.env = vec!["A=1".to_owned()];
        record.process.workdir = "/app".into();
        let mut asked = ExecSpec {
            command: vec!["sh".to_owned()],
            ..ExecSpec::default()
        };
        let plain = process(
            &record,
            &asked,
            &identity(),
            vec!["B=2".to_owned()],
            &host(),
        )
        .unwrap();
        let env = plain.env().clone().unwrap();
        assert!(
            env.contains(&"A=1".to_owned())
                && env.contains(&"B=2".to_owned())
                && env.contains(&"HOME=/srv".to_owned())
        );
        assert!(!env.iter().any(|entry| entry.starts_with("TERM=")));
        assert_eq!(plain.cwd(), std::path::Path::new("/app"));
        assert_eq!(
            plain
                .capabilities()
                .as_ref()
                .unwrap()
                .bounding()
                .as_ref()
                .unwrap()
                .len(),
            14
        );

        asked.tty = true;
        asked.privileged = true;
        asked.workdir = Some("/".to_owned());
        let special = process(&record, &asked, &identity(), Vec::new(), &host()).unwrap();
        assert!(
            special
                .env()
                .clone()
                .unwrap()
                .contains(&"TERM=xterm".to_owned())
        );
        assert_eq!(special.cwd(), std::path::Path::new("/"));
        assert_eq!(
            special
                .capabilities()
                .as_ref()
                .unwrap()
                .bounding()
                .as_ref()
                .unwrap()
                .len(),
            41
        );

        asked.workdir = Some("relative".to_owned());
        assert!(process(&record, &asked, &identity(), Vec::new(), &host()).is_err());
    }
}
