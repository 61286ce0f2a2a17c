//! Images, pulled with what a service was given for its registry. Of one image one pull at a time; the others find it there.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use engine::parse::mode::PullPolicy;
use engine::{CredentialSource, Credentials, Engine, ErrorKind, Progress, PullEvent};
use model::{ContainerSpec, RegistryAuth};
use tokio::sync::{Mutex, Semaphore};

use crate::executor::Pulled;
use crate::failure::Failure;

/// How many images are pulled at once.
const AT_ONCE: usize = 3;

/// The pulls of this node.
#[derive(Debug)]
pub(super) struct Pulls {
    turns: Semaphore,
    images: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
    counted: std::sync::Mutex<Pulled>,
}

impl Default for Pulls {
    fn default() -> Self {
        Pulls {
            turns: Semaphore::new(AT_ONCE),
            images: Mutex::default(),
            counted: std::sync::Mutex::default(),
        }
    }
}

impl Pulls {
    /// Those that were carried out so far.
    pub(super) fn counted(&self) -> Pulled {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, went_well: bool, took: Duration) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        match went_well {
            true => counted.done += 1,
            false => counted.failed += 1,
        }
        counted.took += took;
    }

    /// Sees to it that a container's image is here.
    pub(super) async fn pull(
        &self,
        engine: Arc<Engine>,
        container: &ContainerSpec,
        policy: PullPolicy,
    ) -> Result<(), Failure> {
        let image = &container.image;
        let one = self
            .images
            .lock()
            .await
            .entry(image.clone())
            .or_default()
            .clone();
        let alone = one.lock().await;
        let pulled = self.pull_alone(engine, container, policy).await;
        drop(alone);
        let mut images = self.images.lock().await;
        // This one's own, and the map's.
        if Arc::strong_count(&one) <= 2 {
            images.remove(image);
        }
        pulled
    }

    async fn pull_alone(
        &self,
        engine: Arc<Engine>,
        container: &ContainerSpec,
        policy: PullPolicy,
    ) -> Result<(), Failure> {
        let interrupted = || Failure::Interrupted("pulling an image");
        if policy != PullPolicy::Always {
            let (engine, image) = (engine.clone(), container.image.clone());
            let found = tokio::task::spawn_blocking(move || engine.image(&image).map(drop))
                .await
                .map_err(|_| interrupted())?;
            match found {
                Err(error)
                    if error.kind() == ErrorKind::NotFound && policy == PullPolicy::Missing => {}
                other => return Ok(other?),
            }
        }
        let credentials = container
            .registry_auth
            .as_ref()
            .map(credentials)
            .transpose()?;
        let _turn = self.turns.acquire().await.map_err(|_| interrupted())?;
        let image = container.image.clone();
        let pull = move || {
            let mut options = engine.pull_options(None)?;
            if let Some(credentials) = credentials {
                options.credentials = CredentialSource::Given(credentials);
            }
            engine.pull(&image, &options, &Quiet).map(drop)
        };
        let begun = Instant::now();
        let pulled = tokio::task::spawn_blocking(pull)
            .await
            .map_err(|_| interrupted())?;
        self.count(pulled.is_ok(), begun.elapsed());
        match pulled {
            Err(error) if error.is_unauthorized() => Err(Failure::Invalid(format!(
                "{}, then deploy the service with --with-registry-auth",
                Failure::from(error)
            ))),
            pulled => Ok(pulled?),
        }
    }
}

struct Quiet;

impl Progress for Quiet {
    fn event(&self, _: &PullEvent) {}
}

/// Base64 of `name:password`. What cannot be read is not told.
fn credentials(given: &RegistryAuth) -> Result<Credentials, Failure> {
    let text = given.auth.trim_ascii();
    let decoded = STANDARD
        .decode(text)
        .or_else(|_| STANDARD_NO_PAD.decode(text))
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = decoded.as_deref().and_then(|text| text.split_once(':'));
    let (username, password) = pair.ok_or_else(|| {
        Failure::Invalid(
            "the service's registry credentials cannot be read: deploy it again with --with-registry-auth"
                .to_owned(),
        )
    })?;
    Ok(Credentials::Basic {
        username: username.to_owned(),
        password: password.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use engine::Credentials;
    use model::RegistryAuth;

    use super::credentials;

    #[test]
    fn credentials_are_read_and_never_told() {
        fn check(given: &'static str, expected: Option<(&str, &str)>) {
            let found = credentials(&RegistryAuth { auth: given.into() });
            match (found, expected) {
                (Ok(Credentials::Basic { username, password }), Some((name, word))) => {
                    assert_eq!((username.as_str(), password.as_str()), (name, word));
                }
                (Err(failure), None) => assert!(!failure.to_string().contains(given)),
                (found, _) => panic!("{given}: {found:?}"),
            }
        }
        check("dTpwOng=", Some(("u", "p:x")));
        check("dTpwOng", Some(("u", "p:x")));
        check("dXA=", None);
        check("%%%", None);
    }
}
