//! Which compose files are meant, and what is made of them.

use std::env;
use std::io::Read;
use std::path::{Path, PathBuf};

use api::v1::{DeployStackReply, DeployStackRequest, GetStackRequest};
use compose::{Request, Source};
use model::{ServiceSpec, StackSpec};
use tonic::Code;

use crate::context::Context;
use crate::failure::Failure;
use crate::registry::{RegistryArgs, Resolve, resolve};
use crate::remote::Client;
use crate::service::warn;

/// Files that are looked for in the working directory, in this order.
const USUAL: [&str; 4] = [
    "compose.yaml",
    "compose.yml",
    "docker-compose.yaml",
    "docker-compose.yml",
];

/// Flags that say what is deployed.
#[derive(Debug, clap::Args)]
pub(super) struct Files {
    /// Compose file, - for standard input; several are merged (compose.yaml of the working directory without this)
    #[arg(
        short = 'c',
        short_alias = 'f',
        long = "compose-file",
        visible_alias = "file",
        value_name = "FILE"
    )]
    compose_files: Vec<PathBuf>,
    /// Variables for the files: NAME=VALUE, one a line (.env beside them without this)
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
    /// Take services of this profile too; may be given several times
    #[arg(long = "profile", value_name = "PROFILE")]
    profiles: Vec<String>,
    /// Name of the stack (the one in the files without this, else that of the directory)
    #[arg(value_name = "STACK")]
    stack: Option<String>,
}

/// Flags that say how it is deployed.
#[derive(Debug, clap::Args)]
pub(super) struct Deploy {
    #[command(flatten)]
    files: Files,
    /// Remove services that the files don't have any more
    #[arg(long)]
    prune: bool,
    /// Whether images' names are replaced by what they stand for now: always, changed, never
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = resolve)]
    resolve_image: Resolve,
    #[command(flatten)]
    registry: RegistryArgs,
    /// Stop tasks before their successors start where both can't run at once
    #[arg(long)]
    allow_dip: bool,
}

impl Files {
    /// Does what `read` does with the files. Where neither the command line nor a file names the stack, the directory does.
    pub(super) fn with_name<T>(
        &self,
        read: impl Fn(&Request) -> Result<T, compose::Error>,
    ) -> Result<T, Failure> {
        let mut request = self.request()?;
        let error = match read(&request) {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let of_name = error.place().is_some_and(|place| place.path == "name");
        if request.stack.is_empty() && !of_name {
            request.stack = name_of(&place(&request));
            // Another mistake is still there, and told as it was.
            if let Ok(value) = read(&request) {
                return Ok(value);
            }
        }
        Err(Failure::of(&error))
    }

    /// What the compose crate is asked.
    fn request(&self) -> Result<Request, Failure> {
        let here = env::current_dir()
            .map_err(|error| Failure::new(format!("find the working directory: {error}")))?;
        let files = match self.compose_files.as_slice() {
            [] => vec![Source::File(usual(&here)?)],
            given => given
                .iter()
                .map(|path| source(path))
                .collect::<Result<_, _>>()?,
        };
        let variables = env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        });
        Ok(Request {
            stack: self.stack.clone().unwrap_or_default(),
            files,
            env: variables.collect(),
            env_file: self.env_file.clone(),
            profiles: self.profiles.clone(),
            directory: here,
        })
    }

    /// The stack that the files describe; what was not taken over from them is told.
    fn load(&self) -> Result<StackSpec, Failure> {
        let loaded = self.with_name(compose::load)?;
        for warning in &loaded.warnings {
            warn(&warning.to_string());
        }
        Ok(loaded.stack)
    }
}

/// The directory of the first file, or where we stand.
fn place(request: &Request) -> PathBuf {
    match request.files.first() {
        Some(Source::File(path)) => {
            let path = request.directory.join(path);
            path.parent().map(Path::to_owned).unwrap_or_default()
        }
        _ => request.directory.clone(),
    }
}

/// The name that a directory gives to a stack: what may not stand in one is left out, as docker compose does.
fn name_of(directory: &Path) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let kept = name.to_lowercase();
    let kept: String = kept
        .chars()
        .filter(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_'))
        .collect();
    kept.trim_start_matches(['-', '_']).to_owned()
}

