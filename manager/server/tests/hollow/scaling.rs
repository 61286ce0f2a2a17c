//! What nodes tell with their heartbeats makes a service grow.

use std::time::Duration;

use api::v1::*;
use model::{Autoscale, ServiceMode};

use crate::place::{Hollow, Place};
use crate::services::{create, spec};

/// Tells, as long as it is not dropped, that each task of the node uses so many processors.
fn busy(node: &Hollow, cpus: f64) -> tokio::task::JoinHandle<()> {
    let (mut dispatcher, told) = (node.dispatcher.clone(), node.told.clone());
    let session_id = node.session_id.clone();
    tokio::spawn(async move {
        loop {
            let tasks: Vec<String> = {
                let told = told.lock().expect("a lock");
                told.tasks.keys().cloned().collect()
            };
            let usage = tasks.into_iter().map(|task_id| TaskUsage {
                task_id,
                cpus,
                memory_bytes: 1 << 20,
                ..TaskUsage::default()
            });
            let asked = HeartbeatRequest {
                session_id: session_id.clone(),
                usage: usage.collect(),
            };
            dispatcher.heartbeat(asked).await.expect("heard");
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    })
}

fn replicas(view: &store::View) -> Option<u64> {
    match view.services().named("web")?.spec.mode {
        Some(ServiceMode::Replicated(mode)) => Some(mode.replicas),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_service_grows_twice_and_an_idle_one_shrinks() {
    let mut place = Place::new(&["w1", "w2"]).await;
    let nodes = (place.worker("w1").await, place.worker("w2").await);
    let mut web = spec("web", 2);
    web.autoscale = Some(Autoscale {
        min: 1,
        max: 5,
        cpu: 0.5,
        cooldown_ms: 1000,
        ..Autoscale::default()
    });
    create(&mut place, web).await;
    place.running("web", 2).await;
    let calm = [busy(&nodes.0, 0.5), busy(&nodes.1, 0.5)];
    tokio::time::sleep(Duration::from_millis(500)).await;
    calm.iter().for_each(tokio::task::JoinHandle::abort);
    let storm = [busy(&nodes.0, 0.75), busy(&nodes.1, 0.75)];
    place.running("web", 3).await;
    place.running("web", 5).await;
    storm.iter().for_each(tokio::task::JoinHandle::abort);
    let asked = GetServiceRequest {
        service: "web".to_owned(),
    };
    let shown = place.control.get_service(asked).await.expect("shown");
    let shown = shown.into_inner().service.and_then(|view| view.service);
    let last = shown.and_then(|service| service.autoscaled);
    let last = last.expect("people are told");
    assert_eq!((last.from, last.to), (3, 5));
    assert_eq!(last.reason, "cpu 75% of 1 cpu, target 50%: 3 -> 5");
    let idle = [busy(&nodes.0, 0.01), busy(&nodes.1, 0.01)];
    place
        .until("it shrinks by half", |view| {
            (replicas(view)? == 3).then_some(())
        })
        .await;
    place.running("web", 3).await;
    idle.iter().for_each(tokio::task::JoinHandle::abort);
}
