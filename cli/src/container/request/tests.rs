use clap::Parser;
use engine::parse::mode::PullPolicy;
use engine::parse::network::NetworkAttach;

use super::*;
use crate::command::{Command, CommandLine};

fn request(line: &str) -> Result<Request, Failure> {
    let Command::Run(args) = CommandLine::try_parse_from(line.split_whitespace())
        .unwrap()
        .command
    else {
        panic!()
    };
    read(args.options)
}

#[test]
fn options_become_the_engines_request() {
    fn check(line: &str, holds: impl Fn(&RunSpec) -> bool) {
        let spec = request(line).unwrap().spec;
        assert!(holds(&spec), "{line}: {spec:#?}");
    }
    check("minictl run alpine", |spec| {
        spec.image == "alpine" && spec.command.is_empty()
    });
    check("minictl run alpine ls -l", |spec| {
        spec.command == ["ls", "-l"]
    });
    check("minictl run -it alpine", |spec| {
        spec.tty && spec.stdin && !spec.remove
    });
    check("minictl run --rm --name web alpine", |spec| {
        spec.remove && spec.name.as_deref() == Some("web")
    });
    check("minictl run --pull never alpine", |spec| {
        spec.pull == PullPolicy::Never
    });
    check("minictl run alpine", |spec| {
        spec.pull == PullPolicy::Missing && spec.entrypoint.is_none()
    });
    check("minictl run --entrypoint= alpine", |spec| {
        spec.entrypoint == Some(Vec::new())
    });
    check("minictl run --entrypoint /bin/sh alpine", |spec| {
        spec.entrypoint == Some(vec!["/bin/sh".to_owned()])
    });
    check("minictl run -p 8080:80 -p 53:53/udp alpine", |spec| {
        spec.ports.len() == 2 && spec.ports[0].host_ports == Some((8080, 8080))
    });
    check("minictl run --network none alpine", |spec| {
        spec.networks == [NetworkAttach::None]
    });
    check(
        "minictl run -v data:/d --mount type=bind,source=/,target=/h --tmpfs /t alpine",
        |spec| spec.mounts.len() == 3,
    );
    check(
        "minictl run -m 64m --cpus 1.5 --pids-limit 10 alpine",
        |spec| {
            let limits = &spec.resources;
            limits
                .memory
                .as_ref()
                .is_some_and(|memory| memory.0 == 64 << 20)
                && limits
                    .cpus
                    .as_ref()
                    .is_some_and(|cpus| cpus.0 == 1_500_000_000)
                && limits
                    .pids_limit
                    .as_ref()
                    .is_some_and(|limit| limit.0 == Some(10))
        },
    );
    check(
        "minictl run --log-opt max-size=1m --log-opt max-file=5 alpine",
        |spec| {
            spec.log_max_size
                .as_ref()
                .is_some_and(|size| size.0 == 1 << 20)
                && spec.log_max_files == Some(5)
        },
    );
    check(
        "minictl run -e A=1 -e B --env-file f -l a=b alpine",
        |spec| spec.env == ["A=1", "B"] && spec.env_files.len() == 1 && spec.labels == ["a=b"],
    );
}

#[test]
fn health_checks_are_read() {
    fn check(line: &str, test: Option<&str>, milliseconds: [u64; 4], retries: Option<u32>) {
        let health = request(&format!("minictl run {line} alpine"))
            .unwrap()
            .spec
            .health;
        let [interval, timeout, start_period, start_interval] =
            milliseconds.map(|length| (length > 0).then(|| Duration::from_millis(length)));
        let expected = test.map(|test| HealthCheck {
            test: test.split_whitespace().map(str::to_owned).collect(),
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        });
        assert_eq!(health, expected, "{line}");
    }
    check("", None, [0; 4], None);
    check("--health-cmd=", None, [0; 4], None);
    check("--health-cmd true", Some("CMD-SHELL true"), [0; 4], None);
    check("--no-healthcheck", Some("NONE"), [0; 4], None);
    check("--health-retries 5", Some(""), [0; 4], Some(5));
    check(
        "--health-cmd up --health-interval 1m30s --health-timeout 500ms --health-start-period 2s --health-start-interval 1.5s",
        Some("CMD-SHELL up"),
        [90_000, 500, 2_000, 1_500],
        None,
    );
}

#[test]
fn a_wrong_value_is_named_and_ends_in_125() {
    fn check(line: &str, named: &str) {
        let failure = request(line).unwrap_err();
        assert_eq!(failure.code(), 125, "{line}");
        assert!(
            format!("{failure:?}").contains(named),
            "{line}: {failure:?}"
        );
    }
    check("minictl run -p nonsense alpine", "nonsense");
    check("minictl run -m 12q alpine", "12q");
    check("minictl run --cpus many alpine", "many");
    check("minictl run --ulimit nofile alpine", "nofile");
    check("minictl run --restart always alpine", "--restart always");
    check("minictl run --pull sometimes alpine", "sometimes");
    check("minictl run --ip 1.2.3 alpine", "1.2.3");
    check(
        "minictl run --health-interval 5 alpine",
        "a unit is missing",
    );
    check("minictl run --health-timeout -1s alpine", "-1s");
    check(
        "minictl run --no-healthcheck --health-cmd true alpine",
        "--no-healthcheck",
    );
    check("minictl run --log-opt color=red alpine", "color=red");
}
