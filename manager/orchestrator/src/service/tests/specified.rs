//! What people want is written down.

use model::{
    Autoscale, Autoscaled, HealthCheck, MountKind, MountSpec, NetworkAttachment, PortSpec,
    PublishMode, RegistryAuth, Replicated, ReplicatedJob, ServiceMode, ServiceSpec, UpdateConfig,
    Words,
};

use super::world::{World, web};
use crate::service::{Specified, specify};

fn change(world: &World, id: &str, spec: ServiceSpec) -> Specified {
    let known = world.service(id);
    let mut ids = || unreachable!("nothing is made");
    specify(&world.state, Some(known), spec, "", world.now_ms, &mut ids)
}

fn running(spec: ServiceSpec) -> (World, String) {
    let mut world = World::new(1);
    let id = world.up(spec);
    world.run();
    (world, id)
}

#[test]
fn a_new_service() {
    let world = World::new(1);
    let mut ids = || "id".to_owned();
    let made = specify(&world.state, None, web("v1", 3), "s1", 5, &mut ids);
    assert_eq!(made.changes.len(), 2, "the service and its revision");
    assert_eq!(made.details, ["image: v1", "replicas: 3"]);
    let service = made.service;
    assert_eq!(
        (service.id.as_str(), service.stack_id.as_str()),
        ("id", "s1")
    );
    assert_eq!(
        (service.revision, service.job_iteration, service.rollout),
        (1, 0, None)
    );
}

