//! The points of the design's "Health gates" that a plan decides, by number.

use model::DependencyCondition::{CompletedSuccessfully, Healthy, Started};
use model::{
    Dependency, DependencyCondition, HealthCheck, PortSpec, PublishMode, RestartCondition,
    ServiceSpec, StackSpec, TaskState, UpdateConfig, UpdateOrder,
};

use super::tests::{carry_on_until_gone, known, plan, service, stack, up};
use super::{StackError, reconcile, remove, waves};
use crate::gate::scene::{Scene, job, replicas};

fn needs(mut spec: ServiceSpec, names: &[(&str, DependencyCondition)]) -> ServiceSpec {
    for (name, condition) in names {
        spec.depends_on.push(Dependency {
            service: format!("shop_{name}"),
            condition: (*condition).into(),
            ..Dependency::default()
        });
    }
    spec
}

fn probed(mut spec: ServiceSpec, test: &str) -> ServiceSpec {
    let words = match test {
        "NONE" => vec![],
        _ => vec!["true".to_owned()],
    };
    spec.task.container.healthcheck = Some(HealthCheck {
        test: [vec![test.to_owned()], words].concat(),
        ..HealthCheck::default()
    });
    spec
}

fn refusal(spec: &StackSpec) -> String {
    let mut scene = Scene::new();
    plan(&mut scene, spec)
        .expect_err("it cannot be meant")
        .to_string()
}

fn warnings(spec: &StackSpec) -> Vec<String> {
    let mut scene = Scene::new();
    plan(&mut scene, spec).expect("a deployment").warnings
}

#[test]
fn gate_point_02_what_can_never_come_true_is_refused() {
    let healthy = |db: ServiceSpec| stack(vec![db, needs(service("web"), &[("db", Healthy)])]);
    let error = refusal(&healthy(probed(service("db"), "NONE")));
    assert!(
        error.contains("`shop_db` has its health check disabled"),
        "{error}"
    );
    assert_eq!(warnings(&healthy(probed(service("db"), "CMD"))), [""; 0]);
    // The image may have one.
    assert_eq!(warnings(&healthy(service("db"))), [""; 0]);

    let completed = |db: ServiceSpec| {
        stack(vec![
            db,
            needs(service("web"), &[("db", CompletedSuccessfully)]),
        ])
    };
    let error = refusal(&completed(service("db")));
    assert!(
        error.contains("`shop_db` is restarted whenever it ends"),
        "{error}"
    );
    let mut once = service("db");
    once.task.restart.set_condition(RestartCondition::OnFailure);
    assert_eq!(warnings(&completed(once)), [""; 0]);
    let mut of_job = service("db");
    of_job.mode = job(1);
    assert_eq!(warnings(&completed(of_job)), [""; 0]);
}

#[test]
fn gate_point_02_the_short_form_on_a_service_with_a_health_check_gets_a_hint() {
    let spec = |db: ServiceSpec| stack(vec![db, needs(service("web"), &[("db", Started)])]);
    let told = warnings(&spec(probed(service("db"), "CMD")));
    assert_eq!(told.len(), 1);
    assert!(
        told[0].contains("say `condition: service_healthy`"),
        "{told:?}"
    );
    assert_eq!(warnings(&spec(probed(service("db"), "NONE"))), [""; 0]);
    assert_eq!(warnings(&spec(service("db"))), [""; 0]);
}

#[test]
fn gate_point_03_an_optional_dependency_may_be_missing() {
    let mut web = needs(service("web"), &[("db", Healthy)]);
    web.depends_on[0].optional = true;
    let told = warnings(&stack(vec![web]));
    assert_eq!(
        told,
        ["service `shop_web` depends on `shop_db`, which is not there: it starts without"]
    );
}

#[test]
fn gate_point_08_cycles_self_edges_and_unknown_services_are_refused_by_path() {
    let of = |edges: &[(&str, &[&str])]| {
        let services = edges.iter().map(|(name, on)| {
            let on: Vec<_> = on.iter().map(|name| (*name, Started)).collect();
            needs(service(name), &on)
        });
        stack(services.collect())
    };
    for (edges, path) in [
        (&[("a", &["a"][..])][..], "a -> a"),
        (&[("a", &["b"]), ("b", &["a"])], "a -> b -> a"),
        (
            &[
                ("web", &["a"]),
                ("c", &["b"]),
                ("a", &["c"]),
                ("b", &["a"]),
                ("d", &[]),
            ],
            "c -> b -> a -> c",
        ),
        (
            &[("a", &["d", "b"]), ("b", &["c"]), ("c", &["b"]), ("d", &[])],
            "b -> c -> b",
        ),
    ] {
        let expected = format!("dependency cycle detected: {path}");
        assert_eq!(refusal(&of(edges)), expected);
    }
    let error = refusal(&of(&[("a", &["b"])]));
    assert!(
        error.starts_with("service `shop_a` depends on `shop_b`, and there is no such"),
        "{error}"
    );

    // What another stack, or nobody, has is known too.
    let mut scene = Scene::new();
    scene.service("db", |_| {});
    let mut web = service("web");
    web.depends_on.push(Dependency {
        service: "blog_db".into(),
        ..Dependency::default()
    });
    up(&mut scene, &stack(vec![web]));

    // What goes with this deployment is not.
    let mut scene = Scene::new();
    up(&mut scene, &of(&[("a", &[]), ("b", &[])]));
    let mut spec = of(&[("a", &["b"])]);
    spec.services.truncate(1);
    assert!(plan(&mut scene, &spec).is_ok());
    spec.prune = true;
    let error = plan(&mut scene, &spec).expect_err("it goes");
    assert!(matches!(error, StackError::UnknownDependency { .. }));
}

