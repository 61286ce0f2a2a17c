//! Debian's docker-registry, serving prebuilt images and those a test makes.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::image::{Blob, Image, digest};
use crate::spaces::Spaces;
use crate::{images, wait};

/// The name and password of the registry that asks for them.
pub const USER: &str = "reader";
/// The password that goes with [`USER`].
pub const PASSWORD: &str = "correct horse";
/// bcrypt of [`PASSWORD`], as htpasswd writes it.
const HASH: &str = "$2b$05$abcdefghijklmnopqrstuuHNbAKRhpaujgo33bRWs.NLUTJO3lOy2";

/// A running docker-registry. Dropped, it is gone.
#[derive(Debug)]
pub struct Registry {
    server: Child,
    storage: PathBuf,
    address: String,
}

impl Registry {
    /// Starts one in `spaces` on a port of the loopback, with its storage below `directory`; with `auth` it wants [`USER`] and
    /// [`PASSWORD`].
    pub fn start(spaces: &Spaces, directory: &Path, port: u16, auth: Option<()>) -> Registry {
        let mut command = Command::new("docker-registry");
        spaces.place(&mut command);
        let registry = Registry::spawn(command, directory, port, auth);
        spaces.enter(|| {
            wait::eventually("docker-registry listens", || {
                TcpStream::connect(&registry.address).ok()
            });
        });
        registry
    }

    /// The same by a command that starts the program wherever it shall be; it may not listen yet.
    pub fn spawn(mut command: Command, directory: &Path, port: u16, auth: Option<()>) -> Registry {
        let storage = directory.join("docker/registry/v2");
        fs::create_dir_all(storage.join("blobs/sha256")).expect("the registry's storage");
        fs::create_dir_all(storage.join("repositories")).expect("the registry's storage");
        let address = format!("127.0.0.1:{port}");
        command
            .arg("serve")
            .arg(images::repository().join("tests/images/registry.yml"));
        command
            .env("REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY", directory)
            .env("REGISTRY_HTTP_ADDR", &address);
        if auth.is_some() {
            let file = directory.join("htpasswd");
            fs::write(&file, format!("{USER}:{HASH}\n")).expect("the password file");
            command.env("REGISTRY_AUTH", "htpasswd");
            command
                .env("REGISTRY_AUTH_HTPASSWD_REALM", "tests")
                .env("REGISTRY_AUTH_HTPASSWD_PATH", file);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = command
            .spawn()
            .expect("docker-registry starts (make images, or its Debian package)");
        Registry {
            server,
            storage,
            address,
        }
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        i32::try_from(self.server.id()).expect("a process id is small")
    }

    /// Host and port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Makes one of the images built from Debian packages available and returns its reference.
    pub fn serve(&self, name: &str) -> String {
        let built = images::directory().join("registry/docker/registry/v2");
        for prefix in fs::read_dir(built.join("blobs/sha256"))
            .expect("the prebuilt blobs")
            .flatten()
        {
            for blob in fs::read_dir(prefix.path())
                .expect("the prebuilt blobs")
                .flatten()
            {
                let target = self.storage.join("blobs/sha256").join(prefix.file_name());
                fs::create_dir_all(&target).expect("a directory of blobs");
                let _ = symlink(blob.path(), target.join(blob.file_name()));
            }
        }
        let copied = Command::new("cp")
            .arg("-a")
            .arg(built.join("repositories").join(name))
            .arg(self.storage.join("repositories"))
            .status();
        assert!(
            copied.expect("cp runs").success(),
            "copy the repository {name}"
        );
        format!("{}/{name}:latest", self.address)
    }

    /// Makes `image` available as `name:tag`, replacing what had that tag, and returns its reference.
    ///
    /// The files are written as docker-registry itself lays them out, so that no client is needed to push.
    pub fn push(&self, name: &str, tag: &str, image: &Image) -> String {
        for blob in image.blobs() {
            self.blob(name, &blob);
        }
        for manifest in image.manifests() {
            self.blob(name, &manifest);
            let (kind, hex) = manifest.digest.split_once(':').expect("a digest");
            self.link(
                &format!("{name}/_manifests/revisions/{kind}/{hex}"),
                &manifest.digest,
            );
        }
        let top = digest(image.top());
        self.link(&format!("{name}/_manifests/tags/{tag}/current"), &top);
        let (kind, hex) = top.split_once(':').expect("a digest");
        self.link(
            &format!("{name}/_manifests/tags/{tag}/index/{kind}/{hex}"),
            &top,
        );
        format!("{}/{name}:{tag}", self.address)
    }

    /// Takes a tag away.
    pub fn untag(&self, name: &str, tag: &str) {
        fs::remove_dir_all(
            self.storage
                .join(format!("repositories/{name}/_manifests/tags/{tag}")),
        )
        .expect("the tag was there");
    }

    fn blob(&self, name: &str, blob: &Blob) {
        let (kind, hex) = blob.digest.split_once(':').expect("a digest");
        let directory = self
            .storage
            .join(format!("blobs/{kind}/{}/{hex}", &hex[..2]));
        fs::create_dir_all(&directory).expect("the blob's directory");
        fs::write(directory.join("data"), &blob.bytes).expect("write the blob");
        self.link(&format!("{name}/_layers/{kind}/{hex}"), &blob.digest);
    }

    fn link(&self, path: &str, digest: &str) {
        let directory = self.storage.join("repositories").join(path);
        fs::create_dir_all(&directory).expect("the link's directory");
        fs::write(directory.join("link"), digest).expect("write the link");
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
