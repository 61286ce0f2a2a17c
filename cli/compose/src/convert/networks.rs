//! Networks, and which of them a service is attached to.

use std::cell::Cell;
use std::collections::BTreeMap;

use model::{NetworkAttachment, NetworkSpec, StackSpec};

use super::{Tables, full};
use crate::error::Result;
use crate::resolve::DEFAULT_NETWORK;
use crate::suggest::did_you_mean;
use crate::values;
use crate::view::{Fields, View};

/// The networks of a stack.
pub(super) struct Networks(BTreeMap<String, Network>);

struct Network {
    name: String,
    /// None for one that is there already.
    spec: Option<NetworkSpec>,
    used: Cell<bool>,
}

impl Networks {
    pub(super) fn read(section: Option<View<'_>>, stack: &str) -> Result<Networks> {
        let mut networks = BTreeMap::new();
        let entries = match &section {
            Some(section) => section.entries()?,
            None => Vec::new(),
        };
        for (key, view) in entries {
            networks.insert(key.text.clone(), network(&key.text, &view, stack)?);
        }
        Ok(Networks(networks))
    }

    /// Those that the stack makes and some service is attached to, each once.
    pub(super) fn used(self) -> Vec<NetworkSpec> {
        let used = self.0.into_values().filter(|network| network.used.get());
        let specs = used.filter_map(|network| network.spec);
        let by_name: BTreeMap<String, NetworkSpec> =
            specs.map(|spec| (spec.name.clone(), spec)).collect();
        by_name.into_values().collect()
    }
}

/// Whether a service has the network of its node, or none.
pub(super) fn is_of_node(attachments: &[NetworkAttachment]) -> bool {
    attachments
        .iter()
        .any(|attachment| matches!(attachment.network.as_str(), "host" | "none"))
}

/// What a service is attached to. On each network it has its short name.
pub(super) fn attachments(
    fields: &Fields<'_>,
    short: &str,
    tables: &Tables<'_>,
) -> Result<Vec<NetworkAttachment>> {
    let networks = fields.get("networks");
    if let Some(view) = fields.get("network_mode") {
        if networks.is_some() {
            return Err(view.fault("a service has `networks` or a `network_mode`, not both"));
        }
        return of_mode(&view);
    }
    let Some(networks) = networks else {
        return Ok(Vec::new());
    };
    let mut attachments = Vec::new();
    for (key, view) in networks.entries()? {
        let known = &tables.networks.0;
        let Some(network) = known.get(&key.text) else {
            let hint = did_you_mean(&key.text, known.keys().map(String::as_str));
            let why = format!(
                "there is no network `{}`: add it to `networks` at the top level{hint}",
                key.text
            );
            return Err(crate::error::Fault::new(key.at, &view.path, why));
        };
        network.used.set(true);
        let mut aliases = vec![short.to_owned()];
        if !view.node.is_null() {
            for alias in own_aliases(&view)? {
                if !aliases.contains(&alias) {
                    aliases.push(alias);
                }
            }
        }
        attachments.push(NetworkAttachment {
            network: network.name.clone(),
            aliases,
        });
    }
    attachments.sort_by(|a, b| a.network.cmp(&b.network));
    attachments.dedup_by(|a, b| a.network == b.network);
    Ok(attachments)
}

fn of_mode(view: &View<'_>) -> Result<Vec<NetworkAttachment>> {
    let text = view.text()?;
    if text.starts_with("service:") || text.starts_with("container:") {
        return Err(view.fault(
            "tasks of a cluster cannot share a network namespace: they may run on different nodes; put both services on one of `networks`",
        ));
    }
    let network = view.choice(&[("host", "host"), ("none", "none")])?;
    Ok(vec![NetworkAttachment {
        network: network.to_owned(),
        aliases: Vec::new(),
    }])
}

fn own_aliases(view: &View<'_>) -> Result<Vec<String>> {
    let fields = view.fields()?;
    let aliases = fields.or_default("aliases", View::strings)?;
    const ADDRESS: &str = "addresses are given by the cluster; services reach each other by name";
    fields.unsupported(&[
        ("ipv4_address", ADDRESS),
        ("ipv6_address", ADDRESS),
        ("link_local_ips", ADDRESS),
        ("mac_address", ADDRESS),
        ("driver_opts", "options of drivers are not followed"),
        ("priority", "the order of networks cannot be chosen"),
        ("gw_priority", "the order of networks cannot be chosen"),
        ("interface_name", "the names of interfaces cannot be chosen"),
    ]);
    fields.finish()?;
    Ok(aliases)
}

