use model::{
    ConfigSpec, FileReference, NetworkAttachment, NetworkSpec, SecretSpec, ServiceSpec, Stack,
    StackSpec, TaskState,
};

use super::{Deploy, PlannedChange, StackError, What, deploy, reconcile, roll_back};
use crate::gate::scene::{Scene, replicas};

/// A service of the stack `shop`.
pub(super) fn service(name: &str) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: format!("shop_{name}"),
        mode: replicas(1),
        ..ServiceSpec::default()
    };
    spec.task.container.image = format!("{name}:1");
    spec
}

pub(super) fn stack(services: Vec<ServiceSpec>) -> StackSpec {
    StackSpec {
        name: "shop".into(),
        services,
        ..StackSpec::default()
    }
}

pub(super) fn plan(scene: &mut Scene, spec: &StackSpec) -> Result<Deploy, StackError> {
    scene.ask(|state, now_ms, ids| deploy(state, spec, "stack up", now_ms, ids))
}

/// What a deployment did.
pub(super) fn up(scene: &mut Scene, spec: &StackSpec) -> Vec<String> {
    let deploy = plan(scene, spec).expect("a deployment");
    scene.apply(deploy.changes);
    told(&deploy.planned)
}

pub(super) fn known(scene: &Scene) -> Stack {
    let stack = scene.state.stacks().named("shop").expect("the stack");
    (**stack).clone()
}

/// Lets the managers carry on with the stack, services that go included, until nothing changes.
pub(super) fn carry_on(scene: &mut Scene) {
    let id = known(scene).id;
    for _ in 0..20 {
        let services = scene.state.services_of(&id);
        let going: Vec<String> = services
            .filter(|service| service.removing)
            .map(|service| service.id.clone())
            .collect();
        for service in going {
            scene.reconcile(&service);
        }
        let plan = reconcile(&scene.state, &id, scene.now_ms);
        if plan.is_empty() {
            return;
        }
        scene.apply(plan.changes);
    }
    panic!("the stack comes to no rest");
}

fn told(planned: &[PlannedChange]) -> Vec<String> {
    let told = planned.iter().map(|change| {
        let what = match change.what {
            What::Create => "create",
            What::Update => "update",
            What::Adjust => "adjust",
            What::Remove => "remove",
        };
        let (noun, name, wave) = (change.noun, &change.name, change.wave);
        match wave {
            0 => format!("{what} {noun} {name}"),
            _ => format!("{what} {noun} {name} in wave {wave}"),
        }
    });
    told.collect()
}

fn attached(mut service: ServiceSpec, network: &str) -> ServiceSpec {
    service.task.networks.push(NetworkAttachment {
        network: network.into(),
        ..NetworkAttachment::default()
    });
    service
}

fn given(mut service: ServiceSpec, secret: &str) -> ServiceSpec {
    service.task.container.secrets = vec![FileReference {
        source: secret.into(),
        target: "key".into(),
        ..FileReference::default()
    }];
    service
}

fn secret(name: &str, data: &str) -> SecretSpec {
    SecretSpec {
        name: name.into(),
        data: data.as_bytes().to_vec().into(),
        ..SecretSpec::default()
    }
}

fn config(name: &str, data: &str) -> ConfigSpec {
    ConfigSpec {
        name: name.into(),
        data: data.as_bytes().to_vec().into(),
        ..ConfigSpec::default()
    }
}

fn network(name: &str) -> NetworkSpec {
    NetworkSpec {
        name: name.into(),
        ..NetworkSpec::default()
    }
}

/// A service with one of everything; `version` names what it is given.
fn whole(version: &str) -> StackSpec {
    let web = attached(service("web"), "shop_front");
    StackSpec {
        networks: vec![network("shop_front")],
        secrets: vec![secret(&format!("shop_key-{version}"), version)],
        configs: vec![config(&format!("shop_conf-{version}"), version)],
        ..stack(vec![given(web, &format!("shop_key-{version}"))])
    }
}

