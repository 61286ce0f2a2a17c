//! What an image's config and a request together make: Docker's rules.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use oci_spec::image::Config as ImageConfig;

use crate::container::ProcessConfig;
use crate::error::{Error, Result};
use crate::parse::environment;
use crate::parse::mount::normal;
use crate::parse::port::ExposedPort;
use crate::request::RunSpec;

/// Image and request put together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) process: ProcessConfig,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) exposed: Vec<ExposedPort>,
    /// Where the image wants volumes.
    pub(crate) volumes: Vec<PathBuf>,
}

/// Merges; `env` and `labels` are the request's, files and the caller's own environment worked in.
pub(crate) fn merge(
    image: &ImageConfig,
    spec: &RunSpec,
    env: Vec<String>,
    labels: BTreeMap<String, String>,
) -> Result<Merged> {
    let (entrypoint, command) = command(image, spec);
    if entrypoint.is_empty() && command.is_empty() {
        return Err(Error::Invalid(format!(
            "no command given: image {} has neither an entrypoint nor a command; write one behind the image",
            spec.image
        )));
    }
    let mut merged_env = image.env().clone().unwrap_or_default();
    for entry in env {
        environment::set(&mut merged_env, entry);
    }
    let mut merged_labels: BTreeMap<String, String> = image
        .labels()
        .clone()
        .unwrap_or_default()
        .into_iter()
        .collect();
    merged_labels.extend(labels);
    Ok(Merged {
        process: ProcessConfig {
            entrypoint,
            command,
            env: merged_env,
            user: spec
                .user
                .clone()
                .or_else(|| image.user().clone())
                .unwrap_or_default(),
            workdir: workdir(image, spec)?,
            tty: spec.tty,
            stdin: spec.stdin,
            stop_signal: spec
                .stop_signal
                .clone()
                .or_else(|| image.stop_signal().clone())
                .filter(|signal| !signal.is_empty())
                .unwrap_or_else(|| "SIGTERM".to_owned()),
        },
        labels: merged_labels,
        exposed: exposed(image, spec)?,
        volumes: volumes(image),
    })
}

/// An entrypoint of the request puts the image's command out of force too.
fn command(image: &ImageConfig, spec: &RunSpec) -> (Vec<String>, Vec<String>) {
    let from_image = |list: &Option<Vec<String>>| list.clone().unwrap_or_default();
    match &spec.entrypoint {
        Some(entrypoint) => {
            let cleared = entrypoint.len() == 1 && entrypoint[0].is_empty();
            let entrypoint = if cleared {
                Vec::new()
            } else {
                entrypoint.clone()
            };
            (entrypoint, spec.command.clone())
        }
        None if spec.command.is_empty() => {
            (from_image(image.entrypoint()), from_image(image.cmd()))
        }
        None => (from_image(image.entrypoint()), spec.command.clone()),
    }
}

fn workdir(image: &ImageConfig, spec: &RunSpec) -> Result<PathBuf> {
    if let Some(given) = spec.workdir.as_deref().filter(|dir| !dir.is_empty()) {
        if !given.starts_with('/') {
            return Err(Error::Invalid(format!(
                "invalid working directory \"{given}\": it is not absolute; write it like /srv/app"
            )));
        }
        return Ok(normal(Path::new(given)));
    }
    let of_image = image.working_dir().as_deref().unwrap_or_default();
    Ok(normal(&Path::new("/").join(of_image)))
}

fn exposed(image: &ImageConfig, spec: &RunSpec) -> Result<Vec<ExposedPort>> {
    let mut ports = spec.expose.clone();
    for port in image.exposed_ports().iter().flatten() {
        ports.push(port.parse()?);
    }
    for published in &spec.ports {
        let (first, last) = published.container_ports;
        ports.push(ExposedPort {
            first,
            last,
            protocol: published.protocol,
        });
    }
    ports.sort();
    ports.dedup();
    Ok(ports)
}

