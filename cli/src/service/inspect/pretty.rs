//! A service for people. Pure.

use api::v1::ServiceView;
use model::{ContainerSpec, MountKind, Network, PublishMode, Service, ServiceMode, UpdateConfig};

use super::super::spec::settings::restart::word as restart;
use super::super::spec::settings::rollout::{action_word, order_word};
use super::super::spec::{gates, port};
use super::super::view::mode;
use crate::output::age::{moment_of, words};
use crate::output::size::binary;

/// The text; networks give ids their names.
pub(super) fn text(service: &Service, view: &ServiceView, networks: &[Network]) -> String {
    let mut page = Page::default();
    let spec = &service.spec;
    page.line("ID", &service.id);
    page.line("Name", &spec.name);
    page.list("Labels", spec.labels.iter().map(pair));
    page.line("Service Mode", mode(spec.mode.as_ref()));
    page.under("Replicas", &replicas(service, view));
    page.line("Revision", &service.revision.to_string());
    if view.converged {
        page.line("State", "converged");
    } else {
        page.line("State", if view.failed { "failed" } else { "converging" });
        view.reasons
            .iter()
            .for_each(|reason| page.under("Because", reason));
    }
    page.line("Trouble", &service.trouble);
    update_status(&mut page, service);
    waiting(&mut page, service);
    scaling(&mut page, service);
    placement(&mut page, service);
    config(&mut page, "UpdateConfig", spec.update.as_ref());
    config(&mut page, "RollbackConfig", spec.rollback.as_ref());
    container(&mut page, &spec.task.container);
    resources(&mut page, service);
    endpoint(&mut page, service, networks);
    page.0
}

/// Lines of names and values; what is empty is left out.
#[derive(Default)]
struct Page(String);

impl Page {
    fn line(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0
                .push_str(&format!("{:<16}{value}\n", format!("{name}:")));
        }
    }

    fn under(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0
                .push_str(&format!(" {:<15}{value}\n", format!("{name}:")));
        }
    }

    fn head(&mut self, name: &str) {
        self.0.push_str(&format!("{name}:\n"));
    }

    fn list(&mut self, name: &str, items: impl Iterator<Item = String>) {
        let items: Vec<String> = items.collect();
        self.line(name, &items.join(" "));
    }

    fn list_under(&mut self, name: &str, items: impl Iterator<Item = String>) {
        let items: Vec<String> = items.collect();
        self.under(name, &items.join(" "));
    }
}

fn pair((key, value): (&String, &String)) -> String {
    format!("{key}={value}")
}