#[test]
fn gate_point_04_services_move_in_waves() {
    let services = [
        needs(
            service("web"),
            &[("db", Healthy), ("migrate", CompletedSuccessfully)],
        ),
        needs(service("migrate"), &[("db", Healthy)]),
        service("cache"),
        service("db"),
        needs(
            service("proxy"),
            &[("web", Started), ("elsewhere", Started)],
        ),
    ];
    assert_eq!(
        waves(&services),
        Ok(vec![vec![2, 3], vec![1], vec![0], vec![4]])
    );
    assert_eq!(waves(&[]), Ok(vec![]));

    // Long chains do no harm.
    let mut chain = vec![service("0")];
    for number in 1..5_000 {
        let before = (number - 1).to_string();
        chain.push(needs(service(&number.to_string()), &[(&before, Started)]));
    }
    assert_eq!(waves(&chain).expect("waves").len(), 5_000);
}

#[test]
fn gate_point_10_what_has_no_room_for_two_is_found_when_it_is_planned() {
    let host_port = |mut spec: ServiceSpec| {
        spec.endpoint.ports.push(PortSpec {
            target: 80,
            published: 8080,
            mode: PublishMode::Host.into(),
            ..PortSpec::default()
        });
        spec
    };
    let limited = |mut spec: ServiceSpec| {
        spec.task.placement.max_replicas_per_node = 1;
        spec
    };
    let of = |count: u64| {
        let mut web = service("web");
        web.mode = replicas(count);
        web.update = Some(UpdateConfig {
            order: UpdateOrder::StartFirst.into(),
            ..UpdateConfig::default()
        });
        web
    };
    let check = |web: ServiceSpec, expected: Option<&str>| {
        let mut scene = Scene::new();
        let mut spec = stack(vec![web]);
        // To begin with there is nothing to take the place of.
        up(&mut scene, &spec);
        spec.services[0].task.container.image = "web:2".into();
        let found = plan(&mut scene, &spec);
        let Some(reason) = expected else {
            assert!(found.is_ok(), "{found:?}");
            return;
        };
        let error = found.expect_err("there is no room").to_string();
        assert_eq!(
            error,
            format!(
                "service `shop_web` cannot be updated start-first: {reason}; add a node, use stop-first, or allow a dip with --allow-dip"
            )
        );
        // With a dip it goes, and a second time nothing is left to do.
        spec.allow_dip = true;
        let deploy = plan(&mut scene, &spec).expect("a deployment");
        let expected =
            format!("service `shop_web` is updated stop-first, not start-first: {reason}");
        assert!(deploy.warnings.contains(&expected), "{:?}", deploy.warnings);
        scene.apply(deploy.changes);
        let web = scene
            .state
            .services()
            .named("shop_web")
            .expect("the service");
        let update = web.spec.update.as_ref().expect("an update config");
        assert_eq!(update.order(), UpdateOrder::StopFirst);
        assert_eq!(up(&mut scene, &spec), [""; 0]);
    };
    let full = "a node may have one task of it, and 3 nodes that fit can take no task beside its 3 replicas";
    check(limited(of(3)), Some(full));
    check(limited(of(2)), None);
    check(of(3), None);
    let port = "port 8080 of a node is only one task's, and 3 nodes that fit can take no task beside its 3 replicas";
    check(host_port(of(3)), Some(port));
    check(host_port(of(2)), None);
    let mut picky = limited(of(1));
    picky.task.placement.constraints = vec!["node.hostname == n2".into()];
    let one = "a node may have one task of it, and 1 node that fits can take no task beside its 1 replica";
    check(picky, Some(one));
    let mut everywhere = host_port(of(1));
    everywhere.mode = Some(model::ServiceMode::Global(model::Global {}));
    check(
        everywhere,
        Some("port 8080 of a node is only one task's, and every node has one already"),
    );
    let mut automatic = limited(of(3));
    automatic.update = None;
    check(automatic, None);
}

#[test]
fn gate_point_11_a_stack_goes_against_the_order_in_which_it_came() {
    let mut scene = Scene::new();
    up(
        &mut scene,
        &stack(vec![
            service("db"),
            needs(service("web"), &[("db", Healthy)]),
            needs(service("proxy"), &[("web", Started)]),
        ]),
    );
    let id = |scene: &Scene, name: &str| {
        let services = scene.state.services();
        services
            .named(&format!("shop_{name}"))
            .expect("a service")
            .id
            .clone()
    };
    for name in ["db", "web", "proxy"] {
        let id = id(&scene, name);
        scene.task(&id, 1, |_| {});
    }
    let stack = known(&scene);
    let changes = remove(&scene.state, &stack);
    scene.apply(changes);
    let going = |scene: &Scene| -> Vec<String> {
        let services = scene.state.services_of(&stack.id);
        let going = services.filter(|service| service.removing);
        let mut names: Vec<String> = going.map(|it| it.spec.name.clone()).collect();
        names.sort();
        names
    };
    let step = |scene: &mut Scene| {
        let plan = reconcile(&scene.state, &stack.id, scene.now_ms);
        scene.apply(plan.changes);
    };
    for (ended, expected) in [
        (None, &["shop_proxy"][..]),
        (Some("proxy"), &["shop_proxy", "shop_web"]),
        (Some("web"), &["shop_db", "shop_proxy", "shop_web"]),
    ] {
        if let Some(ended) = ended {
            let id = id(&scene, ended);
            scene.tasks(&id, |task| task.status.set_state(TaskState::Shutdown));
        }
        step(&mut scene);
        assert_eq!(going(&scene), expected);
        // Nothing more happens before those have ended.
        assert!(reconcile(&scene.state, &stack.id, scene.now_ms).is_empty());
    }
    carry_on_until_gone(&mut scene, &stack.id);
    assert_eq!(scene.state.services().len(), 0);
}
