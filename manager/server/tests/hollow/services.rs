use api::v1::*;
use model::{
    FileReference, Replicated, SecretSpec, ServiceMode, ServiceSpec, StackSpec, TaskState,
    TaskStatus,
};
use tonic::Code;

use crate::place::Place;

pub(crate) fn spec(name: &str, replicas: u64) -> ServiceSpec {
    let mut spec = ServiceSpec {
        name: name.to_owned(),
        mode: Some(ServiceMode::Replicated(Replicated { replicas })),
        ..ServiceSpec::default()
    };
    spec.task.container.image = "web:1".to_owned();
    spec.task.container.healthcheck = None;
    spec
}

pub(crate) async fn create(place: &mut Place, spec: ServiceSpec) -> ServiceView {
    let asked = CreateServiceRequest { spec: Some(spec) };
    let reply = place.control.create_service(asked).await.expect("created");
    reply.into_inner().service.expect("a service")
}

fn update(spec: ServiceSpec) -> UpdateServiceRequest {
    UpdateServiceRequest {
        service: spec.name.clone(),
        version: 0,
        spec: Some(spec),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_scales_changes_and_goes() {
    let mut place = Place::new(&["w1", "w2"]).await;
    let _nodes = (place.worker("w1").await, place.worker("w2").await);
    create(&mut place, spec("web", 4)).await;
    let tasks = place.running("web", 4).await;
    let on = |node: &str| tasks.iter().filter(|task| task.node_id == node).count();
    assert!(tasks.iter().all(|task| !task.node_id.is_empty()) && on("w1") > 0 && on("w2") > 0);
    let twice = CreateServiceRequest {
        spec: Some(spec("web", 1)),
    };
    let refused = place
        .control
        .create_service(twice)
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::AlreadyExists);
    place
        .control
        .update_service(update(spec("web", 10)))
        .await
        .expect("scaled");
    place.running("web", 10).await;
    place
        .control
        .update_service(update(spec("web", 3)))
        .await
        .expect("scaled");
    place.running("web", 3).await;
    let mut newer = spec("web", 3);
    newer.task.container.image = "web:2".to_owned();
    place
        .control
        .update_service(update(newer))
        .await
        .expect("updated");
    place
        .until("all tasks are of revision 2", |view| {
            let service = view.services().named("web")?;
            let mut wanted = view.tasks_of(&service.id).filter(|task| task.is_wanted());
            let new = wanted.all(|task| task.revision == 2 && task.status.routable);
            new.then_some(())
        })
        .await;
    let asked = ListTasksRequest {
        service: "web".to_owned(),
        ..ListTasksRequest::default()
    };
    let listed = place
        .control
        .list_tasks(asked)
        .await
        .expect("listed")
        .into_inner();
    let shown = listed
        .tasks
        .iter()
        .find(|shown| shown.image == "web:2")
        .expect("a new task");
    assert!(shown.name.starts_with("web.") && shown.node_name.ends_with("-host"));
    let asked = RemoveServiceRequest {
        service: "web".to_owned(),
    };
    place.control.remove_service(asked).await.expect("removed");
    place
        .until("it is gone", |view| {
            (view.services().is_empty() && view.tasks().is_empty() && view.revisions().is_empty())
                .then_some(())
        })
        .await;
    let text = place.manager.metrics_text();
    assert!(
        text.contains("mini_dispatcher_sessions 2") && text.contains("mini_services 0"),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_changes_while_its_tasks_start_settles() {
    let mut place = Place::new(&["w1", "w2"]).await;
    let _nodes = (place.worker("w1").await, place.worker("w2").await);
    create(&mut place, spec("web", 50)).await;
    for round in 0..20 {
        let mut next = spec("web", [80, 0, 30][round % 3]);
        next.task.container.image = format!("web:{}", round / 5);
        place
            .control
            .update_service(update(next))
            .await
            .expect("changed");
    }
    place
        .control
        .update_service(update(spec("web", 7)))
        .await
        .expect("changed");
    place.running("web", 7).await;
    place
        .until("no slot has two", |view| {
            let live: Vec<_> = view.tasks().iter().filter(|task| task.is_live()).collect();
            let slots: std::collections::BTreeSet<_> = live.iter().map(|task| task.slot).collect();
            (live.len() == 7 && slots.len() == 7).then_some(())
        })
        .await;
    let asked = GetServiceRequest {
        service: "web".to_owned(),
    };
    let shown = place.control.get_service(asked).await.expect("shown");
    let shown = shown.into_inner().service.expect("a service");
    assert_eq!((shown.running, shown.wanted), (7, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_goes_only_where_it_is_needed_and_is_never_shown() {
    let mut place = Place::new(&["w1", "w2"]).await;
    let nodes = (place.worker("w1").await, place.worker("w2").await);
    let secret = SecretSpec {
        name: "password".to_owned(),
        data: "hunter2".into(),
        ..SecretSpec::default()
    };
    let asked = CreateSecretRequest { spec: Some(secret) };
    let reply = place.control.create_secret(asked).await.expect("created");
    let shown = reply.into_inner().secret.expect("a secret");
    assert!(shown.spec.data.is_empty());
    let mut with = spec("web", 1);
    with.task.container.secrets.push(FileReference {
        source: "password".to_owned(),
        target: "password".to_owned(),
        ..FileReference::default()
    });
    with.task
        .placement
        .constraints
        .push("node.id == w1".to_owned());
    create(&mut place, with.clone()).await;
    place.running("web", 1).await;
    {
        let told = nodes.0.told();
        let secret = told.secrets.get(&shown.id).expect("the secret");
        assert_eq!(secret.spec.data, "hunter2");
    }
    assert!(nodes.1.told().secrets.is_empty());
    let asked = RemoveSecretRequest {
        secret: "password".to_owned(),
    };
    let refused = place
        .control
        .remove_secret(asked.clone())
        .await
        .expect_err("refused");
    assert!(refused.message().contains("used by web"), "{refused}");
    let listed = place
        .control
        .list_secrets(ListSecretsRequest {})
        .await
        .expect("listed");
    assert!(
        listed
            .into_inner()
            .secrets
            .iter()
            .all(|secret| secret.spec.data.is_empty())
    );
    with.task.container.secrets.clear();
    place
        .control
        .update_service(update(with))
        .await
        .expect("updated");
    nodes
        .0
        .until("the secret is gone", |told| told.secrets.is_empty())
        .await;
    place.control.remove_secret(asked).await.expect("removed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_speaks_for_its_own_tasks_alone() {
    let mut place = Place::new(&["w1", "w2"]).await;
    let (_one, mut other) = (place.worker("w1").await, place.worker("w2").await);
    let mut only = spec("web", 1);
    only.task
        .placement
        .constraints
        .push("node.id == w1".to_owned());
    create(&mut place, only).await;
    let tasks = place.running("web", 1).await;
    let task = &tasks[0];
    let update = |session: &str| UpdateTasksRequest {
        session_id: session.to_owned(),
        updates: vec![TaskUpdate {
            task_id: task.id.clone(),
            status: Some(TaskStatus {
                state: TaskState::Failed.into(),
                ..TaskStatus::default()
            }),
        }],
    };
    let session = other.session_id.clone();
    let reply = other
        .dispatcher
        .update_tasks(update(&session))
        .await
        .expect("an answer");
    assert_eq!(reply.into_inner().unknown, std::slice::from_ref(&task.id));
    let refused = other
        .dispatcher
        .update_tasks(update("1-1"))
        .await
        .expect_err("refused");
    assert_eq!(refused.code(), Code::NotFound);
    let view = place.manager.replica().view();
    let known = view.tasks().get(&task.id).expect("the task");
    assert_eq!(known.status.state(), TaskState::Running);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stack_of_two_hundred_services_is_deployed_shown_and_removed() {
    let mut place = Place::new(&["w1"]).await;
    let _node = place.worker("w1").await;
    let services = (0..200).map(|number| spec(&format!("big_s{number}"), 1));
    let asked = DeployStackRequest {
        spec: Some(StackSpec {
            name: "big".to_owned(),
            services: services.collect(),
            ..StackSpec::default()
        }),
        plan: true,
    };
    let planned = place
        .control
        .deploy_stack(asked.clone())
        .await
        .expect("planned");
    assert_eq!(planned.into_inner().changes.len(), 200);
    assert!(
        place.manager.replica().view().stacks().is_empty(),
        "only planned"
    );
    let deploy = DeployStackRequest {
        plan: false,
        ..asked
    };
    place.control.deploy_stack(deploy).await.expect("deployed");
    place
        .until("all run", |view| {
            let running = view.tasks().iter().filter(|task| task.status.routable);
            (running.count() == 200).then_some(())
        })
        .await;
    let asked = GetStackRequest {
        stack: "big".to_owned(),
    };
    let shown = place.control.get_stack(asked).await.expect("shown");
    let shown = shown.into_inner();
    assert_eq!((shown.services.len(), shown.deployments.len()), (200, 1));
    let asked = RemoveStackRequest {
        stack: "big".to_owned(),
    };
    place.control.remove_stack(asked).await.expect("removed");
    place
        .until("it is gone", |view| {
            (view.stacks().is_empty() && view.services().is_empty()).then_some(())
        })
        .await;
}