fn duration(ms: u64) -> String {
    match ms {
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

fn replicas(service: &Service, view: &ServiceView) -> String {
    match &service.spec.mode {
        Some(ServiceMode::ReplicatedJob(job)) => format!(
            "{} running, {} of {} completed (run {})",
            view.running, view.completed, job.completions, service.job_iteration
        ),
        Some(ServiceMode::GlobalJob(_)) => format!(
            "{} running, {} completed (run {})",
            view.running, view.completed, service.job_iteration
        ),
        _ => format!("{}/{} running", view.running, view.wanted),
    }
}

fn update_status(page: &mut Page, service: &Service) {
    let Some(rollout) = &service.rollout else {
        return;
    };
    page.head("UpdateStatus");
    page.under("State", &rollout.state().to_string());
    page.under("Started", &moment_of(rollout.started_ms));
    page.under("Completed", &moment_of(rollout.completed_ms));
    page.under("Message", &rollout.message);
}

fn waiting(page: &mut Page, service: &Service) {
    let spec = &service.spec;
    if !spec.depends_on.is_empty() {
        page.head("Depends on");
    }
    for of in &spec.depends_on {
        let mut condition = gates::word(of.condition()).to_owned();
        if of.optional {
            condition.push_str(", optional");
        }
        if of.restart {
            condition.push_str(", restarts with it");
        }
        let latch = service
            .latches
            .iter()
            .find(|latch| latch.dependency == of.service && latch.revision == service.revision);
        if let Some(latch) = latch {
            condition.push_str(" (open)");
            if !latch.warning.is_empty() {
                condition.push_str(&format!(" {}", latch.warning));
            }
        }
        page.under(&of.service, &condition);
    }
    if let Some(wait) = &service.waiting {
        page.line("Waits for", &wait.message);
        page.under("Until", &moment_of(wait.deadline_ms));
    }
    page.line("Schedule", &spec.schedule);
    page.under("Next run", &moment_of(service.next_run_ms));
}

fn scaling(page: &mut Page, service: &Service) {
    let Some(of) = &service.spec.autoscale else {
        return;
    };
    let mut aims = Vec::new();
    if of.cpu > 0.0 {
        aims.push(format!("cpu {:.0}%", of.cpu * 100.0));
    }
    if of.memory > 0.0 {
        aims.push(format!("memory {:.0}%", of.memory * 100.0));
    }
    if of.requests_per_second > 0.0 {
        aims.push(format!("{} requests/s", of.requests_per_second));
    }
    page.line(
        "Autoscale",
        &format!("{} to {}, {}", of.min, of.max, aims.join(", ")),
    );
    if let Some(last) = &service.autoscaled {
        page.under(
            "Last",
            &format!(
                "{} -> {} at {}: {}",
                last.from,
                last.to,
                moment_of(last.at_ms),
                last.reason
            ),
        );
    }
}

fn placement(page: &mut Page, service: &Service) {
    let of = &service.spec.task.placement;
    let more = !of.preferences.is_empty() || of.max_replicas_per_node > 0 || of.rebalance;
    match of.constraints.is_empty() && more {
        true => page.head("Placement"),
        false => page.line("Placement", &of.constraints.join(", ")),
    }
    page.list_under(
        "Spread over",
        of.preferences.iter().map(|of| of.over.clone()),
    );
    if of.max_replicas_per_node > 0 {
        page.under("Max per node", &of.max_replicas_per_node.to_string());
    }
    if of.rebalance {
        page.under("Rebalance", "when a node joins");
    }
}

fn config(page: &mut Page, name: &str, config: Option<&UpdateConfig>) {
    let Some(of) = config else { return };
    page.head(name);
    page.under("Parallelism", &of.parallelism.to_string());
    page.under("Delay", &duration(of.delay_ms));
    page.under("On failure", action_word(of.failure_action()));
    page.under("Monitor", &duration(of.monitor_ms));
    page.under("Max failures", &of.max_failure_ratio.to_string());
    page.under("Order", order_word(of.order()));
}

fn container(page: &mut Page, of: &ContainerSpec) {
    page.head("ContainerSpec");
    page.under("Image", &of.image);
    let line = |words: &Option<model::Words>| {
        let words = words.as_ref().map(|words| words.words.join(" "));
        words.unwrap_or_default()
    };
    page.under("Entrypoint", &line(&of.entrypoint));
    page.under("Args", &line(&of.command));
    page.under("Env", &of.env.join(" "));
    page.under("Dir", &of.dir);
    page.under("User", &of.user);
    page.list_under(
        "Mounts",
        of.mounts.iter().map(|mount| {
            let kind = match mount.kind() {
                MountKind::Bind => "bind",
                MountKind::Volume => "volume",
                MountKind::Tmpfs => "tmpfs",
            };
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{kind}:{}:{}{mode}", mount.source, mount.target)
        }),
    );
    page.list_under("Secrets", of.secrets.iter().map(|file| file.source.clone()));
    page.list_under("Configs", of.configs.iter().map(|file| file.source.clone()));
    if let Some(check) = &of.healthcheck {
        page.under("Health check", &check.test.join(" "));
    }
    page.under(
        "Stop grace",
        &of.stop_grace_ms
            .map(|ms| words(std::time::Duration::from_millis(ms)))
            .unwrap_or_default(),
    );
}

fn resources(page: &mut Page, service: &Service) {
    let task = &service.spec.task;
    let amount = |of: &model::Resources| {
        let mut parts = Vec::new();
        if of.nano_cpus > 0 {
            parts.push(format!("{} CPUs", of.nano_cpus as f64 / 1e9));
        }
        if of.memory_bytes > 0 {
            parts.push(binary(of.memory_bytes.unsigned_abs()));
        }
        parts.join(", ")
    };
    page.line("Reservations", &amount(&task.resources.reservations));
    page.line("Limits", &amount(&task.resources.limits));
    page.line("Restart", restart(task.restart.condition()));
}

fn endpoint(page: &mut Page, service: &Service, networks: &[Network]) {
    let names = service
        .spec
        .task
        .networks
        .iter()
        .map(|of| of.network.clone());
    page.list("Networks", names);
    for vip in &service.allocation.vips {
        let network = networks.iter().find(|network| network.id == vip.network_id);
        let name = network.map_or(vip.network_id.as_str(), |network| &network.spec.name);
        page.under(name, &vip.address);
    }
    let ports = match service.allocation.ports.is_empty() {
        true => &service.spec.endpoint.ports,
        false => &service.allocation.ports,
    };
    page.list(
        "Ports",
        ports.iter().map(|of| match of.mode() {
            PublishMode::Ingress => port::shown(of),
            PublishMode::Host => format!("{} (host)", port::shown(of)),
        }),
    );
}

#[cfg(test)]
mod tests {
    use model::{Autoscale, Autoscaled, Dependency, DependencyCondition, Latch, PortSpec};

    use super::*;

    #[test]
    fn what_moves_and_scales_it_is_told() {
        let mut service = Service::default();
        service.spec.task.placement.rebalance = true;
        service.spec.autoscale = Some(Autoscale {
            min: 2,
            max: 9,
            cpu: 0.6,
            ..Autoscale::default()
        });
        service.autoscaled = Some(Autoscaled {
            at_ms: 1_700_000_000_000,
            from: 2,
            to: 5,
            reason: "cpu 150% of 1 cpu, target 60%: 2 -> 5".to_owned(),
        });
        let text = text(&service, &ServiceView::default(), &[]);
        for line in [
            "Placement:\n Rebalance:     when a node joins\n",
            "Autoscale:      2 to 9, cpu 60%\n",
            " Last:          2 -> 5 at 2023-11-14",
            ": cpu 150% of 1 cpu, target 60%",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }

    #[test]
    fn what_is_there_is_told_and_no_more() {
        let mut service = Service {
            id: "s1".to_owned(),
            revision: 2,
            ..Service::default()
        };
        service.spec.name = "web".to_owned();
        service.spec.task.container.image = "nginx".to_owned();
        service.spec.depends_on = vec![Dependency {
            service: "db".to_owned(),
            condition: DependencyCondition::Healthy.into(),
            ..Dependency::default()
        }];
        service.latches = vec![Latch {
            dependency: "db".to_owned(),
            revision: 2,
            ..Latch::default()
        }];
        service.spec.endpoint.ports = vec![PortSpec {
            published: 8080,
            target: 80,
            ..PortSpec::default()
        }];
        let view = ServiceView {
            running: 1,
            wanted: 3,
            reasons: vec!["no suitable node".to_owned()],
            ..ServiceView::default()
        };
        let text = text(&service, &view, &[]);
        for line in [
            "Name:           web\n",
            " Replicas:      1/3 running\n",
            " Because:       no suitable node\n",
            " db:            service_healthy (open)\n",
            " Image:         nginx\n",
            "Ports:          *:8080->80/tcp\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(
            !text.contains("Autoscale") && !text.contains("UpdateStatus"),
            "{text}"
        );
    }
}
