//! What is never shown: the content of secrets, what registries ask for, and, where many are listed, what configs hold.

use bytes::Bytes;
use model::{Config, Deployment, Secret, Service, ServiceSpec};

/// A service without what registries ask for.
pub(super) fn service(service: &Service) -> Service {
    let mut service = service.clone();
    spec(&mut service.spec);
    if let Some(previous) = &mut service.previous {
        spec(previous);
    }
    service
}

/// The same for what is wanted of it.
fn spec(spec: &mut ServiceSpec) {
    spec.task.container.registry_auth = None;
}

/// A secret without its content.
pub(super) fn secret(secret: &Secret) -> Secret {
    let mut secret = secret.clone();
    secret.spec.data = Bytes::new();
    secret
}

/// A config without its content.
pub(super) fn config(config: &Config) -> Config {
    let mut config = config.clone();
    config.spec.data = Bytes::new();
    config
}

/// A deployment without what its secrets and configs hold, and without what registries ask for.
pub(super) fn deployment(deployment: &Deployment) -> Deployment {
    let mut deployment = deployment.clone();
    for secret in &mut deployment.spec.secrets {
        secret.data = Bytes::new();
    }
    for config in &mut deployment.spec.configs {
        config.data = Bytes::new();
    }
    for service in &mut deployment.spec.services {
        spec(service);
    }
    deployment
}

#[cfg(test)]
mod tests {
    use model::{ConfigSpec, Deployment, RegistryAuth, Secret, SecretSpec, Service, ServiceSpec};
    use prost::Message;

    const HIDDEN: &str = "s3cr3t";

    fn spec() -> ServiceSpec {
        let mut spec = ServiceSpec {
            name: "web".to_owned(),
            ..ServiceSpec::default()
        };
        spec.task.container.registry_auth = Some(RegistryAuth {
            auth: HIDDEN.into(),
        });
        spec
    }

    fn secret() -> SecretSpec {
        SecretSpec {
            name: "password".to_owned(),
            data: HIDDEN.into(),
            ..SecretSpec::default()
        }
    }

    fn check(shown: &impl Message) {
        let bytes = shown.encode_to_vec();
        let found = bytes
            .windows(HIDDEN.len())
            .any(|part| part == HIDDEN.as_bytes());
        assert!(!found && !bytes.is_empty());
    }

    #[test]
    fn nothing_hidden_is_left_in_what_is_shown() {
        check(&super::service(&Service {
            spec: spec(),
            previous: Some(Box::new(spec())),
            ..Service::default()
        }));
        check(&super::secret(&Secret {
            spec: secret(),
            ..Secret::default()
        }));
        let mut deployment = Deployment::default();
        deployment.spec.services.push(spec());
        deployment.spec.secrets.push(secret());
        deployment.spec.configs.push(ConfigSpec {
            data: HIDDEN.into(),
            ..ConfigSpec::default()
        });
        check(&super::deployment(&deployment));
    }
}