fn volumes(image: &ImageConfig) -> Vec<PathBuf> {
    let mut targets: Vec<PathBuf> = image
        .volumes()
        .iter()
        .flatten()
        .map(|target| normal(&Path::new("/").join(target)))
        .filter(|target| target != Path::new("/"))
        .collect();
    targets.sort();
    targets.dedup();
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(entrypoint: &[&str], cmd: &[&str]) -> ImageConfig {
        let list = |items: &[&str]| items.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let mut config = ImageConfig::default();
        config.set_entrypoint((!entrypoint.is_empty()).then(|| list(entrypoint)));
        config.set_cmd((!cmd.is_empty()).then(|| list(cmd)));
        config.set_env(Some(list(&["PATH=/bin", "A=1"])));
        config.set_working_dir(Some("app".to_owned()));
        config.set_user(Some("web".to_owned()));
        config.set_volumes(Some(list(&["/data/", "/data", "/"])));
        config.set_exposed_ports(Some(list(&["80/tcp"])));
        config.set_stop_signal(Some("SIGINT".to_owned()));
        config
    }

    #[test]
    fn commands_follow_dockers_rules() {
        fn check(
            entrypoint: &[&str],
            cmd: &[&str],
            asked: Option<&[&str]>,
            command: &[&str],
            expected: Option<&str>,
        ) {
            let mut spec = RunSpec::new("i");
            spec.entrypoint = asked.map(|a| a.iter().map(|s| (*s).to_owned()).collect());
            spec.command = command.iter().map(|s| (*s).to_owned()).collect();
            let merged = merge(&image(entrypoint, cmd), &spec, Vec::new(), BTreeMap::new());
            let args = merged.ok().map(|m| m.process.args().join(" "));
            assert_eq!(
                args.as_deref(),
                expected,
                "{entrypoint:?} {cmd:?} {asked:?} {command:?}"
            );
        }
        check(&[], &["sh"], None, &[], Some("sh"));
        check(&[], &["sh"], None, &["ls", "-l"], Some("ls -l"));
        check(&["init"], &["serve"], None, &[], Some("init serve"));
        check(&["init"], &["serve"], None, &["x"], Some("init x"));
        check(&["init"], &["serve"], Some(&["mine"]), &[], Some("mine"));
        check(
            &["init"],
            &["serve"],
            Some(&["mine"]),
            &["x"],
            Some("mine x"),
        );
        check(&["init"], &["serve"], Some(&[""]), &["x"], Some("x"));
        check(&["init"], &["serve"], Some(&[]), &["x"], Some("x"));
        check(&["init"], &["serve"], Some(&[""]), &[], None);
        check(&["init"], &[], None, &[], Some("init"));
        check(&[], &[], None, &[], None);
    }

    #[test]
    fn the_request_wins_over_the_image() {
        let mut spec = RunSpec::new("i");
        let plain = merge(&image(&[], &["sh"]), &spec, Vec::new(), BTreeMap::new()).unwrap();
        assert_eq!(plain.process.env, ["PATH=/bin", "A=1"]);
        assert_eq!(plain.process.user, "web");
        assert_eq!(plain.process.workdir, Path::new("/app"));
        assert_eq!(plain.process.stop_signal, "SIGINT");
        assert_eq!(plain.volumes, [Path::new("/data")]);
        assert_eq!(plain.exposed.len(), 1);

        spec.user = Some("0".to_owned());
        spec.workdir = Some("/x/../y".to_owned());
        spec.stop_signal = Some("QUIT".to_owned());
        spec.ports = vec!["80".parse().unwrap(), "81:81/udp".parse().unwrap()];
        let env = vec!["A=2".to_owned(), "B=3".to_owned()];
        let asked = merge(&image(&[], &["sh"]), &spec, env, BTreeMap::new()).unwrap();
        assert_eq!(asked.process.env, ["PATH=/bin", "A=2", "B=3"]);
        assert_eq!(asked.process.user, "0");
        assert_eq!(asked.process.workdir, Path::new("/y"));
        assert_eq!(asked.process.stop_signal, "QUIT");
        assert_eq!(asked.exposed.len(), 2);

        spec.workdir = Some("relative".to_owned());
        assert!(merge(&image(&[], &["sh"]), &spec, Vec::new(), BTreeMap::new()).is_err());
    }
}
