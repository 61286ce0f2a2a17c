//! The contract, kept with real containers: of an image that a registry of our own serves to whoever shows its password. Needs root
//! and a built runtime.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use engine::Config;
use model::{Health, MountKind, MountSpec, NetworkAttachment, RegistryAuth, Revision};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{EngineExecutor, NodeFacts};
use crate::contract::{check, work};
use crate::executor::Executor;
use crate::step::Seen;
use crate::work::Work;

/// Of `u:p`.
const AUTH: &str = "dTpw";
const PARENT: &str = "mini-test-worker";

fn runtime() -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/minirun");
    match (nix::unistd::geteuid().is_root(), built.is_file()) {
        (true, true) => Some(built),
        (false, _) => skipped("containers need root"),
        (_, false) => skipped("the runtime is not built"),
    }
}

fn skipped(why: &str) -> Option<PathBuf> {
    println!("skipped: {why}");
    None
}

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().fold("sha256:".to_owned(), |text, byte| {
        format!("{text}{byte:02x}")
    })
}

/// A registry with one image, whose root is empty.
fn registry() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let layer = vec![0_u8; 1024];
    let config = json!({
        "architecture": match std::env::consts::ARCH { "aarch64" => "arm64", _ => "amd64" },
        "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": [digest(&layer)] },
    })
    .to_string()
    .into_bytes();
    let image = "application/vnd.oci.image";
    let describe = |kind: &str, bytes: &[u8]| json!({"mediaType": format!("{image}.{kind}"), "digest": digest(bytes), "size": bytes.len()});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": format!("{image}.manifest.v1+json"),
        "config": describe("config.v1+json", &config), "layers": [describe("layer.v1.tar", &layer)],
    })
    .to_string()
    .into_bytes();
    std::thread::spawn(move || {
        let blobs = [layer, config, manifest.clone()];
        for stream in listener.incoming() {
            let (blobs, manifest) = (blobs.clone(), manifest.clone());
            std::thread::spawn(move || serve(stream.unwrap(), &blobs, &manifest));
        }
    });
    address
}

fn serve(mut stream: TcpStream, blobs: &[Vec<u8>], manifest: &[u8]) {
    /// What a client that speaks TLS begins with.
    const HANDSHAKE: u8 = 22;
    let mut first = [0];
    if stream.peek(&mut first).is_err() || first == [HANDSHAKE] {
        // Whoever asked may have hung up.
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
        return;
    }
    let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
    let request = lines.next().and_then(Result::ok).unwrap_or_default();
    let (mut known, mut words) = (false, request.split(' '));
    let is_head = words.next() == Some("HEAD");
    let path = words.next().unwrap_or_default();
    for line in lines.map_while(Result::ok) {
        if line.is_empty() {
            break;
        }
        known |= line.to_lowercase() == format!("authorization: basic {}", AUTH.to_lowercase());
    }
    let (status, body) = match (known, path.rsplit('/').next().unwrap_or_default()) {
        (false, _) => ("401 Unauthorized", &b"{}"[..]),
        (true, "latest") => ("200 OK", manifest),
        (true, name) => match blobs.iter().find(|blob| digest(blob) == name) {
            Some(blob) => ("200 OK", blob.as_slice()),
            None if path == "/v2/" => ("200 OK", &b"{}"[..]),
            None => ("404 Not Found", &b"{}"[..]),
        },
    };
    let kind = match body == manifest {
        true => "application/vnd.oci.image.manifest.v1+json",
        false => "application/octet-stream",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nWWW-Authenticate: Basic realm=\"test\"\r\nContent-Type: {kind}\r\nDocker-Content-Digest: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        digest(body),
        body.len()
    );
    let body = if is_head { &[][..] } else { body };
    // Whoever asked may have hung up.
    let _ = stream
        .write_all(head.as_bytes())
        .and_then(|()| stream.write_all(body));
}

