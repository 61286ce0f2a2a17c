//! What registries are asked before services are handed to the cluster: what an image's name stands for now, so that all nodes
//! run the same; and what they have to be shown, so that the nodes may pull it.

use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engine::{CredentialSource, Credentials, PullOptions, Reference, RemoteImage};
use model::{Platform, RegistryAuth, ServiceSpec};

use crate::context::Context;
use crate::failure::{Failure, with_causes};
use crate::service::warn;

/// Flags of every verb that hands images to the cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct RegistryArgs {
    /// Give the nodes our credentials for the images' registries (those of `docker login`)
    #[arg(long)]
    with_registry_auth: bool,
}

/// Whether a name is replaced by what it stands for now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resolve {
    Always,
    /// Only where it is another name than that of the service that runs.
    Changed,
    Never,
}

/// Reads the word after `--resolve-image`.
pub(crate) fn resolve(word: &str) -> Result<Resolve, String> {
    match word {
        "always" => Ok(Resolve::Always),
        "changed" => Ok(Resolve::Changed),
        "never" => Ok(Resolve::Never),
        _ => Err(format!("{word:?} is none of always, changed and never")),
    }
}

impl RegistryArgs {
    /// Puts digests, platforms and credentials into the specs. `running` are the services as they are. A registry that does not
    /// answer is no reason not to go on.
    ///
    /// # Errors
    /// An image's name cannot be read, or credentials that were asked for.
    pub(crate) fn prepare<'a>(
        &self,
        specs: impl IntoIterator<Item = &'a mut ServiceSpec>,
        running: &[ServiceSpec],
        resolve: Resolve,
        context: &Context,
    ) -> Result<(), Failure> {
        let mut specs: Vec<&mut ServiceSpec> = specs.into_iter().collect();
        let mut asked: BTreeMap<String, Reference> = BTreeMap::new();
        for spec in &mut specs {
            let reference = reference(spec)?;
            if self.with_registry_auth {
                spec.task.container.registry_auth = credentials(&reference)?;
            }
            let now = running.iter().find(|known| known.name == spec.name);
            let known = now.filter(|known| names(known) == spec.task.container.image);
            match (resolve, known) {
                (Resolve::Changed, Some(known)) => take_over(spec, known),
                (Resolve::Never, _) => {}
                _ if reference.digest().is_some() => {}
                _ => {
                    asked.insert(spec.task.container.image.clone(), reference);
                }
            }
        }
        let options = options(context)?;
        let answers = ask(&asked, &options);
        for spec in specs {
            let image = spec.task.container.image.clone();
            match answers.get(&image) {
                None => {}
                Some(Ok(found)) => pin(spec, &image, &asked[&image], found),
                Some(Err(why)) => {
                    let now = running.iter().find(|known| known.name == spec.name);
                    match now.filter(|known| names(known) == image) {
                        Some(known) => {
                            take_over(spec, known);
                            warn(&format!(
                                "image {image} could not be looked up, the service keeps the one that it has: {why}"
                            ));
                        }
                        None => warn(&format!(
                            "image {image} could not be looked up, so nodes may come to run different versions of it: {why}"
                        )),
                    }
                }
            }
        }
        Ok(())
    }
}

fn reference(spec: &ServiceSpec) -> Result<Reference, Failure> {
    let image = &spec.task.container.image;
    image
        .parse()
        .map_err(|error| Failure::of(&error).with_code(125))
        .map_err(|failure: Failure| {
            let code = failure.code();
            let message = failure.into_message();
            Failure::new(format!("service {}: {message}", spec.name)).with_code(code)
        })
}

/// The image of a service without the digest.
fn names(spec: &ServiceSpec) -> &str {
    let image = &spec.task.container.image;
    image.split_once('@').map_or(image, |(name, _)| name)
}

/// The image of the service that runs, whatever its name stands for now.
fn take_over(spec: &mut ServiceSpec, known: &ServiceSpec) {
    spec.task
        .container
        .image
        .clone_from(&known.task.container.image);
    spec.task
        .placement
        .platforms
        .clone_from(&known.task.placement.platforms);
}

