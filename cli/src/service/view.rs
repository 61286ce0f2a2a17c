//! Services as rows of a table: `service ls` and `stack services` alike. Pure, but for the printing.

use api::v1::ServiceView;
use model::{PortSpec, Service, ServiceMode};
use serde_json::{Value, json};

use super::spec::port;
use crate::failure::{Outcome, print};
use crate::output::filter::{Filter, has_label, parse_all, passes};
use crate::output::format::{Columns, listing};
use crate::output::{joined, short_id};

const COLUMNS: Columns = Columns {
    all: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Mode", "MODE"),
        ("Replicas", "REPLICAS"),
        ("Image", "IMAGE"),
        ("Ports", "PORTS"),
        ("State", "STATE"),
        ("Labels", "LABELS"),
    ],
    shown: &["ID", "Name", "Mode", "Replicas", "Image", "Ports"],
};
const FILTERS: &[&str] = &["id", "name", "mode", "label"];

/// Flags of every list of services.
#[derive(Debug, clap::Args)]
pub(crate) struct ListingArgs {
    /// Print ids alone
    #[arg(short, long)]
    quiet: bool,
    /// Show those alone that fit: id, name, mode, label
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// json, table TEMPLATE or a template
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints them, by name.
pub(crate) fn show(mut views: Vec<ServiceView>, args: &ListingArgs) -> Outcome {
    let filters = parse_all(&args.filters, FILTERS)?;
    views.retain(|view| fits(&filters, &service(view)));
    views.sort_by_cached_key(|view| service(view).spec.name);
    if args.quiet {
        for view in &views {
            print(&format!("{}\n", short_id(&service(view).id, false)))?;
        }
        return Ok(0);
    }
    let rows: Vec<Value> = views.iter().map(row).collect();
    print(&listing(&rows, &COLUMNS, args.format.as_deref())?)?;
    Ok(0)
}

fn service(view: &ServiceView) -> Service {
    view.service.clone().unwrap_or_default()
}

fn fits(filters: &[Filter], service: &Service) -> bool {
    passes(filters, |key, value| match key {
        "id" => service.id.starts_with(value),
        "name" => service.spec.name.starts_with(value),
        "mode" => mode(service.spec.mode.as_ref()).replace(' ', "-") == value,
        _ => has_label(&service.spec.labels, value),
    })
}

fn row(view: &ServiceView) -> Value {
    let service = service(view);
    let image = &service.spec.task.container.image;
    json!({
        "ID": short_id(&service.id, false),
        "Name": service.spec.name,
        "Mode": mode(service.spec.mode.as_ref()),
        "Replicas": replicas(view, &service),
        "Image": image.split_once('@').map_or(image.as_str(), |(name, _)| name),
        "Ports": ports(&service),
        "State": state(view, &service),
        "Labels": joined(&service.spec.labels),
    })
}

/// `replicated`, `global job`.
pub(super) fn mode(mode: Option<&ServiceMode>) -> &'static str {
    match mode {
        None | Some(ServiceMode::Replicated(_)) => "replicated",
        Some(ServiceMode::Global(_)) => "global",
        Some(ServiceMode::ReplicatedJob(_)) => "replicated job",
        Some(ServiceMode::GlobalJob(_)) => "global job",
    }
}

/// `2/3`, `2/3 (max 1 per node)`, `1/2 (3/5 completed)`.
fn replicas(view: &ServiceView, service: &Service) -> String {
    let count = format!("{}/{}", view.running, view.wanted);
    let total = match &service.spec.mode {
        Some(ServiceMode::ReplicatedJob(job)) => job.completions,
        Some(ServiceMode::GlobalJob(_)) => view.wanted,
        _ => {
            return match service.spec.task.placement.max_replicas_per_node {
                0 => count,
                most => format!("{count} (max {most} per node)"),
            };
        }
    };
    format!("{count} ({}/{total} completed)", view.completed)
}

/// What it publishes, as the managers chose it.
fn ports(service: &Service) -> String {
    let chosen = &service.allocation.ports;
    let ports = match chosen.is_empty() {
        true => &service.spec.endpoint.ports,
        false => chosen,
    };
    let mut ports: Vec<&PortSpec> = ports.iter().filter(|port| port.published != 0).collect();
    ports.sort_by_key(|port| (port.published, port.protocol));
    let shown = ports.iter().map(|port| port::shown(port));
    shown.collect::<Vec<_>>().join(", ")
}

/// In a word.
fn state(view: &ServiceView, service: &Service) -> String {
    let rollout = service.rollout.as_ref().map(model::Rollout::state);
    match (view.converged, rollout) {
        _ if service.removing => "removing".to_owned(),
        _ if view.failed => rollout.map_or_else(|| "failed".to_owned(), |state| state.to_string()),
        (true, _) => "converged".to_owned(),
        (false, Some(state)) if state.moves() => state.to_string(),
        (false, _) => "converging".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use model::{Placement, ReplicatedJob, ServiceAllocation, ServiceSpec, TaskSpec};

    use super::*;

    fn view(mode: ServiceMode, most: u64) -> ServiceView {
        let spec = ServiceSpec {
            name: "web".to_owned(),
            mode: Some(mode),
            task: TaskSpec {
                placement: Placement {
                    max_replicas_per_node: most,
                    ..Placement::default()
                },
                ..TaskSpec::default()
            },
            ..ServiceSpec::default()
        };
        ServiceView {
            running: 1,
            wanted: 2,
            completed: 3,
            service: Some(Service {
                spec,
                ..Service::default()
            }),
            ..ServiceView::default()
        }
    }

    #[test]
    fn replicas_read_as_docker_writes_them() {
        fn check(mode: ServiceMode, most: u64, expected: &str) {
            let view = view(mode, most);
            assert_eq!(row(&view)["Replicas"], expected);
        }
        let replicated = ServiceMode::Replicated(model::Replicated { replicas: 2 });
        check(replicated.clone(), 0, "1/2");
        check(replicated, 1, "1/2 (max 1 per node)");
        let job = ReplicatedJob {
            completions: 5,
            concurrent: 2,
        };
        check(ServiceMode::ReplicatedJob(job), 0, "1/2 (3/5 completed)");
    }

    #[test]
    fn ports_are_those_that_were_chosen() {
        let mut view = view(ServiceMode::Global(model::Global {}), 0);
        let port = |published, target| PortSpec {
            published,
            target,
            ..PortSpec::default()
        };
        let service = view.service.as_mut().unwrap();
        service.spec.endpoint.ports = vec![port(0, 80)];
        assert_eq!(ports(service), "");
        service.allocation = ServiceAllocation {
            ports: vec![port(30001, 80), port(30000, 81)],
            ..ServiceAllocation::default()
        };
        assert_eq!(ports(service), "*:30000->81/tcp, *:30001->80/tcp");
        let row = row(&view);
        for (field, _) in COLUMNS.all {
            assert!(row.get(field).is_some(), "{field}");
        }
    }
}
