//! Published ports.

use model::{PortProtocol, PortSpec, PublishMode};

use crate::canonical::{Range, range};
use crate::error::Result;
use crate::view::{Fields, View};

/// The ports of a service. `of_node`: it has the node's own network.
pub(super) fn ports(fields: &Fields<'_>, of_node: bool) -> Result<Vec<PortSpec>> {
    if let Some(view) = fields.get("expose") {
        for item in view.items()? {
            let text = item.text()?;
            let port = text.split('/').next().unwrap_or_default();
            item.read(|_| range(port))?;
        }
    }
    let Some(view) = fields.get("ports") else {
        return Ok(Vec::new());
    };
    let mut ports = Vec::new();
    for item in view.items()? {
        for port in long(&item)? {
            if !ports.contains(&port) {
                ports.push(port);
            }
        }
    }
    if of_node && !ports.is_empty() {
        view.warn("nothing is published: the service has the network of its node, or none");
        ports.clear();
    }
    Ok(ports)
}

fn long(view: &View<'_>) -> Result<Vec<PortSpec>> {
    let fields = view.fields()?;
    let protocols = [
        ("tcp", PortProtocol::Tcp),
        ("udp", PortProtocol::Udp),
        ("sctp", PortProtocol::Sctp),
    ];
    let modes = [
        ("ingress", PublishMode::Ingress),
        ("host", PublishMode::Host),
    ];
    let name = fields.or_default("name", View::string)?;
    let protocol = fields.maybe("protocol", |view| view.choice(&protocols))?;
    let (mode, extension) = (fields.get("mode"), fields.get("x-mode"));
    let mode = extension
        .or(mode)
        .map(|view| view.choice(&modes))
        .transpose()?;
    let target = fields.maybe("target", |view| view.read(range))?;
    let published = fields
        .get("published")
        .filter(|view| !matches!(view.node.as_text(), Some("" | "0")));
    let published = published.map(|view| view.read(range)).transpose()?;
    if let Some(view) = fields.get("host_ip") {
        let address = view.text()?;
        if !matches!(address, "" | "0.0.0.0" | "::") {
            view.warn(format!(
                "is published on every address of the nodes, not on {address} alone"
            ));
        }
    }
    fields.unsupported(&[("app_protocol", "nothing is made of it")]);
    fields.finish()?;
    let Some(target) = target else {
        return Err(view.fault("`target` must say which port of the container is meant"));
    };
    let spec = |target: u16, published: u16| PortSpec {
        name: name.clone(),
        protocol: protocol.unwrap_or(PortProtocol::Tcp) as i32,
        target: u32::from(target),
        published: u32::from(published),
        mode: mode.unwrap_or(PublishMode::Ingress) as i32,
    };
    let one = |range: Range| range.first == range.last;
    match published {
        None => Ok(target.ports().map(|target| spec(target, 0)).collect()),
        Some(published) if one(target) => Ok(published
            .ports()
            .map(|published| spec(target.first, published))
            .collect()),
        Some(published) if published.ports().len() == target.ports().len() => Ok(target
            .ports()
            .zip(published.ports())
            .map(|(target, published)| spec(target, published))
            .collect()),
        Some(_) => Err(view.fault("`published` and `target` are ranges of different lengths")),
    }
}
