//! What `minictl info` tells of the host's part in a cluster.

use api::v1::HostReply;
use api::v1::host_reply::State;
use model::NodeRole;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::remote::Client;

/// What the daemon says, or why there is nothing to say.
pub(crate) type Answer = Result<HostReply, String>;

/// Asks the daemon.
pub(crate) fn ask(context: &Context) -> Answer {
    let client = Client::of(context).map_err(Failure::into_message)?;
    client.host_at_once().map_err(Failure::into_message)
}

fn state(state: State) -> &'static str {
    match state {
        State::Inactive => "inactive",
        State::Pending => "pending",
        State::Active => "active",
        State::Locked => "locked",
        State::Error => "error",
    }
}

/// The lines for people: name and value.
pub(crate) fn lines(answer: &Answer) -> Vec<(&'static str, String)> {
    let host = match answer {
        Ok(host) => host,
        Err(reason) => return vec![("Cluster:", format!("unknown ({reason})"))],
    };
    let mut lines = vec![("Cluster:", state(host.state()).to_owned())];
    if !host.error.is_empty() {
        lines.push((" Error:", host.error.clone()));
    }
    if host.node_id.is_empty() {
        return lines;
    }
    let manager = host.role() == NodeRole::Manager;
    lines.push((" Cluster ID:", host.cluster_id.clone()));
    lines.push((" Node ID:", host.node_id.clone()));
    lines.push((" Role:", host.role().to_string()));
    if manager && host.nodes > 0 {
        lines.push((" Leads:", if host.leader { "yes" } else { "no" }.to_owned()));
        lines.push((" Managers:", host.managers.to_string()));
        lines.push((" Nodes:", host.nodes.to_string()));
    }
    if !host.advertise_address.is_empty() {
        lines.push((" Address:", host.advertise_address.clone()));
    }
    lines.push((" Reached at:", host.manager_addresses.join(", ")));
    lines.retain(|(_, value)| !value.is_empty());
    lines
}

/// The same for programs, under Docker's names.
pub(crate) fn object(answer: &Answer) -> Value {
    let host = match answer {
        Ok(host) => host,
        Err(reason) => return json!({ "LocalNodeState": "inactive", "Error": reason }),
    };
    let managers: Vec<Value> = host
        .manager_addresses
        .iter()
        .map(|address| json!({ "Addr": address }))
        .collect();
    json!({
        "LocalNodeState": state(host.state()),
        "ControlAvailable": host.role() == NodeRole::Manager && host.nodes > 0,
        "Error": host.error,
        "NodeID": host.node_id,
        "NodeAddr": host.advertise_address,
        "RemoteManagers": managers,
        "Managers": host.managers,
        "Nodes": host.nodes,
        "Cluster": { "ID": host.cluster_id },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(host: HostReply) -> String {
        let lines = lines(&Ok(host));
        let lines = lines.iter().map(|(name, value)| format!("{name} {value}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_host_without_a_cluster_says_so_and_no_more() {
        assert_eq!(told(HostReply::default()), "Cluster: inactive");
        let nobody = Err("no daemon".to_owned());
        assert_eq!(
            lines(&nobody),
            [("Cluster:", "unknown (no daemon)".to_owned())]
        );
        assert_eq!(object(&nobody)["Error"], "no daemon");
    }

    #[test]
    fn managers_count_and_workers_cannot() {
        let mut host = HostReply {
            node_id: "n1".to_owned(),
            cluster_id: "c1".to_owned(),
            manager_addresses: vec!["192.0.2.1:2377".to_owned()],
            leader: true,
            managers: 1,
            nodes: 2,
            ..HostReply::default()
        };
        host.set_state(State::Active);
        host.set_role(NodeRole::Manager);
        assert_eq!(
            told(host.clone()),
            "Cluster: active\n Cluster ID: c1\n Node ID: n1\n Role: manager\n Leads: yes\n Managers: 1\n Nodes: 2\n Reached at: 192.0.2.1:2377"
        );
        assert_eq!(object(&Ok(host.clone()))["ControlAvailable"], true);
        host.set_role(NodeRole::Worker);
        (host.managers, host.nodes) = (0, 0);
        host.error = "it has not reached a manager yet".to_owned();
        assert!(told(host.clone()).contains("Error: it has not reached"));
        assert!(!told(host.clone()).contains("Nodes:"));
        assert_eq!(object(&Ok(host))["ControlAvailable"], false);
    }
}