#[test]
fn what_replaces_tasks_and_what_does_not() {
    let port = |mode: PublishMode| PortSpec {
        target: 80,
        published: 8080,
        mode: mode.into(),
        ..PortSpec::default()
    };
    let ingress =
        move |spec: &mut ServiceSpec| spec.endpoint.ports.push(port(PublishMode::Ingress));
    let host = move |spec: &mut ServiceSpec| spec.endpoint.ports.push(port(PublishMode::Host));
    let auth = |spec: &mut ServiceSpec| {
        spec.task.container.registry_auth = Some(RegistryAuth {
            auth: "c2VjcmV0".into(),
        });
    };
    type Edit<'a> = &'a dyn Fn(&mut ServiceSpec);
    let table: [(Edit<'_>, usize, bool, &[&str]); 15] = [
        (&|_| {}, 0, false, &[]),
        (&auth, 0, false, &[]),
        (
            &|spec| spec.mode = web("", 10).mode,
            1,
            false,
            &["replicas: 3 -> 10"],
        ),
        (
            &|spec| spec.labels = [("a".into(), "b".into())].into(),
            1,
            false,
            &["labels: +a=b"],
        ),
        (&ingress, 1, false, &["ports: +8080:80/tcp"]),
        (
            &|spec| spec.gate.always = true,
            1,
            false,
            &["gate: changed"],
        ),
        (
            &|spec| spec.update = Some(UpdateConfig::default()),
            1,
            false,
            &[
                "update: none -> parallelism=0 delay=0s failure_action=pause monitor=0s max_failure_ratio=0 order=auto",
            ],
        ),
        (&host, 2, true, &["ports: +8080:80/tcp of the task's node"]),
        (
            &|spec| spec.task.container.image = "blog:v2".into(),
            2,
            true,
            &["image: blog:v1 -> blog:v2"],
        ),
        (
            &|spec| spec.task.container.env = vec!["A=1".into(), "DB_PASSWORD=hunter2".into()],
            2,
            true,
            &["env: +A=1 +DB_PASSWORD=*** -B"],
        ),
        (
            &|spec| {
                spec.task.container.command = Some(Words {
                    words: vec!["run".into(), "-v".into()],
                });
                spec.task.resources.limits.memory_bytes = 1 << 20;
                spec.task.resources.reservations.nano_cpus = 500_000_000;
            },
            2,
            true,
            &[
                "command: none -> run -v",
                "resources: none -> reserved cpus=0.5 limit memory=1048576",
            ],
        ),
        (
            &|spec| {
                spec.task.container.mounts.push(MountSpec {
                    kind: MountKind::Volume.into(),
                    source: "data".into(),
                    target: "/data".into(),
                    read_only: true,
                    ..MountSpec::default()
                });
                spec.task.networks.push(NetworkAttachment {
                    network: "back".into(),
                    aliases: vec!["w".into()],
                });
            },
            2,
            true,
            &["mounts: +data:/data:ro", "networks: +back as w"],
        ),
        (
            &|spec| spec.task.restart.max_attempts = 3,
            2,
            true,
            &["restart: any -> any max_attempts=3"],
        ),
        (
            &|spec| {
                spec.task.container.healthcheck = Some(HealthCheck {
                    interval_ms: 2000,
                    retries: 5,
                    ..HealthCheck::default()
                })
            },
            2,
            true,
            &["healthcheck: none -> interval=2s retries=5"],
        ),
        (&|spec| spec.task.force = 1, 2, true, &["force: changed"]),
    ];
    let mut known = web("blog:v1", 3);
    known.task.container.env = vec!["B=2".into()];
    let (world, id) = running(known.clone());
    for (row, (edit, changes, replaces, details)) in table.into_iter().enumerate() {
        let mut spec = known.clone();
        edit(&mut spec);
        let specified = change(&world, &id, spec.clone());
        assert_eq!(specified.changes.len(), changes, "row {row}");
        assert_eq!(specified.replaces_tasks, replaces, "row {row}");
        assert_eq!(specified.details, details, "row {row}");
        let moves = specified.service.rollout.is_some();
        assert_eq!(
            (moves, specified.service.revision),
            (replaces, 1 + u64::from(replaces)),
            "row {row}"
        );
        if changes > 0 {
            assert_eq!(specified.service.spec, spec, "row {row}");
            assert_eq!(
                specified.service.previous.as_deref(),
                Some(&known),
                "row {row}"
            );
        }
        assert!(!format!("{specified:?}").contains("c2VjcmV0"), "row {row}");
    }
}

#[test]
fn what_the_managers_know_better_is_kept() {
    let mut spec = web("v1", 3);
    spec.task.container.registry_auth = Some(RegistryAuth { auth: "x".into() });
    spec.task.force = 2;
    spec.autoscale = Some(Autoscale {
        min: 1,
        max: 6,
        ..Autoscale::default()
    });
    let (mut world, id) = running(spec.clone());
    world.edit(&id, |service| {
        service.spec.mode = Some(ServiceMode::Replicated(Replicated { replicas: 5 }));
        service.autoscaled = Some(Autoscaled::default());
    });
    let mut asked = web("v2", 3);
    asked.autoscale = spec.autoscale;
    let specified = change(&world, &id, asked.clone());
    assert_eq!(specified.details, ["image: v1 -> v2"]);
    let wanted = &specified.service.spec;
    assert_eq!(
        wanted.mode,
        Some(ServiceMode::Replicated(Replicated { replicas: 5 }))
    );
    assert_eq!(
        (
            wanted.task.force,
            wanted.task.container.registry_auth.is_some()
        ),
        (2, true)
    );
    asked.autoscale = Some(Autoscale {
        min: 1,
        max: 4,
        ..Autoscale::default()
    });
    let specified = change(&world, &id, asked);
    assert_eq!(
        specified.details,
        ["replicas: 5 -> 4", "image: v1 -> v2", "autoscale: changed"]
    );
}

#[test]
fn no_rollout_where_nothing_runs() {
    let (world, id) = running(web("v1", 0));
    let specified = change(&world, &id, web("v2", 0));
    assert_eq!(
        (specified.service.revision, specified.service.rollout),
        (2, None)
    );
}

#[test]
fn numbers_are_not_used_twice() {
    let (mut world, id) = running(web("v1", 1));
    let steps = [
        ("v2", 2, (1, 2)),
        // It has not ended: what worked last is where it came from.
        ("v3", 3, (1, 3)),
        // Back to what runs still.
        ("v1", 1, (0, 0)),
        ("v4", 4, (1, 4)),
    ];
    for (image, revision, expected) in steps {
        world.up(web(image, 1));
        let service = world.service(&id);
        let rollout = service.rollout.as_ref();
        let rollout = rollout.map_or((0, 0), |rollout| (rollout.from, rollout.to));
        assert_eq!((service.revision, rollout), (revision, expected), "{image}");
        if image == "v3" {
            let previous = service.previous.as_ref().expect("what was before");
            assert_eq!(previous.task.container.image, "v1");
        }
    }
}

#[test]
fn runs_of_jobs_are_counted() {
    let job = |image: &str, completions, schedule: &str| ServiceSpec {
        mode: Some(ServiceMode::ReplicatedJob(ReplicatedJob {
            completions,
            concurrent: 0,
        })),
        schedule: schedule.into(),
        ..web(image, 0)
    };
    let table = [
        ("", job("v1", 1, ""), 1, false),
        ("", job("v2", 1, ""), 2, true),
        ("", job("v1", 2, ""), 2, true),
        ("", job("v1", 1, "@daily"), 1, false),
        ("@daily", job("v2", 1, "@daily"), 0, false),
        ("@daily", job("v1", 1, ""), 1, true),
    ];
    for (row, (schedule, spec, run, replaces)) in table.into_iter().enumerate() {
        let (world, id) = running(job("v1", 1, schedule));
        let specified = change(&world, &id, spec);
        assert_eq!(
            (specified.service.job_iteration, specified.replaces_tasks),
            (run, replaces),
            "row {row}"
        );
        assert_eq!(specified.service.rollout, None, "row {row}");
    }
}
