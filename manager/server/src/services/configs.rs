//! Configuration files, kept for services.

use api::v1::{ConfigReply, CreateConfigRequest, ListConfigsReply, RemoveConfigReply};
use model::{Config, TaskSpec};
use store::{Change, View};
use tonic::Status;

use super::find::find;
use super::{strip, uses};
use crate::manager::Manager;

/// As in Docker Swarm.
const LARGEST: usize = 500 << 10;

pub(crate) async fn create(
    manager: &Manager,
    request_id: &str,
    asked: CreateConfigRequest,
) -> Result<ConfigReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    if spec.data.len() > LARGEST {
        return Err(Status::invalid_argument(format!(
            "the config `{}` has {} bytes; at most {LARGEST} are kept",
            spec.name,
            spec.data.len()
        )));
    }
    super::check_name("config", &spec.name)?;
    let name = spec.name.clone();
    manager
        .change(request_id, |_| {
            Ok(vec![Change::create(Config {
                id: identity::new_id(),
                spec: spec.clone(),
                ..Config::default()
            })])
        })
        .await?;
    get_from(&manager.replica().view(), &name)
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<ConfigReply, Status> {
    get_from(&manager.read().await?, wanted)
}

pub(crate) async fn list(manager: &Manager) -> Result<ListConfigsReply, Status> {
    let view = manager.read().await?;
    let configs = view.configs().iter().map(|config| strip::config(config));
    Ok(ListConfigsReply {
        configs: configs.collect(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveConfigReply, Status> {
    manager
        .change(request_id, |view| {
            let config = find(view.configs(), wanted)?;
            uses::refuse_if_used(view, &**config, is_used)?;
            Ok(vec![Change::remove(&**config)])
        })
        .await?;
    Ok(RemoveConfigReply {})
}

fn is_used(task: &TaskSpec, config: &Config) -> bool {
    let mut files = task.container.configs.iter();
    files.any(|file| file.source == config.spec.name || file.source == config.id)
}

fn get_from(view: &View, wanted: &str) -> Result<ConfigReply, Status> {
    Ok(ConfigReply {
        config: Some(Config::clone(find(view.configs(), wanted)?)),
    })
}
