//! What cannot be meant.

use super::*;

#[test]
fn what_cannot_be_meant_is_refused_with_what_to_do() {
    let table: &[(Change1, &str)] = &[
        (|spec| spec.name.clear(), "a service needs a name"),
        (
            |spec| spec.name = "-web".to_owned(),
            "its name must begin with a letter or a digit",
        ),
        (
            |spec| spec.name = "we b".to_owned(),
            "go on with letters, digits and any of _ . -",
        ),
        (
            |spec| spec.name = "x".repeat(128),
            "its name has 128 letters, choose one of 127 at most",
        ),
        (|spec| spec.mode = None, "it has no mode, choose replicated"),
        (
            |spec| spec.mode = Some(ServiceMode::Replicated(Replicated { replicas: u64::MAX })),
            "choose 1000000 at most",
        ),
        (
            |spec| spec.task.container.image.clear(),
            "it has no image, name one",
        ),
        (
            |spec| spec.task.container.image = "a b".to_owned(),
            "image `a b` cannot be a reference",
        ),
        (
            |spec| spec.task.container.env = vec!["=1".to_owned()],
            "write NAME=VALUE",
        ),
        (
            |spec| spec.task.container.pull = "often".to_owned(),
            "is none of missing, always, never",
        ),
        (
            |spec| spec.task.container.oom_score_adj = Some(1001),
            "choose one from -1000 to 1000",
        ),
        (
            |spec| test(spec, &["curl", "x"]),
            "begins with NONE, CMD or CMD-SHELL, not with `curl`",
        ),
        (
            |spec| test(spec, &["CMD"]),
            "CMD needs the words of a command",
        ),
        (
            |spec| test(spec, &["CMD-SHELL", "a", "b"]),
            "CMD-SHELL needs one line",
        ),
        (|spec| test(spec, &["NONE", "x"]), "NONE takes no words"),
        (
            |spec| spec.task.container.mounts = vec![mount(MountKind::Volume, "v", "data")],
            "mount target `data` is no path of the container",
        ),
        (
            |spec| spec.task.container.mounts = vec![mount(MountKind::Volume, "v", "//")],
            "nothing can be mounted on /",
        ),
        (
            |spec| {
                spec.task.container.mounts = vec![
                    mount(MountKind::Volume, "v", "/d"),
                    mount(MountKind::Tmpfs, "", "/d/"),
                ];
            },
            "two mounts have the target `/d/`",
        ),
        (
            |spec| spec.task.container.mounts = vec![mount(MountKind::Bind, "x", "/d")],
            "name a path of the node that begins with /",
        ),
        (
            |spec| spec.task.container.mounts = vec![mount(MountKind::Tmpfs, "x", "/d")],
            "tmpfs on `/d` has a source, `x`: take it out",
        ),
        (
            |spec| spec.task.container.mounts = vec![mount(MountKind::Volume, "a/b", "/d")],
            "volume `a/b` on `/d`: a name begins with",
        ),
        (
            |spec| spec.task.container.secrets = vec![file("none", "")],
            "secret `none` does not exist, make it with `minictl secret create none`",
        ),
        (
            |spec| spec.task.container.configs = vec![file("none", "")],
            "config `none` does not exist",
        ),
        (
            |spec| {
                spec.task.container.secrets = vec![file("key", ""), file("key", "/run/secrets/key")]
            },
            "two secrets have the target",
        ),
        (
            |spec| {
                spec.task.container.secrets = vec![file("key", "")];
                spec.task.container.secrets[0].mode = Some(0o10000);
            },
            "has a mode above 7777",
        ),
        (
            |spec| spec.task.resources.limits.memory_bytes = (6 << 20) - 1,
            "its memory limit is too small, choose 6 MiB at least",
        ),
        (
            |spec| spec.task.resources.reservations.memory_bytes = -1,
            "its memory reservation is too small",
        ),
        (
            |spec| spec.task.resources.limits.nano_cpus = 5,
            "its CPU limit is too small, choose 0.001",
        ),
        (
            |spec| {
                spec.task.resources.limits.memory_bytes = 8 << 20;
                spec.task.resources.reservations.memory_bytes = 9 << 20;
            },
            "its memory reservation is above its memory limit",
        ),
        (
            |spec| {
                spec.task.resources.limits.nano_cpus = 1_000_000_000;
                spec.task.resources.reservations.nano_cpus = 2_000_000_000;
            },
            "its CPU reservation is above its CPU limit",
        ),
        (
            |spec| spec.task.resources.pids = -1,
            "its limit of processes is below 0",
        ),
        (
            |spec| spec.task.placement.constraints = vec!["node.labels.disk = ssd".to_owned()],
            "constraint `node.labels.disk = ssd`: it has no operator",
        ),
        (
            |spec| {
                spec.task.placement.preferences = vec![SpreadPreference {
                    over: "zone".to_owned(),
                    max_skew: 0,
                }];
            },
            "spread preference: `zone` is nothing of a node",
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::Global(Global {}));
                spec.task.placement.max_replicas_per_node = 1;
            },
            "max replicas per node is for replicated services",
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::Global(Global {}));
                spec.task.placement.rebalance = true;
            },
            "rebalancing is for replicated services",
        ),
        (
            |spec| attach(spec, &["back"]),
            "network `back` does not exist, make it with",
        ),
        (
            |spec| attach(spec, &["front", "net1"]),
            "network `net1` is named twice",
        ),
        (
            |spec| attach(spec, &["host", "front"]),
            "network `host` goes with no other one",
        ),
        (|spec| attach(spec, &[""]), "a network needs a name"),
        (
            |spec| spec.endpoint.ports = vec![host(80, 0)],
            "port 0 of the container is none",
        ),
        (
            |spec| spec.endpoint.ports = vec![host(70_000, 1)],
            "published port 70000 is none",
        ),
        (
            |spec| spec.endpoint.ports = vec![host(80, 80), port(80, 81)],
            "port 80 is published twice, choose another one",
        ),
        (
            |spec| spec.endpoint.ports = vec![host(0, 80), host(0, 80)],
            "port 80/tcp of the container is published twice in the same way",
        ),
        (
            |spec| {
                spec.endpoint.mode = EndpointMode::Dnsrr.into();
                spec.endpoint.ports = vec![port(80, 80)];
            },
            "use mode=host or endpoint mode vip",
        ),
        (
            |spec| {
                spec.update = Some(UpdateConfig {
                    max_failure_ratio: 1.5,
                    ..UpdateConfig::default()
                })
            },
            "max failure ratio of its update is 1.5, choose one from 0 to 1",
        ),
        (
            |spec| {
                spec.rollback = Some(UpdateConfig {
                    max_failure_ratio: f64::NAN,
                    ..UpdateConfig::default()
                });
            },
            "max failure ratio of its rollback is NaN",
        ),
        (
            |spec| {
                spec.rollback = Some(UpdateConfig {
                    failure_action: FailureAction::Rollback.into(),
                    ..UpdateConfig::default()
                });
            },
            "choose pause or continue as its failure action",
        ),
        (
            |spec| depend(spec, &["web"]),
            "dependency cycle detected: web -> web",
        ),
        (
            |spec| depend(spec, &["db", "db"]),
            "it depends on `db` twice",
        ),
        (
            |spec| depend(spec, &[""]),
            "a dependency needs the name of a service",
        ),
        (
            |spec| spec.gate.min_healthy = 3,
            "min healthy is 3 of 2 replicas, choose 2 at most",
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    min: 3,
                    max: 2,
                    cpu: 0.5,
                    ..Autoscale::default()
                })
            },
            "a min of 3 above its max of 2",
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    max: 2,
                    ..Autoscale::default()
                })
            },
            "autoscaling has no target",
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    cpu: 0.5,
                    ..Autoscale::default()
                })
            },
            "autoscaling needs a max",
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    max: 2,
                    cpu: -0.5,
                    ..Autoscale::default()
                })
            },
            "autoscaling target cpu is -0.5",
        ),
        (
            |spec| {
                spec.autoscale = Some(Autoscale {
                    max: 2,
                    memory: 0.5,
                    ..Autoscale::default()
                })
            },
            "needs a memory reservation or limit",
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::Global(Global {}));
                spec.autoscale = Some(Autoscale {
                    max: 2,
                    cpu: 0.5,
                    ..Autoscale::default()
                });
            },
            "autoscaling is for replicated services",
        ),
        (
            |spec| spec.schedule = "* * * * *".to_owned(),
            "a schedule is for jobs",
        ),
        (
            |spec| {
                spec.mode = Some(ServiceMode::GlobalJob(GlobalJob {}));
                spec.schedule = "often".to_owned();
            },
            "schedule `often`: ",
        ),
    ];
    for (change, expected) in table {
        let error = check(change).expect_err(expected);
        assert!(
            error.contains(expected),
            "{error:?} in place of {expected:?}"
        );
        assert!(
            error.starts_with("service `")
                || expected.contains("needs a name") && !error.contains("service `"),
            "{error}"
        );
    }
}
