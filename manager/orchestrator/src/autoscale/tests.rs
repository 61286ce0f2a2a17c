use std::collections::BTreeMap;

use model::{
    Autoscale, Autoscaled, GateWait, Replicated, Resources, Rollout, RolloutState, Service,
    ServiceMode, Task, TaskState,
};
use store::{Change, State, Transaction};

use super::{Usage, decide};

const NOW_MS: i64 = 10_000_000;

fn service(replicas: u64, scale: Autoscale) -> Service {
    let mut service = Service {
        id: "web".into(),
        revision: 1,
        ..Service::default()
    };
    service.spec.name = "web".into();
    service.spec.mode = Some(ServiceMode::Replicated(Replicated { replicas }));
    service.spec.autoscale = Some(scale);
    service.spec.task.resources.reservations = Resources {
        nano_cpus: 500_000_000,
        memory_bytes: 512 << 20,
    };
    service
}

fn by_cpu() -> Autoscale {
    Autoscale {
        min: 1,
        max: 20,
        cpu: 0.6,
        ..Autoscale::default()
    }
}

fn cpus(cpus: f64) -> Usage {
    Usage {
        cpus,
        ..Usage::default()
    }
}

fn decided(service: &Service, running: usize, usage: &[Usage]) -> Option<Autoscaled> {
    let mut state = State::default();
    state.advance(1, 1);
    let tasks = (0..running).map(|at| {
        let mut task = Task {
            id: format!("t{at}"),
            service_id: service.id.clone(),
            slot: at as u64 + 1,
            revision: 1,
            desired_state: TaskState::Running.into(),
            ..Task::default()
        };
        task.status.state = TaskState::Running.into();
        Change::create(task)
    });
    let applied = state.apply(Transaction {
        changes: tasks.collect(),
        ..Transaction::default()
    });
    assert_eq!(applied.reply.refusal, None);
    let usage: BTreeMap<String, Usage> = usage
        .iter()
        .enumerate()
        .map(|(at, usage)| (format!("t{at}"), *usage))
        .collect();
    decide(&state, service, &usage, NOW_MS)
}

fn check(replicas: u64, scale: Autoscale, usage: &[Usage], expected: Option<(u64, &str)>) {
    let found = decided(&service(replicas, scale), replicas as usize, usage);
    let found = found
        .as_ref()
        .map(|found| (found.to, found.reason.as_str()));
    assert_eq!(found, expected, "{replicas} replicas, {usage:?}");
}

#[test]
fn use_is_brought_to_its_target() {
    let up = "cpu 84% of 0.5 cpus, target 60%: 3 -> 5";
    check(3, by_cpu(), &[cpus(0.42); 3], Some((5, up)));
    // The mean counts, of those that report.
    let uneven = [cpus(0.2), cpus(0.64)];
    check(3, by_cpu(), &uneven, Some((5, up)));
    // Exactly twice the target is twice as many, not one more.
    let twice = "cpu 120% of 0.5 cpus, target 60%: 3 -> 6";
    check(3, by_cpu(), &[cpus(0.6); 3], Some((6, twice)));
    // Within a tenth of the target nothing happens.
    check(10, by_cpu(), &[cpus(0.33); 10], None);
    check(10, by_cpu(), &[cpus(0.27); 10], None);
    let over = "cpu 68% of 0.5 cpus, target 60%: 10 -> 12";
    check(10, by_cpu(), &[cpus(0.34); 10], Some((12, over)));
    // Half at once, at most.
    let idle = "cpu 0% of 0.5 cpus, target 60%: 9 -> 5";
    check(9, by_cpu(), &[cpus(0.0); 9], Some((5, idle)));
    check(1, by_cpu(), &[cpus(0.0)], None);
}

