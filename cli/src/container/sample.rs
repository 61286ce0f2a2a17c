//! A container for tests.

use engine::{Container, Endpoint, MountKind, ProcessConfig, Record, RunSpec, State, Status};
use serde_json::json;

/// `web`, running, with a port, a volume and a label.
pub(crate) fn container() -> Container {
    let id = "0123456789abcdef".repeat(4);
    let created = "2026-01-02T03:00:00Z".parse().unwrap();
    Container {
        record: Record {
            id: id.clone(),
            name: "web".to_owned(),
            created,
            image: "registry.example/shop:2".to_owned(),
            image_id: format!("sha256:{}", "ab".repeat(32)),
            process: ProcessConfig {
                entrypoint: vec!["/entry".to_owned()],
                command: vec!["serve".to_owned(), "--port=80".to_owned()],
                env: vec!["MODE=test".to_owned()],
                stop_signal: "SIGTERM".to_owned(),
                workdir: "/srv".into(),
                ..ProcessConfig::default()
            },
            labels: [("app".to_owned(), "shop".to_owned())].into(),
            exposed: vec!["80".parse().unwrap(), "443".parse().unwrap()],
            mounts: vec![engine::Mount {
                kind: MountKind::Volume {
                    name: "data".to_owned(),
                    anonymous: false,
                },
                target: "/srv/data".into(),
                read_only: false,
                propagation: "rprivate".to_owned(),
            }],
            health: None,
            spec: RunSpec::new("registry.example/shop:2"),
            cgroup_parent: "mini".to_owned(),
        },
        state: State {
            status: Status::Running,
            pid: Some(4711),
            exit_code: None,
            signal: None,
            oom_killed: false,
            error: None,
            started_at: "2026-01-02T03:00:01Z".parse().ok(),
            finished_at: None,
            health: None,
        },
        endpoints: vec![endpoint(&id)],
    }
}

/// Read as the network's own files are, so that a field it gains needs no change here.
fn endpoint(id: &str) -> Endpoint {
    serde_json::from_value(json!({
        "id": id,
        "network": "shop",
        "network_id": "cd".repeat(32),
        "ifname": "eth0",
        "host_ifname": "mv01234567",
        "hostname": "web",
        "ip": "10.20.0.2",
        "prefix_len": 24,
        "gateway": "10.20.0.1",
        "internal": false,
        "mac": "02:42:0a:14:00:02",
        "mtu": 1500,
        "ports": [{ "host_ip": "127.0.0.1", "host_port": 8080, "container_port": 80, "protocol": "tcp" }],
        "connected": "2026-01-02T03:00:00Z",
    }))
    .unwrap()
}