#[test]
fn the_same_twice_changes_nothing() {
    let mut scene = Scene::new();
    let spec = whole("a");
    assert_eq!(
        up(&mut scene, &spec),
        [
            "create network shop_front",
            "create secret shop_key-a",
            "create config shop_conf-a",
            "create service shop_web in wave 1",
        ]
    );
    assert_eq!(known(&scene).deployment, 1);
    let again = plan(&mut scene, &spec).expect("a deployment");
    assert_eq!(
        (again.changes, again.planned, again.deployment),
        (vec![], vec![], 1)
    );
}

#[test]
fn what_is_asked_for_is_kept_without_its_secrets() {
    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    let id = known(&scene).id;
    let kept = scene
        .state
        .deployments_of(&id)
        .next()
        .expect("a deployment");
    assert_eq!((kept.number, kept.reason.as_str()), (1, "stack up"));
    assert!(kept.spec.secrets[0].data.is_empty() && kept.spec.configs[0].data.is_empty());
    let secrets = scene.state.secrets();
    let secret = secrets.named("shop_key-a").expect("the secret");
    assert_eq!(&secret.spec.data[..], b"a");
    assert_eq!(secret.spec.labels, StackSpec::labels("shop"));
}

#[test]
fn only_what_differs_is_changed() {
    let mut scene = Scene::new();
    let mut spec = stack(vec![service("db"), service("web")]);
    up(&mut scene, &spec);
    spec.services[1].task.container.image = "web:2".into();
    let deploy = plan(&mut scene, &spec).expect("a deployment");
    assert_eq!(told(&deploy.planned), ["update service shop_web in wave 1"]);
    assert_eq!(deploy.planned[0].details, ["image: web:1 -> web:2"]);
    scene.apply(deploy.changes);
    spec.services[0].mode = replicas(3);
    assert_eq!(up(&mut scene, &spec), ["adjust service shop_db in wave 1"]);
    assert_eq!(known(&scene).deployment, 3);

    // Not named, not pruned: it stays, and the next deployment knows it no more.
    spec.services.remove(0);
    assert_eq!(up(&mut scene, &spec), [""; 0]);
    assert_eq!(known(&scene).deployment, 4);
    spec.prune = true;
    assert_eq!(up(&mut scene, &spec), ["remove service shop_db"]);
    assert_eq!(up(&mut scene, &spec), [""; 0]);
    // As long as it is on its way nothing takes its name.
    spec.services.push(service("db"));
    let error = plan(&mut scene, &spec).expect_err("it is being removed");
    assert_eq!(
        error.to_string(),
        "service `shop_db` is being removed: wait until it is gone, then try again"
    );
    carry_on(&mut scene);
    assert_eq!(up(&mut scene, &spec), ["create service shop_db in wave 1"]);
}

#[test]
fn a_network_goes_when_nothing_is_attached_to_it_any_more() {
    let mut scene = Scene::new();
    let mut spec = whole("a");
    up(&mut scene, &spec);
    spec.networks.clear();
    spec.services[0].task.networks.clear();
    spec.prune = true;
    assert_eq!(
        up(&mut scene, &spec),
        [
            "update service shop_web in wave 1",
            "remove network shop_front"
        ]
    );
    assert_eq!(up(&mut scene, &spec), [""; 0]);
    carry_on(&mut scene);
    let networks = |scene: &Scene| scene.state.networks().len();
    assert_eq!(networks(&scene), 1, "its old revision may run still");
    spec.services.clear();
    up(&mut scene, &spec);
    carry_on(&mut scene);
    assert_eq!(networks(&scene), 0);
}

