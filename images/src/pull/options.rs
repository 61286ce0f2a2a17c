//! How an image is to be pulled.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::auth::Credentials;
use crate::layer::Limits;
use crate::platform::Platform;

/// How an image is to be pulled. The default is right for most.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// The platform it is to run on.
    pub platform: Platform,
    /// Whether the registry is asked when the image is here.
    pub policy: Policy,
    /// Who we are to the registry.
    pub credentials: CredentialSource,
    /// Registries (`host` or `host:port`) that may be spoken to over plain HTTP, or with a certificate that can't be verified. Those on
    /// this machine's loopback are among them always.
    pub insecure: Vec<String>,
    /// Files of certificates in PEM that are trusted besides the system's.
    pub certificates: Vec<PathBuf>,
    /// For a registry (`docker.io`), others to ask before it, in order: `host`, `host:port`, or a URL of either kind. They are asked
    /// without credentials.
    pub mirrors: BTreeMap<String, Vec<String>>,
    /// Layers that are downloaded at once.
    pub parallel: usize,
    /// How often a request is made before its failure is told.
    pub attempts: u32,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long nothing may come in before the connection counts as broken.
    pub stall_timeout: Duration,
    /// What a layer may come to.
    pub limits: Limits,
}

impl Default for PullOptions {
    fn default() -> PullOptions {
        PullOptions {
            platform: Platform::host(),
            policy: Policy::Always,
            credentials: CredentialSource::DockerConfig,
            insecure: Vec::new(),
            certificates: Vec::new(),
            mirrors: BTreeMap::new(),
            parallel: 5,
            attempts: 6,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(30),
            limits: Limits::default(),
        }
    }
}

/// Whether the registry is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Always; content that is here is not fetched again.
    #[default]
    Always,
    /// Only when the store has no such image.
    Missing,
    /// Not at all.
    Never,
}

/// Where credentials come from.
#[derive(Debug, Clone, Default)]
pub enum CredentialSource {
    /// Nowhere.
    Anonymous,
    /// They are given, for the registry of the image.
    Given(Credentials),
    /// Where `docker login` puts them: `$DOCKER_CONFIG/config.json`, else `~/.docker/config.json`. Its absence is no error.
    #[default]
    DockerConfig,
    /// Such a file elsewhere.
    File(PathBuf),
}