fn source(path: &Path) -> Result<Source, Failure> {
    if path != Path::new("-") {
        return Ok(Source::File(path.to_owned()));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(format!("read standard input: {error}")))?;
    Ok(Source::Stdin(text))
}

fn usual(here: &Path) -> Result<PathBuf, Failure> {
    let mut known = USUAL.iter().map(|name| here.join(name));
    known.find(|path| path.is_file()).ok_or_else(|| {
        Failure::new(format!(
            "there is no compose file in {}: name one with -c, or `-` for standard input",
            here.display()
        ))
    })
}

impl Deploy {
    /// Everything that is asked of the cluster.
    pub(super) fn spec(&self, client: &Client, context: &Context) -> Result<StackSpec, Failure> {
        let mut spec = self.files.load()?;
        spec.prune = self.prune;
        spec.allow_dip = self.allow_dip;
        let running = running(client, &spec.name)?;
        let services = &mut spec.services;
        self.registry
            .prepare(services, &running, self.resolve_image, context)?;
        Ok(spec)
    }
}

/// The services of a stack as they are; none of a new one.
fn running(client: &Client, stack: &str) -> Result<Vec<ServiceSpec>, Failure> {
    let asked = GetStackRequest {
        stack: stack.to_owned(),
    };
    let asked = client.asked(asked, |channel, request| async move {
        api::control(channel).get_stack(request).await
    });
    match client.run(asked) {
        Ok(view) => Ok(view
            .services
            .into_iter()
            .filter_map(|view| Some(view.service?.spec))
            .collect()),
        Err(status) if status.code() == Code::NotFound => Ok(Vec::new()),
        Err(status) => Err(client.failure(&status)),
    }
}

/// Deploys, or asks what a deployment would do.
pub(super) fn deploy(
    client: &Client,
    spec: StackSpec,
    plan: bool,
) -> Result<DeployStackReply, Failure> {
    let asked = DeployStackRequest {
        spec: Some(spec),
        plan,
    };
    let reply = client.ask(asked, |channel, request| async move {
        api::control(channel).deploy_stack(request).await
    })?;
    reply.warnings.iter().for_each(|warning| warn(warning));
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn files(paths: &[PathBuf], stack: Option<&str>) -> Files {
        Files {
            compose_files: paths.to_vec(),
            env_file: None,
            profiles: Vec::new(),
            stack: stack.map(str::to_owned),
        }
    }

    #[test]
    fn a_directory_gives_a_name() {
        fn check(directory: &str, expected: &str) {
            assert_eq!(name_of(Path::new(directory)), expected);
        }
        check("/srv/My Blog.v2", "myblogv2");
        check("/srv/_shop-1", "shop-1");
        check("/", "");
    }

    #[test]
    fn a_stack_is_named_by_the_line_the_file_or_the_directory() {
        let directory = env::temp_dir().join(format!("minictl-stack-{}", std::process::id()));
        fs::create_dir_all(directory.join("Shop")).unwrap();
        let write = |name: &str, text: &str| {
            let path = directory.join("Shop").join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let bare = write("bare.yml", "services: {web: {image: nginx}}\n");
        let named = write("named.yml", "name: blog\nservices: {web: {image: nginx}}\n");
        let wrong = write("wrong.yml", "name: '?'\nservices: {web: {image: nginx}}\n");
        let broken = write("broken.yml", "services: {web: {imaeg: nginx}}\n");
        let name = |path: &PathBuf, stack| {
            let loaded = files(std::slice::from_ref(path), stack).with_name(compose::load);
            loaded.map(|loaded| loaded.stack.name)
        };
        assert_eq!(name(&bare, None).unwrap(), "shop");
        assert_eq!(name(&bare, Some("x")).unwrap(), "x");
        assert_eq!(name(&named, None).unwrap(), "blog");
        assert_eq!(name(&named, Some("x")).unwrap(), "x");
        let refused = [&wrong, &broken].map(|path| name(path, None).unwrap_err().into_message());
        assert!(refused[0].contains("no name of a stack"), "{}", refused[0]);
        assert!(refused[1].contains("imaeg"), "{}", refused[1]);
        fs::remove_dir_all(&directory).unwrap();
    }
}