#[test]
fn another_content_is_another_secret_and_old_ones_go_when_nothing_can_come_back_to_them() {
    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    assert_eq!(
        up(&mut scene, &whole("b")),
        [
            "create secret shop_key-b",
            "create config shop_conf-b",
            "update service shop_web in wave 1",
        ]
    );
    let id = known(&scene).id;
    for number in 3..=11 {
        let mut spec = whole("b");
        spec.services[0].mode = replicas(number);
        let done = up(&mut scene, &spec);
        assert_eq!(done[0], "adjust service shop_web in wave 1");
        // With the tenth after it the first deployment is forgotten, and what only that one named.
        let rest = if number == 11 {
            &["remove config shop_conf-a"][..]
        } else {
            &[]
        };
        assert_eq!(done[1..], *rest, "{number}");
    }
    let mut kept: Vec<u64> = scene
        .state
        .deployments_of(&id)
        .map(|it| it.number)
        .collect();
    kept.sort_unstable();
    assert_eq!(kept, (2..=11).collect::<Vec<u64>>());
    // Tasks of revision 1 may run still.
    assert!(scene.state.secrets().named("shop_key-a").is_some());
    let web = scene
        .state
        .services()
        .named("shop_web")
        .expect("the service")
        .clone();
    let first = scene
        .state
        .revision(&web.id, 1)
        .expect("a revision")
        .clone();
    scene.apply(vec![store::Change::remove(&*first)]);
    assert_eq!(
        up(&mut scene, &whole("b")),
        [
            "adjust service shop_web in wave 1",
            "remove secret shop_key-a",
        ]
    );
}

#[test]
fn names_that_are_taken_are_refused() {
    let taken = |spec: &StackSpec, set: fn(&mut Scene)| {
        let mut scene = Scene::new();
        set(&mut scene);
        plan(&mut scene, spec).expect_err("it is taken").to_string()
    };
    let foreign = |noun: &str, name: &str| {
        format!(
            "{noun} `{name}` exists and does not belong to stack `shop`: remove it, or use another name"
        )
    };
    let service_taken = taken(&stack(vec![service("web")]), |scene| {
        scene.service("web", |web| web.spec.name = "shop_web".into());
    });
    assert_eq!(service_taken, foreign("service", "shop_web"));
    let network_taken = taken(&whole("a"), |scene| {
        scene.apply(vec![store::Change::create(model::Network {
            id: "net".into(),
            spec: network("shop_front"),
            ..model::Network::default()
        })]);
    });
    assert_eq!(network_taken, foreign("network", "shop_front"));
    let secret_taken = taken(&whole("a"), |scene| {
        scene.apply(vec![store::Change::create(model::Secret {
            id: "key".into(),
            spec: secret("shop_key-a", "a"),
            ..model::Secret::default()
        })]);
    });
    assert_eq!(secret_taken, foreign("secret", "shop_key-a"));
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let refused = |spec: &StackSpec| {
        let mut scene = Scene::new();
        let error = plan(&mut scene, spec).expect_err("it cannot be meant");
        error.to_string()
    };
    let mut nameless = stack(vec![]);
    nameless.name = "a b".into();
    assert!(refused(&nameless).contains("`a b` is no name for a stack"));
    let twice = stack(vec![service("web"), service("web")]);
    assert_eq!(refused(&twice), "service `shop_web` is in the stack twice");
    let lost = stack(vec![attached(service("web"), "elsewhere")]);
    assert_eq!(
        refused(&lost),
        "service `shop_web` uses network `elsewhere`, and there is none: create it first"
    );
    let keyless = stack(vec![given(service("web"), "key")]);
    assert_eq!(
        refused(&keyless),
        "service `shop_web` uses secret `key`, and there is none: create it first"
    );
    let mut large = whole("a");
    large.configs[0].data = vec![0; (500 << 10) + 1].into();
    assert!(refused(&large).starts_with("config `shop_conf-a` holds more than 500 KiB"));
    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    let mut changed = whole("a");
    changed.networks[0].internal = true;
    let error = plan(&mut scene, &changed).expect_err("a network stays as it is");
    assert!(matches!(
        error,
        StackError::Unchangeable {
            noun: "network",
            ..
        }
    ));
    let mut changed = whole("a");
    changed.secrets[0].data = b"other".to_vec().into();
    let error = plan(&mut scene, &changed).expect_err("a secret stays as it is");
    assert!(matches!(
        error,
        StackError::Unchangeable { noun: "secret", .. }
    ));
    let mut changed = whole("a");
    changed.networks[0]
        .labels
        .insert("team".into(), "shop".into());
    assert_eq!(up(&mut scene, &changed), ["adjust network shop_front"]);
}

