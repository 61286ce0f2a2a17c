//! The container of a service.

use std::collections::BTreeMap;

use model::{ContainerSpec, MountKind, MountSpec, Words};

use super::{Tables, health};
use crate::error::Result;
use crate::tree::Value;
use crate::values;
use crate::view::{Fields, View};

pub(super) fn container(fields: &Fields<'_>, tables: &mut Tables<'_>) -> Result<ContainerSpec> {
    let mut mounts = fields.or_default("volumes", |view| tables.volumes.mounts(view))?;
    mounts.extend(fields.or_default("tmpfs", tmpfs)?);
    let environment = fields.or_default("environment", View::pairs)?;
    let env = environment
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"));
    Ok(ContainerSpec {
        entrypoint: fields.maybe("entrypoint", words)?,
        command: fields.maybe("command", words)?,
        env: env.collect(),
        hostname: fields.or_default("hostname", View::string)?,
        domainname: fields.or_default("domainname", View::string)?,
        labels: fields.or_default("labels", View::pairs)?,
        dir: fields.or_default("working_dir", View::string)?,
        user: fields.or_default("user", View::string)?,
        groups: fields.or_default("group_add", View::strings)?,
        mounts,
        stop_grace_ms: fields.maybe("stop_grace_period", View::milliseconds)?,
        stop_signal: fields.or_default("stop_signal", View::string)?,
        tty: fields.or_default("tty", View::boolean)?,
        open_stdin: fields.or_default("stdin_open", View::boolean)?,
        healthcheck: fields.maybe("healthcheck", health::check)?,
        secrets: fields.or_default("secrets", |view| tables.secrets.references(view))?,
        configs: fields.or_default("configs", |view| tables.configs.references(view))?,
        read_only: fields.or_default("read_only", View::boolean)?,
        init: fields.or_default("init", View::boolean)?,
        sysctls: fields.or_default("sysctls", View::pairs)?,
        cap_add: fields.or_default("cap_add", View::strings)?,
        cap_drop: fields.or_default("cap_drop", View::strings)?,
        privileged: fields.or_default("privileged", View::boolean)?,
        ulimits: fields.or_default("ulimits", ulimits)?,
        oom_score_adj: fields.maybe("oom_score_adj", oom_score)?,
        shm_bytes: fields.or_default("shm_size", View::bytes)?,
        security_opt: fields.or_default("security_opt", View::strings)?,
        devices: fields.or_default("devices", devices)?,
        pid: fields.or_default("pid", |view| namespace(view, &["host"]))?,
        ipc: fields.or_default("ipc", |view| {
            namespace(view, &["host", "private", "shareable"])
        })?,
        cgroup_parent: fields.or_default("cgroup_parent", View::string)?,
        extra_hosts: fields.or_default("extra_hosts", View::strings)?,
        dns: fields.or_default("dns", View::strings)?,
        dns_search: fields.or_default("dns_search", View::strings)?,
        dns_options: fields.or_default("dns_opt", View::strings)?,
        log_options: fields.or_default("logging", logging)?,
        pull: fields.or_default("pull_policy", pull)?,
        ..ContainerSpec::default()
    })
}

/// A command line, or its words. No words at all are none, not the image's.
fn words(view: &View<'_>) -> Result<Words> {
    let words = match &view.node.value {
        Value::List(_) => view.strings()?,
        _ => view.read(values::words)?,
    };
    Ok(Words { words })
}

fn tmpfs(view: &View<'_>) -> Result<Vec<MountSpec>> {
    let mount = |item: &View<'_>| {
        let text = item.text()?;
        let (target, options) = text.split_once(':').unwrap_or((text, ""));
        if !target.starts_with('/') {
            return Err(item.fault(format!("`{target}` is no absolute path")));
        }
        let mut mount = MountSpec {
            kind: MountKind::Tmpfs as i32,
            target: target.to_owned(),
            ..MountSpec::default()
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option.split_once('=').unwrap_or((option, "")) {
                ("size", size) => mount.tmpfs_bytes = item.read(|_| values::bytes(size))?,
                ("mode", mode) => {
                    mount.tmpfs_mode = Some(item.read(|_| values::mode(mode, false))?)
                }
                ("ro", _) => mount.read_only = true,
                ("rw", _) => {}
                _ => item.warn(format!(
                    "the option `{option}` is not followed; `size`, `mode` and `ro` are"
                )),
            }
        }
        Ok(mount)
    };
    view.items()?.iter().map(mount).collect()
}

