//! Configuration files, kept for services.

use std::sync::Arc;

use api::v1::{ConfigReply, CreateConfigRequest, ListConfigsReply, RemoveConfigReply};
use bytes::Bytes;
use model::Config;
use store::{Change, View};
use tonic::Status;

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
    let allowed = |character: char| character.is_ascii_alphanumeric() || "._-".contains(character);
    if spec.name.is_empty() || spec.name.len() > 64 || !spec.name.chars().all(allowed) {
        return Err(Status::invalid_argument(format!(
            "`{}` is no name for a config: 1 to 64 of a-z A-Z 0-9 . _ -",
            spec.name
        )));
    }
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
    let without_data = |config: &Arc<Config>| {
        let mut config = Config::clone(config);
        config.spec.data = Bytes::new();
        config
    };
    Ok(ListConfigsReply {
        configs: view.configs().iter().map(without_data).collect(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveConfigReply, Status> {
    manager
        .change(request_id, |view| {
            Ok(vec![Change::remove(&**find(view, wanted)?)])
        })
        .await?;
    Ok(RemoveConfigReply {})
}

fn get_from(view: &View, wanted: &str) -> Result<ConfigReply, Status> {
    Ok(ConfigReply {
        config: Some(Config::clone(find(view, wanted)?)),
    })
}

fn find<'a>(view: &'a View, wanted: &str) -> Result<&'a Arc<Config>, Status> {
    let configs = view.configs();
    if let Some(config) = configs.get(wanted).or_else(|| configs.named(wanted)) {
        return Ok(config);
    }
    let mut found = configs.with_prefix(wanted).filter(|_| !wanted.is_empty());
    match (found.next(), found.next()) {
        (Some(config), None) => Ok(config),
        (None, _) => Err(Status::not_found(format!(
            "there is no config `{wanted}`; see `minictl config ls`"
        ))),
        (Some(_), Some(_)) => Err(Status::invalid_argument(format!(
            "`{wanted}` begins several ids of configs; write more of it"
        ))),
    }
}
