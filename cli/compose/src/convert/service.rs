//! One service.

use model::{Placement, Platform, ServiceSpec, StackSpec, TaskSpec};

use super::depends::{self, Wanted};
use super::{
    Tables, container, deploy, extensions, full, networks, ports, resources, restart, unsupported,
};
use crate::error::{Fault, Result};
use crate::tree::{Key, Map, Node};
use crate::view::{Fields, View};

/// A service whose dependencies are not looked at yet.
pub(super) struct Service {
    pub(super) short: String,
    pub(super) spec: ServiceSpec,
    pub(super) wants: Vec<Wanted>,
    /// Whether the file says when its tasks are started again.
    pub(super) restart_said: bool,
}

/// The name of a service is a label of DNS.
const LONGEST: usize = 63;

pub(super) fn service(key: &Key, view: &View<'_>, tables: &mut Tables<'_>) -> Result<Service> {
    if view.node.is_null() {
        return Err(Fault::new(
            key.at,
            &view.path,
            "must name an `image`, and is empty",
        ));
    }
    let stack = tables.stack;
    let name = full(stack, &key.text);
    if name.len() > LONGEST {
        let why = format!(
            "`{name}` is longer than {LONGEST} characters, the most that a name of a service may have"
        );
        return Err(Fault::new(key.at, &view.path, why));
    }
    let fields = view.fields()?;
    let empty = Node::map(Map::default(), view.at());
    let deploy = fields.get("deploy");
    let deploy = deploy.unwrap_or_else(|| View::new(&empty, view.path.key("deploy"), view.notes));
    let deploy = deploy.fields()?;

    let image = fields.get("image");
    let build = fields.get("build");
    let mode = deploy::mode(&fields, &deploy)?;
    let (restart, restart_said) = restart::policy(&fields, &deploy)?;
    let resources = resources::resources(&fields, &deploy)?;
    let placement = placement(&fields, &deploy)?;
    let networks = networks::attachments(&fields, &key.text, tables)?;
    let ports = ports::ports(&fields, networks::is_of_node(&networks))?;
    let endpoint = deploy::endpoint(&deploy, ports, &fields)?;
    let mut container = container::container(&fields, tables)?;
    let gate = extensions::gate(&fields, &deploy, &mode)?;
    let autoscale = extensions::autoscale(&fields, &deploy, &mode)?;
    let schedule = extensions::schedule(&fields, &deploy, &mode)?;
    let update = deploy::update(&deploy)?;
    let rollback = deploy::rollback(&deploy)?;
    let mut labels = deploy.or_default("labels", View::pairs)?;
    let wants = depends::wanted(&fields)?;
    fields.get("profiles");
    unsupported::service(&fields);
    deploy.finish()?;
    fields.finish()?;

    container.image = self::image(image.as_ref(), build.as_ref(), key, view)?;
    container.memory_swap_bytes = resources.swap;
    container.labels.extend(StackSpec::labels(stack));
    labels.extend(StackSpec::labels(stack));
    let spec = ServiceSpec {
        name,
        labels,
        task: TaskSpec {
            container,
            resources: resources.spec,
            restart,
            placement,
            networks,
            force: 0,
        },
        mode: Some(mode),
        update,
        rollback,
        endpoint,
        depends_on: Vec::new(),
        gate,
        autoscale,
        schedule,
    };
    Ok(Service {
        short: key.text.clone(),
        spec,
        wants,
        restart_said,
    })
}

fn image(
    image: Option<&View<'_>>,
    build: Option<&View<'_>>,
    key: &Key,
    service: &View<'_>,
) -> Result<String> {
    let Some(image) = image else {
        let written = service.map()?.entry("build");
        return Err(match (build, written) {
            (Some(build), Some((written, _))) => Fault::new(
                written.at,
                &build.path,
                "a cluster runs images and does not build them: build this one, push it to a registry and name it with `image`",
            ),
            _ => Fault::new(key.at, &service.path, "must name an `image`"),
        });
    };
    let text = image.text()?;
    if text.is_empty() || text.contains(char::is_whitespace) || text.ends_with([':', '/', '@']) {
        return Err(image.fault(format!("`{text}` is no name of an image")));
    }
    // Before the first slash there may be a registry; after the last colon or an @ there is no name any more.
    let path = match text.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => path,
        _ => text,
    };
    let path = path.split(['@', ':']).next().unwrap_or_default();
    if path.chars().any(char::is_uppercase) {
        return Err(image.fault(format!(
            "`{text}` is no name of an image: it has capital letters"
        )));
    }
    if let Some(build) = build {
        build.warn("is not built here: the image must be in a registry that the nodes reach");
    }
    Ok(text.to_owned())
}

fn placement(fields: &Fields<'_>, deploy: &Fields<'_>) -> Result<Placement> {
    let mut placement = deploy::placement(fields, deploy)?;
    if let Some(platform) = fields.get("platform") {
        placement.platforms.push(platform_of(&platform)?);
    }
    Ok(placement)
}

fn platform_of(view: &View<'_>) -> Result<Platform> {
    let text = view.text()?;
    let parts: Vec<&str> = text.split('/').collect();
    let (os, architecture) = match *parts.as_slice() {
        ["linux"] => ("linux", ""),
        [architecture] => ("linux", architecture),
        [os, architecture] => (os, architecture),
        [os, architecture, variant] => {
            if (architecture, variant) != ("arm64", "v8") {
                view.warn(format!(
                    "nodes are chosen by {os}/{architecture} alone, whatever their {variant}"
                ));
            }
            (os, architecture)
        }
        _ => {
            return Err(view.fault(format!(
                "`{text}` is no platform; write it like linux/amd64"
            )));
        }
    };
    let architecture = match architecture {
        "x86_64" | "x86-64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Ok(Platform {
        os: os.to_owned(),
        architecture: architecture.to_owned(),
    })
}