fn ulimits(view: &View<'_>) -> Result<Vec<String>> {
    const NAMES: [&str; 16] = [
        "as",
        "core",
        "cpu",
        "data",
        "fsize",
        "locks",
        "memlock",
        "msgqueue",
        "nice",
        "nofile",
        "nproc",
        "rss",
        "rtprio",
        "rttime",
        "sigpending",
        "stack",
    ];
    let mut limits = Vec::new();
    for (key, entry) in view.entries()? {
        let name = key.text.as_str();
        if !NAMES.contains(&name) {
            let hint = crate::suggest::did_you_mean(name, NAMES);
            return Err(entry.fault(format!("`{name}` is no limit{hint}")));
        }
        let (soft, hard) = match &entry.node.value {
            Value::Map(_) => {
                let fields = entry.fields()?;
                let soft = fields.maybe("soft", View::number::<i64>)?;
                let hard = fields.maybe("hard", View::number::<i64>)?;
                fields.finish()?;
                match (soft, hard) {
                    (Some(soft), Some(hard)) => (soft, hard),
                    _ => return Err(entry.fault("must have both `soft` and `hard`")),
                }
            }
            _ => {
                let limit = entry.number::<i64>()?;
                (limit, limit)
            }
        };
        if soft > hard && hard >= 0 {
            return Err(entry.fault(format!(
                "the soft limit {soft} is above the hard one, {hard}"
            )));
        }
        limits.push(format!("{name}={soft}:{hard}"));
    }
    limits.sort();
    Ok(limits)
}

fn oom_score(view: &View<'_>) -> Result<i32> {
    let score = view.number::<i32>()?;
    match (-1000..=1000).contains(&score) {
        true => Ok(score),
        false => Err(view.fault(format!("must be from -1000 to 1000, and is {score}"))),
    }
}

fn devices(view: &View<'_>) -> Result<Vec<String>> {
    let mut devices = Vec::new();
    for item in view.items()? {
        let text = match &item.node.value {
            Value::Map(_) => {
                let fields = item.fields()?;
                let source = fields.or_default("source", View::string)?;
                let target = fields.maybe("target", View::string)?;
                let permissions = fields.maybe("permissions", View::string)?;
                fields.finish()?;
                let target = target.unwrap_or_else(|| source.clone());
                format!(
                    "{source}:{target}:{}",
                    permissions.as_deref().unwrap_or("rwm")
                )
            }
            _ => item.string()?,
        };
        match text.starts_with('/') {
            true => devices.push(text),
            false => item.warn(format!(
                "`{text}` is not given to the container: it is no file of a node"
            )),
        }
    }
    Ok(devices)
}

fn namespace(view: &View<'_>, words: &[&'static str]) -> Result<String> {
    let text = view.text()?;
    if text.starts_with("service:") || text.starts_with("container:") {
        return Err(view.fault(
            "tasks of a cluster cannot share a namespace: they may run on different nodes",
        ));
    }
    let choices: Vec<(&str, &str)> = words.iter().map(|word| (*word, *word)).collect();
    view.choice(&choices).map(str::to_owned)
}

fn logging(view: &View<'_>) -> Result<BTreeMap<String, String>> {
    let fields = view.fields()?;
    let driver = fields.maybe("driver", |view| Ok((view.string()?, view.clone())))?;
    let mut options = fields.or_default("options", View::pairs)?;
    fields.finish()?;
    if let Some((driver, view)) = driver
        && !matches!(driver.as_str(), "" | "json-file" | "local")
    {
        view.warn(format!(
            "there is no logging driver `{driver}`: logs stay on the node of the task, and `service logs` reads them"
        ));
        options.clear();
    }
    Ok(options)
}

fn pull(view: &View<'_>) -> Result<String> {
    let text = view.text()?;
    let periodic = ["daily", "weekly", "refresh"].contains(&text) || text.starts_with("every_");
    if periodic {
        view.warn("the image is pulled whenever a task is made, as with `always`");
        return Ok("always".to_owned());
    }
    if text == "build" {
        view.warn("nothing is built here: the image is pulled when the node has none");
        return Ok("missing".to_owned());
    }
    let pull = view.choice(&[
        ("missing", "missing"),
        ("always", "always"),
        ("never", "never"),
        ("if_not_present", "missing"),
    ])?;
    Ok(pull.to_owned())
}