#[test]
fn a_stack_returns_to_an_earlier_deployment() {
    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    let mut second = whole("b");
    second.services.push(service("extra"));
    up(&mut scene, &second);
    let back = |scene: &mut Scene, to: Option<u64>| {
        let stack = known(scene);
        scene.ask(|state, now_ms, ids| roll_back(state, &stack, to, now_ms, ids))
    };
    let deploy = back(&mut scene, None).expect("a rollback");
    assert_eq!(deploy.deployment, 3);
    assert_eq!(
        told(&deploy.planned),
        [
            "update service shop_web in wave 1",
            "remove service shop_extra"
        ]
    );
    scene.apply(deploy.changes);
    let id = known(&scene).id;
    let newest = scene.state.deployments_of(&id).max_by_key(|it| it.number);
    assert_eq!(newest.expect("a deployment").reason, "rollback to 1");
    let web = scene
        .state
        .services()
        .named("shop_web")
        .expect("the service");
    assert_eq!(web.spec.task.container.secrets[0].source, "shop_key-a");

    let same = back(&mut scene, Some(1)).expect("nothing to do");
    assert_eq!((same.changes, same.deployment), (vec![], 3));
    let error = back(&mut scene, Some(7)).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "stack `shop` has no deployment 7 to return to, only 1, 2, 3"
    );
    carry_on(&mut scene);
    let key = scene
        .state
        .secrets()
        .named("shop_key-b")
        .expect("a secret")
        .clone();
    scene.apply(vec![store::Change::remove(&*key)]);
    let error = back(&mut scene, Some(2)).expect_err("a secret is gone");
    assert_eq!(
        error,
        StackError::Gone {
            noun: "secret",
            name: "shop_key-b".into()
        }
    );

    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    let error = back(&mut scene, None).expect_err("there is none");
    assert_eq!(
        error.to_string(),
        "stack `shop` has no earlier deployment to return to, only 1"
    );
}

#[test]
fn a_stack_that_goes_takes_everything_with_it() {
    let mut scene = Scene::new();
    up(&mut scene, &whole("a"));
    // A service that is not of the stack uses the network.
    scene.service("guest", |guest| {
        guest.stack_id.clear();
        guest.spec = attached(guest.spec.clone(), "shop_front");
    });
    let stack = known(&scene);
    let changes = super::remove(&scene.state, &stack);
    scene.apply(changes);
    assert_eq!(super::remove(&scene.state, &known(&scene)), []);
    let error = plan(&mut scene, &whole("a")).expect_err("it is being removed");
    assert_eq!(
        error.to_string(),
        "stack `shop` is being removed: wait until it is gone, then try again"
    );
    carry_on_until_gone(&mut scene, &stack.id);
    assert_eq!(scene.state.services().len(), 1);
    assert_eq!(scene.state.secrets().len() + scene.state.configs().len(), 0);
    assert_eq!(scene.state.deployments().len(), 0);
    let network = scene
        .state
        .networks()
        .named("shop_front")
        .expect("it is in use");
    assert_eq!(network.stack_id, "");
    assert_eq!(network.spec.labels.len(), 0);
    assert!(reconcile(&scene.state, &stack.id, scene.now_ms).is_empty());
}

pub(super) fn carry_on_until_gone(scene: &mut Scene, stack_id: &str) {
    for _ in 0..20 {
        let services = scene.state.services_of(stack_id);
        let ids: Vec<String> = services.map(|service| service.id.clone()).collect();
        for id in ids
            .iter()
            .filter(|id| scene.service_of(id).removing)
            .cloned()
            .collect::<Vec<_>>()
        {
            end_tasks(scene, &id);
            scene.reconcile(&id);
        }
        if scene.state.stacks().get(stack_id).is_none() {
            return;
        }
        let plan = reconcile(&scene.state, stack_id, scene.now_ms);
        scene.apply(plan.changes);
    }
    panic!("the stack stays");
}

/// The tasks that are told to end do.
fn end_tasks(scene: &mut Scene, service: &str) {
    scene.reconcile(service);
    if scene.state.services().get(service).is_some() {
        scene.tasks(service, |task| task.status.set_state(TaskState::Shutdown));
    }
}