fn network(short: &str, view: &View<'_>, stack: &str) -> Result<Network> {
    let plain = NetworkSpec {
        name: full(stack, short),
        labels: StackSpec::labels(stack),
        ..NetworkSpec::default()
    };
    if view.node.is_null() {
        return Ok(own(plain));
    }
    let fields = view.fields()?;
    let external = fields.or_default("external", View::boolean)?;
    let name = fields.maybe("name", View::string)?;
    let driver = fields.get("driver");
    let mut options = fields.or_default("driver_opts", View::pairs)?;
    let mut labels = fields.or_default("labels", View::pairs)?;
    labels.extend(StackSpec::labels(stack));
    let encrypted = options.remove("encrypted");
    let spec = NetworkSpec {
        name: name.clone().unwrap_or(plain.name),
        labels,
        internal: fields.or_default("internal", View::boolean)?,
        attachable: fields.or_default("attachable", View::boolean)?,
        ipv6: fields.or_default("enable_ipv6", View::boolean)?,
        subnets: fields.or_default("ipam", subnets)?,
        encrypted: encrypted
            .is_some_and(|text| text.is_empty() || values::boolean(&text) == Ok(true)),
        options,
    };
    if let Some(ipv4) = fields.get("enable_ipv4")
        && !ipv4.boolean()?
    {
        ipv4.warn("a network always has IPv4");
    }
    fields.finish()?;
    if external {
        let name = name.unwrap_or_else(|| short.to_owned());
        if name == "bridge" {
            view.warn("the bridge of a node is no network of the cluster: the stack's default network is taken in place of it");
            return Ok(own(NetworkSpec {
                name: full(stack, DEFAULT_NETWORK),
                labels: StackSpec::labels(stack),
                ..NetworkSpec::default()
            }));
        }
        return Ok(Network {
            name,
            spec: None,
            used: Cell::default(),
        });
    }
    if let Some(driver) = driver {
        match driver.text()? {
            "overlay" => {}
            text @ ("host" | "none") => {
                return Ok(Network {
                    name: text.to_owned(),
                    spec: None,
                    used: Cell::default(),
                });
            }
            text => driver.warn(format!(
                "there is no network driver `{text}` in a cluster: the network reaches every node"
            )),
        }
    }
    Ok(own(spec))
}

fn own(spec: NetworkSpec) -> Network {
    Network {
        name: spec.name.clone(),
        spec: Some(spec),
        used: Cell::default(),
    }
}

fn subnets(view: &View<'_>) -> Result<Vec<String>> {
    let fields = view.fields()?;
    if let Some(driver) = fields.get("driver")
        && driver.text()? != "default"
    {
        driver.warn("addresses are given by the cluster");
    }
    fields.unsupported(&[("options", "addresses are given by the cluster")]);
    let mut subnets = Vec::new();
    for range in fields.or_default("config", View::items)? {
        let fields = range.fields()?;
        if let Some(subnet) = fields.get("subnet") {
            subnets.push(cidr(&subnet)?);
        }
        const GIVEN: &str =
            "only `subnet` is followed; addresses within it are given by the cluster";
        fields.unsupported(&[
            ("gateway", GIVEN),
            ("ip_range", GIVEN),
            ("aux_addresses", GIVEN),
        ]);
        fields.finish()?;
    }
    fields.finish()?;
    Ok(subnets)
}

fn cidr(view: &View<'_>) -> Result<String> {
    let text = view.text()?;
    let parts = text.split_once('/').and_then(|(address, length)| {
        let address: std::net::IpAddr = address.parse().ok()?;
        let length: u8 = length.parse().ok()?;
        Some(length <= if address.is_ipv4() { 32 } else { 128 })
    });
    match parts {
        Some(true) => Ok(text.to_owned()),
        _ => Err(view.fault(format!(
            "`{text}` is no range of addresses; write it like 10.5.0.0/16"
        ))),
    }
}
