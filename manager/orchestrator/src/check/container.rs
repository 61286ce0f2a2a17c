//! The container of a service: image, files, health, resources.

use std::collections::BTreeSet;

use model::{
    ContainerSpec, FileReference, HealthCheck, MountKind, MountSpec, ResourceSpec, ServiceSpec,
};
use store::View;

/// As Docker: less holds no process.
const LEAST_MEMORY: i64 = 6 << 20;
/// As Docker: a thousandth of a processor.
const LEAST_NANO_CPUS: i64 = 1_000_000;
/// A task that takes longer to end holds up whoever waits for it.
const LONG_GRACE_MS: u64 = 60 * 60 * 1000;

pub(super) fn check(view: &View, container: &ContainerSpec) -> Result<(), String> {
    let image = container.image.as_str();
    if image.is_empty() {
        return Err("it has no image, name one like `nginx:1.27`".to_owned());
    }
    if image.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return Err(format!(
            "image `{}` cannot be a reference, write one like `nginx:1.27`",
            image.escape_debug()
        ));
    }
    for line in &container.env {
        if line.is_empty() || line.starts_with('=') {
            return Err(format!(
                "environment variable `{line}` has no name, write NAME=VALUE"
            ));
        }
    }
    if let Some(health) = &container.healthcheck {
        healthcheck(health)?;
    }
    if !matches!(container.pull.as_str(), "" | "missing" | "always" | "never") {
        return Err(format!(
            "pull policy `{}` is none of missing, always, never",
            container.pull
        ));
    }
    if let Some(score) = container.oom_score_adj
        && !(-1000..=1000).contains(&score)
    {
        return Err(format!(
            "OOM score adjustment is {score}, choose one from -1000 to 1000"
        ));
    }
    mounts(&container.mounts)?;
    files("secret", "/run/secrets/", &container.secrets, |name| {
        view.secrets().named(name).is_some()
    })?;
    files("config", "/", &container.configs, |name| {
        view.configs().named(name).is_some()
    })
}

pub(super) fn warn(spec: &ServiceSpec, warnings: &mut Vec<String>) {
    let container = &spec.task.container;
    if let Some(grace_ms) = container.stop_grace_ms
        && grace_ms > LONG_GRACE_MS
    {
        warnings.push(format!(
            "a task may take {} minutes to end, and updates wait for that",
            grace_ms / 60_000
        ));
    }
}

fn healthcheck(health: &HealthCheck) -> Result<(), String> {
    let words = health.test.get(1..).unwrap_or_default();
    match health.test.first().map(String::as_str) {
        None => Ok(()),
        Some("NONE") if words.is_empty() => Ok(()),
        Some("NONE") => Err("health check NONE takes no words, take them out".to_owned()),
        Some("CMD") if words.first().is_some_and(|word| !word.is_empty()) => Ok(()),
        Some("CMD") => Err("health check CMD needs the words of a command after it".to_owned()),
        Some("CMD-SHELL") if words.len() == 1 && !words[0].trim().is_empty() => Ok(()),
        Some("CMD-SHELL") => {
            Err("health check CMD-SHELL needs one line for the shell after it".to_owned())
        }
        Some(other) => Err(format!(
            "a health check begins with NONE, CMD or CMD-SHELL, not with `{other}`"
        )),
    }
}

fn mounts(mounts: &[MountSpec]) -> Result<(), String> {
    let mut targets = BTreeSet::new();
    for mount in mounts {
        let target = mount.target.as_str();
        if !target.starts_with('/') {
            return Err(format!(
                "mount target `{target}` is no path of the container, write one that begins with /"
            ));
        }
        let plain = target.trim_end_matches('/');
        if plain.is_empty() {
            return Err(
                "nothing can be mounted on / of the container, choose a directory".to_owned(),
            );
        }
        if !targets.insert(plain) {
            return Err(format!(
                "two mounts have the target `{target}`, give one of them another"
            ));
        }
        source(mount)?;
    }
    Ok(())
}

fn source(mount: &MountSpec) -> Result<(), String> {
    let source = mount.source.as_str();
    match mount.kind() {
        MountKind::Bind if !source.starts_with('/') => Err(format!(
            "bind mount of `{source}` on `{}`: name a path of the node that begins with /",
            mount.target
        )),
        MountKind::Tmpfs if !source.is_empty() => Err(format!(
            "tmpfs on `{}` has a source, `{source}`: take it out",
            mount.target
        )),
        MountKind::Volume if !source.is_empty() && !names_volume(source) => Err(format!(
            "volume `{source}` on `{}`: a name begins with a letter or a digit and goes on with letters, digits and any of _ . -",
            mount.target
        )),
        _ => Ok(()),
    }
}

/// Whether it can be the name of a volume once its templates are filled in.
fn names_volume(name: &str) -> bool {
    let mut plain = String::new();
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("{{") {
        let Some((_, after)) = after.split_once("}}") else {
            return false;
        };
        plain.push_str(before);
        plain.push('x');
        rest = after;
    }
    plain.push_str(rest);
    plain.starts_with(|first: char| first.is_ascii_alphanumeric())
        && plain
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || "_.-".contains(letter))
}

fn files(
    noun: &str,
    directory: &str,
    files: &[FileReference],
    exists: impl Fn(&str) -> bool,
) -> Result<(), String> {
    let mut targets = BTreeSet::new();
    for file in files {
        if !exists(&file.source) {
            return Err(format!(
                "{noun} `{}` does not exist, make it with `minictl {noun} create {}`",
                file.source, file.source
            ));
        }
        let target = match file.target.as_str() {
            "" => file.source.as_str(),
            target => target,
        };
        let path = match target.starts_with('/') {
            true => target.to_owned(),
            false => format!("{directory}{target}"),
        };
        if !targets.insert(path) {
            return Err(format!(
                "two {noun}s have the target `{target}`, give one of them another"
            ));
        }
        if file.mode.is_some_and(|mode| mode > 0o7777) {
            return Err(format!(
                "{noun} `{}` has a mode above 7777, write one like 0440",
                file.source
            ));
        }
    }
    Ok(())
}

pub(super) fn resources(resources: &ResourceSpec) -> Result<(), String> {
    let (limits, reservations) = (&resources.limits, &resources.reservations);
    let table = [
        ("CPU", "limit", limits.nano_cpus, LEAST_NANO_CPUS, "0.001"),
        (
            "CPU",
            "reservation",
            reservations.nano_cpus,
            LEAST_NANO_CPUS,
            "0.001",
        ),
        (
            "memory",
            "limit",
            limits.memory_bytes,
            LEAST_MEMORY,
            "6 MiB",
        ),
        ("memory", "reservation", reservations.memory_bytes, 0, "0"),
    ];
    for (of, what, value, least, words) in table {
        if value != 0 && value < least.max(1) {
            return Err(format!(
                "its {of} {what} is too small, choose {words} at least"
            ));
        }
    }
    if limits.nano_cpus > 0 && reservations.nano_cpus > limits.nano_cpus {
        return Err(
            "its CPU reservation is above its CPU limit, raise the limit or lower the reservation"
                .to_owned(),
        );
    }
    if limits.memory_bytes > 0 && reservations.memory_bytes > limits.memory_bytes {
        return Err(
            "its memory reservation is above its memory limit, raise the limit or lower the reservation"
                .to_owned(),
        );
    }
    if resources.pids < 0 {
        return Err("its limit of processes is below 0, choose 0 for none".to_owned());
    }
    Ok(())
}