/// A container with the programs of this host, and no network.
fn ordinary(image: &str, revision: &mut Revision) {
    let container = &mut revision.task.container;
    container.image = image.to_owned();
    container.registry_auth = Some(RegistryAuth { auth: AUTH.into() });
    container.env = vec!["PATH=/usr/bin:/bin".to_owned()];
    let programs = ["/bin", "/lib", "/lib64", "/usr"]
        .into_iter()
        .filter(|path| Path::new(path).exists());
    container.mounts = programs
        .map(|path| MountSpec {
            kind: MountKind::Bind.into(),
            source: path.to_owned(),
            target: path.to_owned(),
            read_only: true,
            ..MountSpec::default()
        })
        .collect();
    container.init = true;
    revision.task.networks = vec![NetworkAttachment {
        network: "none".to_owned(),
        aliases: Vec::new(),
    }];
}

struct Bench {
    dir: tempfile::TempDir,
    runtime: PathBuf,
    image: String,
}

impl Drop for Bench {
    fn drop(&mut self) {
        for hierarchy in std::fs::read_dir("/sys/fs/cgroup")
            .into_iter()
            .flatten()
            .flatten()
        {
            // The last test removes them: others may be at work below.
            let _ = std::fs::remove_dir(hierarchy.path().join(PARENT));
        }
        let _ = std::fs::remove_dir(Path::new("/sys/fs/cgroup").join(PARENT));
    }
}

impl Bench {
    fn new() -> Option<Bench> {
        Some(Bench {
            runtime: runtime()?,
            dir: tempfile::tempdir().unwrap(),
            image: format!("{}/app:latest", registry()),
        })
    }

    fn open(&self) -> EngineExecutor {
        let config = Config {
            data_root: self.dir.path().join("data"),
            run_root: self.dir.path().join("run"),
            cgroup_parent: PARENT.to_owned(),
            minirun: self.runtime.clone(),
            // What tidies up is killed before it begins: the engine does its work.
            minictl: "/bin/true".into(),
            insecure_registries: Vec::new(),
        };
        EngineExecutor::open(config, NodeFacts::default()).unwrap()
    }

    fn work(&self, task: &str, script: &str, change: &dyn Fn(&mut Revision)) -> Work {
        work(task, script, &|revision| {
            ordinary(&self.image, revision);
            change(revision);
        })
    }
}

#[tokio::test]
async fn real_containers_keep_the_contract() {
    let Some(bench) = Bench::new() else { return };
    let executor = bench.open();
    let spoiled = bench.work("spoiled", "true", &|revision| {
        revision.task.container.registry_auth = None;
    });
    let refused = executor.prepare(&spoiled).await.unwrap_err().to_string();
    assert!(!refused.is_empty(), "without a password nothing is pulled");
    let missing = bench.work("missing", "true", &|revision| {
        revision.task.container.image = "127.0.0.1:1/image:1".to_owned();
        revision.task.container.pull = "never".to_owned();
    });
    check(
        &executor,
        &|revision| ordinary(&bench.image, revision),
        &missing,
    )
    .await;
}

#[tokio::test]
async fn a_secret_is_read_in_the_container_and_lies_in_memory() {
    let Some(bench) = Bench::new() else { return };
    let executor = bench.open();
    let script = "cat /run/secrets/key; stat -c ' %a %u' /run/secrets/key; touch /run/secrets/key 2>/dev/null && echo written";
    let mut work = bench.work("t1", script, &|revision| {
        revision.task.container.secrets.push(model::FileReference {
            source: "password".to_owned(),
            target: "key".to_owned(),
            uid: "33".to_owned(),
            gid: String::new(),
            mode: Some(0o440),
        });
    });
    let mut secret = model::Secret::default();
    secret.spec.name = "password".to_owned();
    secret.spec.data = "hush-hush".into();
    work.secrets.push(secret.into());
    let id = executor.prepare(&work).await.unwrap().id;
    executor.start(&work, &id).await.unwrap();
    executor
        .next(&id, &Seen::Live(Health::Unprobed))
        .await
        .unwrap();
    let mut logs = executor.logs(&id, Default::default()).await.unwrap();
    let mut printed = String::new();
    while let Some(line) = logs.lines.recv().await {
        printed += &String::from_utf8_lossy(&line.unwrap().data);
    }
    assert_eq!(printed, "hush-hush 440 33\n");
    let found = std::process::Command::new("grep")
        .args(["-r", "--one-file-system", "-l", "hush-hush"])
        .arg(bench.dir.path().join("data"))
        .arg(bench.dir.path().join("run").join("containers"))
        .output()
        .unwrap();
    let found = String::from_utf8_lossy(&found.stdout).into_owned();
    assert!(
        found.lines().all(|path| path.ends_with("/log")),
        "on disk: {found}"
    );
    let left = bench.dir.path().join("run/secrets/t1");
    assert!(!left.exists(), "it is forgotten with the end of the task");
    executor.remove("t1", Some(&id)).await.unwrap();
    assert!(!bench.dir.path().join("run/secrets").exists());
}