/// `redis` becomes `redis:latest@sha256:...`.
fn pin(spec: &mut ServiceSpec, image: &str, reference: &Reference, found: &RemoteImage) {
    let tag = match image.rsplit('/').next().unwrap_or_default().contains(':') {
        true => String::new(),
        false => format!(":{}", reference.tag().unwrap_or("latest")),
    };
    spec.task.container.image = format!("{image}{tag}@{}", found.digest);
    let mut platforms: Vec<Platform> = Vec::new();
    for platform in &found.platforms {
        let platform = Platform {
            os: platform.os.clone(),
            architecture: platform.architecture.clone(),
        };
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    spec.task.placement.platforms = platforms;
}

/// Short, for somebody waits: what is not found out now is found out by the nodes.
fn options(context: &Context) -> Result<PullOptions, Failure> {
    Ok(PullOptions {
        insecure: context.config()?.insecure_registries,
        attempts: 2,
        connect_timeout: Duration::from_secs(3),
        stall_timeout: Duration::from_secs(10),
        ..PullOptions::default()
    })
}

type Answers = BTreeMap<String, Result<RemoteImage, String>>;

/// All at once.
fn ask(asked: &BTreeMap<String, Reference>, options: &PullOptions) -> Answers {
    thread::scope(|scope| {
        let threads: Vec<_> = asked
            .iter()
            .map(|(image, reference)| {
                let look = scope.spawn(move || {
                    engine::look_up(reference, options).map_err(|error| with_causes(&error))
                });
                (image.clone(), look)
            })
            .collect();
        let joined = threads.into_iter().map(|(image, look)| {
            let answer = look.join();
            let answer = answer.unwrap_or_else(|_| Err("the question broke down".to_owned()));
            (image, answer)
        });
        joined.collect()
    })
}

/// What Docker's configuration has for the image's registry.
fn credentials(reference: &Reference) -> Result<Option<RegistryAuth>, Failure> {
    let found = engine::credentials(reference, &CredentialSource::DockerConfig)
        .map_err(|error| Failure::of(&error))?;
    match encoded(&found) {
        Ok(auth) => Ok(auth),
        Err(kind) => {
            warn(&format!(
                "the credentials for {} are {kind}, which nodes can't be given",
                reference.registry()
            ));
            Ok(None)
        }
    }
}

/// As Docker's configuration has it; refused is what has neither name nor password.
fn encoded(credentials: &Credentials) -> Result<Option<RegistryAuth>, &'static str> {
    match credentials {
        Credentials::Anonymous => Ok(None),
        Credentials::Basic { username, password } => Ok(Some(RegistryAuth {
            auth: STANDARD.encode(format!("{username}:{password}")).into(),
        })),
        Credentials::IdentityToken(_) => Err("an identity token"),
        Credentials::RegistryToken(_) => Err("a registry token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(image: &str) -> ServiceSpec {
        let mut spec = ServiceSpec::default();
        spec.task.container.image = image.to_owned();
        spec
    }

    #[test]
    fn an_image_keeps_its_name_beside_its_digest() {
        fn check(image: &str, expected: &str) {
            let mut spec = spec(image);
            let digest = format!("sha256:{}", "a".repeat(64));
            let found = RemoteImage {
                digest: digest.parse().unwrap(),
                platforms: vec![
                    "linux/arm64/v8".parse().unwrap(),
                    "linux/amd64".parse().unwrap(),
                ],
            };
            pin(&mut spec, image, &image.parse().unwrap(), &found);
            assert_eq!(spec.task.container.image, format!("{expected}@{digest}"));
            assert_eq!(names(&spec), expected);
            let platforms: Vec<&str> = spec
                .task
                .placement
                .platforms
                .iter()
                .map(|of| of.architecture.as_str())
                .collect();
            assert_eq!(platforms, ["arm64", "amd64"]);
        }
        check("redis", "redis:latest");
        check("redis:7", "redis:7");
        check("host:5000/team/api", "host:5000/team/api:latest");
        check("host:5000/team/api:2", "host:5000/team/api:2");
    }

    #[test]
    fn a_name_and_a_password_are_encoded_as_docker_does() {
        let basic = Credentials::Basic {
            username: "me".to_owned(),
            password: "it".to_owned(),
        };
        assert_eq!(
            encoded(&basic).unwrap().unwrap().auth,
            "bWU6aXQ=".as_bytes()
        );
        assert_eq!(encoded(&Credentials::Anonymous), Ok(None));
        assert!(encoded(&Credentials::RegistryToken("t".to_owned())).is_err());
    }
}
