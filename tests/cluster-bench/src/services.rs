//! Services, and what a watcher sees of them.

use std::time::{Duration, Instant};

use api::v1::control_client::ControlClient;
use api::v1::watch_event::{Object, What};
use api::v1::{CreateServiceRequest, WatchEvent, WatchRequest};
use model::{ContainerSpec, Replicated, Service, ServiceMode, ServiceSpec, Task, TaskSpec, Words};
use tokio::sync::mpsc;
use tonic::transport::Channel;

use crate::lab::IMAGE;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// What a container runs: it ends when it is told to.
pub(crate) const ENDS_WHEN_TOLD: &str =
    "trap 'exit 0' TERM; : mini-bench-task; sleep 100000 & wait";

/// A service of one task that sleeps.
pub(crate) fn sleeper(name: &str) -> ServiceSpec {
    let words = ["sh", "-c", ENDS_WHEN_TOLD].map(str::to_owned);
    ServiceSpec {
        name: name.to_owned(),
        task: TaskSpec {
            container: ContainerSpec {
                image: IMAGE.to_owned(),
                command: Some(Words {
                    words: words.to_vec(),
                }),
                ..ContainerSpec::default()
            },
            ..TaskSpec::default()
        },
        mode: Some(ServiceMode::Replicated(Replicated { replicas: 1 })),
        ..ServiceSpec::default()
    }
}

/// Makes a service; returns its id.
pub(crate) async fn create(control: &mut ControlClient<Channel>, spec: ServiceSpec) -> String {
    let asked = CreateServiceRequest { spec: Some(spec) };
    let reply = control.create_service(asked).await.expect("a service");
    let view = reply.into_inner().service.expect("its view");
    view.service.expect("itself").id
}

/// What happened, and when it was heard.
pub(crate) struct Heard {
    pub(crate) at: Instant,
    pub(crate) event: WatchEvent,
}

impl Heard {
    /// The task that was made or changed.
    pub(crate) fn task(&self) -> Option<&Task> {
        match &self.event.object {
            Some(Object::Task(task)) if self.event.what() != What::Removed => Some(task),
            _ => None,
        }
    }

    /// The service that is gone.
    pub(crate) fn removed_service(&self) -> Option<&Service> {
        match &self.event.object {
            Some(Object::Service(service)) if self.event.what() == What::Removed => Some(service),
            _ => None,
        }
    }
}

/// Everything that happens from now on.
pub(crate) struct Watching(mpsc::UnboundedReceiver<Heard>);

impl Watching {
    pub(crate) async fn begin(control: &mut ControlClient<Channel>) -> Self {
        let asked = WatchRequest { after_version: 0 };
        let mut events = control.watch(asked).await.expect("a watch").into_inner();
        let (tells, hears) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(Some(event)) = events.message().await {
                let at = Instant::now();
                if tells.send(Heard { at, event }).is_err() {
                    return;
                }
            }
        });
        Watching(hears)
    }

    /// Waits for what is looked for.
    pub(crate) async fn until<T>(
        &mut self,
        what: &str,
        mut seen: impl FnMut(&Heard) -> Option<T>,
    ) -> T {
        let waiting = async {
            loop {
                let heard = self.0.recv().await.expect("the watch goes on");
                if let Some(found) = seen(&heard) {
                    return found;
                }
            }
        };
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(found) => found,
            Err(_) => panic!("it never came about: {what}"),
        }
    }
}