#[test]
fn of_several_targets_the_most_demanding_counts() {
    let scale = Autoscale {
        memory: 0.5,
        requests_per_second: 100.0,
        ..by_cpu()
    };
    let usage = |cpus, memory_mib: u64, requests_per_second| Usage {
        cpus,
        memory_bytes: memory_mib << 20,
        requests_per_second,
    };
    let memory = "memory 75% of 512 MiB, target 50%: 2 -> 3";
    check(2, scale, &[usage(0.3, 384, 100.0); 2], Some((3, memory)));
    let requests = "250/s requests a task, target 100/s: 2 -> 5";
    check(2, scale, &[usage(0.3, 384, 250.0); 2], Some((5, requests)));
    let cpu = "cpu 180% of 0.5 cpus, target 60%: 2 -> 6";
    check(2, scale, &[usage(0.9, 384, 250.0); 2], Some((6, cpu)));
}

#[test]
fn use_is_measured_by_what_there_is_to_measure_by() {
    let mut bare = service(2, by_cpu());
    bare.spec.task.resources = Default::default();
    let found = decided(&bare, 2, &[cpus(0.9); 2]).expect("a decision");
    assert_eq!(found.reason, "cpu 90% of 1 cpu, target 60%: 2 -> 3");

    bare.spec.task.resources.limits.nano_cpus = 2_000_000_000;
    let found = decided(&bare, 2, &[cpus(1.8); 2]).expect("a decision");
    assert_eq!(found.reason, "cpu 90% of 2 cpus, target 60%: 2 -> 3");

    // Memory without a reservation and a limit has nothing to be a part of.
    bare.spec.autoscale = Some(Autoscale {
        cpu: 0.0,
        memory: 0.5,
        ..by_cpu()
    });
    let much = Usage {
        memory_bytes: 8 << 30,
        ..Usage::default()
    };
    assert_eq!(decided(&bare, 2, &[much; 2]), None);
}

#[test]
fn limits_hold_without_any_use() {
    let scale = Autoscale {
        min: 2,
        max: 5,
        ..by_cpu()
    };
    check(1, scale, &[], Some((2, "at least 2: 1 -> 2")));
    check(8, scale, &[], Some((5, "at most 5: 8 -> 5")));
    check(3, scale, &[], None);
    let most = "cpu 200% of 0.5 cpus, target 60%: 3 -> 5";
    check(3, scale, &[cpus(1.0); 3], Some((5, most)));
    check(5, scale, &[cpus(1.0); 5], None);
    check(2, scale, &[cpus(0.0); 2], None);
    check(0, by_cpu(), &[], Some((1, "at least 1: 0 -> 1")));
}

#[test]
fn nothing_is_decided_while_something_moves() {
    let busy = [cpus(1.0); 3];
    let at_work = service(3, by_cpu());
    assert!(decided(&at_work, 3, &busy).is_some());
    assert_eq!(decided(&at_work, 2, &busy), None, "a task is missing");

    let mut rolling = at_work.clone();
    rolling.rollout = Some(Rollout {
        state: RolloutState::Updating.into(),
        ..Rollout::default()
    });
    assert_eq!(decided(&rolling, 3, &busy), None);
    rolling.spec.mode = Some(ServiceMode::Replicated(Replicated { replicas: 0 }));
    assert_eq!(decided(&rolling, 0, &[]), None, "not for the limits either");

    let mut waiting = at_work.clone();
    waiting.waiting = Some(GateWait::default());
    assert_eq!(decided(&waiting, 3, &busy), None);

    let mut removing = at_work.clone();
    removing.removing = true;
    assert_eq!(decided(&removing, 3, &busy), None);
}

#[test]
fn two_changes_keep_apart() {
    for (cooldown_ms, ago_ms, decides) in [
        (0, 59_999, false),
        (0, 60_000, true),
        (5_000, 4_999, false),
        (5_000, 5_000, true),
        (u64::MAX, 1_000_000, false),
    ] {
        let mut service = service(
            3,
            Autoscale {
                cooldown_ms,
                ..by_cpu()
            },
        );
        service.autoscaled = Some(Autoscaled {
            at_ms: NOW_MS - ago_ms,
            ..Autoscaled::default()
        });
        let found = decided(&service, 3, &[cpus(1.0); 3]);
        assert_eq!(found.is_some(), decides, "{cooldown_ms} {ago_ms}");
    }
}
