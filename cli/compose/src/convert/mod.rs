//! From one document to what the cluster deploys.

mod container;
mod cron;
mod depends;
mod deploy;
mod extensions;
mod files;
mod health;
mod mounts;
mod networks;
mod ports;
mod resources;
mod restart;
mod service;
mod unsupported;

use std::collections::BTreeMap;

use model::{EndpointSpec, PublishMode, StackSpec};

use crate::environment::Environment;
use crate::error::{Fault, Result};
use crate::place::{At, Notes, Path};
use crate::tree::Node;
use crate::view::View;
use files::{Files, Kind};
use mounts::Volumes;
use networks::Networks;

/// What services refer to.
struct Tables<'a> {
    stack: &'a str,
    networks: Networks,
    volumes: Volumes,
    secrets: Files<'a>,
    configs: Files<'a>,
}

/// `<stack>_<name>`.
fn full(stack: &str, name: &str) -> String {
    format!("{stack}_{name}")
}

/// Everything of a document, named after the stack.
pub(crate) fn convert(
    stack: &str,
    root: &Node,
    environment: &Environment,
    notes: &Notes,
) -> Result<StackSpec> {
    let fields = View::new(root, Path::default(), notes).fields()?;
    fields.get("version");
    fields.get("name");
    let services = fields.get("services");
    let networks = fields.get("networks");
    let volumes = fields.get("volumes");
    let secrets = fields.get("secrets");
    let configs = fields.get("configs");
    fields.unsupported(&[("models", "models are not run by the cluster")]);
    fields.finish()?;
    let mut tables = Tables {
        stack,
        networks: Networks::read(networks, stack)?,
        volumes: Volumes::read(volumes, stack)?,
        secrets: Files::read(Kind::Secret, secrets, stack, environment)?,
        configs: Files::read(Kind::Config, configs, stack, environment)?,
    };
    let entries = match &services {
        Some(services) => services.entries()?,
        None => Vec::new(),
    };
    if entries.is_empty() {
        let at = services.map_or(root.at, |view| view.at());
        return Err(Fault::new(
            at,
            &Path::of("services"),
            "there is no service: a compose file has at least one under `services`",
        ));
    }
    let mut made = Vec::new();
    let mut published = BTreeMap::new();
    for (key, view) in entries {
        let service = service::service(key, &view, &mut tables)?;
        let short = &key.text;
        claim_ports(short, &service.spec.endpoint, &view, &mut published)?;
        made.push(service);
    }
    let services = depends::connect(stack, made, notes)?;
    Ok(StackSpec {
        name: stack.to_owned(),
        services,
        networks: tables.networks.used(),
        secrets: tables.secrets.secrets(),
        configs: tables.configs.configs(),
        prune: false,
        allow_dip: false,
    })
}

/// A port of all nodes leads to one service.
fn claim_ports(
    name: &str,
    endpoint: &EndpointSpec,
    view: &View<'_>,
    published: &mut BTreeMap<(u32, i32), (String, At)>,
) -> Result<()> {
    for port in &endpoint.ports {
        if port.published == 0 || port.mode != PublishMode::Ingress as i32 {
            continue;
        }
        let claim = (name.to_owned(), view.at());
        let before = published.insert((port.published, port.protocol), claim);
        if let Some((other, _)) = before {
            let ports = view.map()?.get("ports").map_or(view.at(), |node| node.at);
            let why = match other == name {
                true => format!("port {} is published twice", port.published),
                false => format!("port {} is published by `{other}` already", port.published),
            };
            return Err(Fault::new(ports, &view.path.key("ports"), why));
        }
    }
    Ok(())
}
