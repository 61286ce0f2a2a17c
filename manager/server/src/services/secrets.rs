//! Secrets: they come in, and are never shown again.

use api::v1::{CreateSecretRequest, ListSecretsReply, RemoveSecretReply, SecretReply};
use model::{Secret, TaskSpec};
use store::Change;
use tonic::Status;

use super::find::find;
use super::{strip, uses};
use crate::manager::{Manager, SERVICES};

/// As in Docker Swarm.
const LARGEST: usize = 500 << 10;

pub(crate) async fn create(
    manager: &Manager,
    request_id: &str,
    asked: CreateSecretRequest,
) -> Result<SecretReply, Status> {
    let spec = asked
        .spec
        .ok_or_else(|| Status::invalid_argument("no spec was given"))?;
    if spec.data.is_empty() || spec.data.len() > LARGEST {
        return Err(Status::invalid_argument(format!(
            "the secret `{}` has {} bytes; it may have 1 to {LARGEST}",
            spec.name,
            spec.data.len()
        )));
    }
    super::check_name("secret", &spec.name)?;
    let name = spec.name.clone();
    manager
        .change(request_id, |view| {
            Manager::require_level(view, SERVICES)?;
            Ok(vec![Change::create(Secret {
                id: identity::new_id(),
                spec: spec.clone(),
                ..Secret::default()
            })])
        })
        .await?;
    let view = manager.replica().view();
    show(find(view.secrets(), &name)?)
}

pub(crate) async fn get(manager: &Manager, wanted: &str) -> Result<SecretReply, Status> {
    let view = manager.read().await?;
    show(find(view.secrets(), wanted)?)
}

pub(crate) async fn list(manager: &Manager) -> Result<ListSecretsReply, Status> {
    let view = manager.read().await?;
    let secrets = view.secrets().iter().map(|secret| strip::secret(secret));
    Ok(ListSecretsReply {
        secrets: secrets.collect(),
    })
}

pub(crate) async fn remove(
    manager: &Manager,
    request_id: &str,
    wanted: &str,
) -> Result<RemoveSecretReply, Status> {
    manager
        .change(request_id, |view| {
            let secret = find(view.secrets(), wanted)?;
            uses::refuse_if_used(view, &**secret, is_used)?;
            Ok(vec![Change::remove(&**secret)])
        })
        .await?;
    Ok(RemoveSecretReply {})
}

fn is_used(task: &TaskSpec, secret: &Secret) -> bool {
    let mut files = task.container.secrets.iter();
    files.any(|file| file.source == secret.spec.name || file.source == secret.id)
}

fn show(secret: &Secret) -> Result<SecretReply, Status> {
    Ok(SecretReply {
        secret: Some(strip::secret(secret)),
    })
}