#[tokio::test]
async fn another_executor_finds_what_one_has_left() {
    let Some(bench) = Bench::new() else { return };
    let work = bench.work("t1", "exec sleep 300", &|_| {});
    let first = bench.open();
    let id = first.prepare(&work).await.unwrap().id;
    let live = first.start(&work, &id).await.unwrap();
    drop(first);
    let second = bench.open();
    assert_eq!(second.find().await.unwrap()["t1"].seen, live.seen);
    let (end, killed) = tokio::join!(second.next(&id, &live.seen), async {
        second.stop(&id, Some(std::time::Duration::ZERO)).await
    });
    assert_eq!(end.unwrap().seen, killed.unwrap().seen);
    second.remove("t1", Some(&id)).await.unwrap();
    assert!(second.find().await.unwrap().is_empty());
}

#[tokio::test]
async fn networks_are_there_as_long_as_a_task_needs_them() {
    let Some(bench) = Bench::new() else { return };
    let executor = bench.open();
    let (engine, networks) = (&executor.0.engine, &executor.0.networks);
    let on = |task: &str, id: &str, subnet: &str| {
        let mut work = bench.work(task, "true", &|_| {});
        let mut network = model::Network {
            id: id.to_owned(),
            subnet: subnet.to_owned(),
            ..Default::default()
        };
        network.spec.name = "blog_front".to_owned();
        network.spec.options.insert(
            "com.docker.network.driver.overlay.x".to_owned(),
            "1".to_owned(),
        );
        work.networks.push(network.into());
        work
    };
    let first = on("t1", "n1", "10.213.77.0/24");
    networks.ensure(engine, &first).unwrap();
    networks
        .ensure(engine, &on("t2", "n1", "10.213.77.0/24"))
        .unwrap();
    let made = engine.network("blog_front").unwrap();
    assert_eq!(made.subnet.to_string(), "10.213.77.0/24");
    assert_eq!(made.labels["mini.network.id"], "n1");
    networks.release(engine, "t1").unwrap();
    assert!(engine.network("blog_front").is_ok(), "t2 needs it");
    networks.release(engine, "t2").unwrap();
    assert!(engine.network("blog_front").is_err());

    // What an earlier daemon has left, and what is not ours.
    networks.ensure(engine, &first).unwrap();
    super::networks::Networks::default().sweep(engine).unwrap();
    assert!(engine.network("blog_front").is_err());
    let own = engine::NetworkSpec {
        name: "blog_front".to_owned(),
        ..Default::default()
    };
    engine.create_network(&own).unwrap();
    let refused = networks.ensure(engine, &on("t3", "n1", "")).unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("a network blog_front of its own")
    );
    networks.release(engine, "t3").unwrap();
    networks.sweep(engine).unwrap();
    assert!(engine.network("blog_front").is_ok(), "a person's stays");
    engine.remove_network("blog_front").unwrap();

    // A subnet that this node has in use is replaced by another one.
    let taken = engine::NetworkSpec {
        name: "taken".to_owned(),
        subnet: "10.213.77.0/24".parse().ok(),
        ..Default::default()
    };
    engine.create_network(&taken).unwrap();
    networks
        .ensure(engine, &on("t4", "n2", "10.213.77.0/24"))
        .unwrap();
    let other = engine.network("blog_front").unwrap();
    assert_ne!(other.subnet.to_string(), "10.213.77.0/24");
}
