use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    CommandLine::try_parse_from(line.split_whitespace()).map(|line| line.command)
}

#[test]
fn the_tree_is_sound() {
    CommandLine::command().debug_assert();
}

#[test]
fn every_verb_stands_in_the_help() {
    let mut command = CommandLine::command();
    let help = command.render_help().to_string();
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        let listed = help
            .lines()
            .any(|line| line.split_whitespace().any(|word| word == verb.get_name()));
        assert!(listed, "{}", verb.get_name());
    }
}

#[test]
fn every_verb_has_an_example() {
    fn without(command: &clap::Command, path: &str, found: &mut Vec<String>) {
        for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
            let path = format!("{path} {}", verb.get_name());
            let after = verb.get_after_help().map(ToString::to_string);
            let after = after.unwrap_or_default();
            if verb.has_subcommands() {
                without(verb, &path, found);
            } else if !(after.contains("xample") && after.contains("minictl ")) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    without(&CommandLine::command(), "minictl", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

/// The lines of a help's examples, without what stands behind a pipe.
fn examples(help: &str) -> Vec<Vec<String>> {
    let lines = help
        .lines()
        .map(|line| line.trim().trim_start_matches("Example: "));
    let lines = lines.filter(|line| line.starts_with("minictl "));
    lines
        .map(|line| {
            // What stands between quotes is one word.
            let parts = line.split('\'').enumerate();
            let whole = parts.map(|(at, part)| match at % 2 {
                0 => part.to_owned(),
                _ => part.replace(' ', "\0"),
            });
            let line = whole.collect::<String>();
            let own = line.split(['|', '#', '<', '>']).next().unwrap_or_default();
            let words = own.split_whitespace();
            words.map(|word| word.replace('\0', " ")).collect()
        })
        .collect()
}

#[test]
fn every_example_can_be_typed() {
    fn check(command: &clap::Command, seen: &mut usize) {
        let help = command.get_after_help().map(ToString::to_string);
        for example in examples(&help.unwrap_or_default()) {
            *seen += 1;
            if let Err(error) = CommandLine::try_parse_from(&example) {
                panic!("{}: {error}", example.join(" "));
            }
        }
        for verb in command.get_subcommands() {
            check(verb, seen);
        }
    }
    let mut seen = 0;
    check(&CommandLine::command(), &mut seen);
    assert!(seen > 80, "{seen} examples were found");
}

#[test]
fn dockers_spellings_are_understood() {
    fn check(line: &str) {
        assert!(parse(line).is_ok(), "{line}: {}", parse(line).unwrap_err());
    }
    check("minictl run alpine");
    check("minictl run -it --rm debian bash");
    check("minictl run -dp 8080:80 nginx");
    check("minictl run -d -P --name=web nginx");
    check("minictl run --network=host --net none alpine");
    check("minictl run -m512m --memory-swap -1 --pids-limit -1 --cpus=1.5 -c 512 alpine");
    check("minictl run -e A=1 -eB=2 --env C --env-file f alpine");
    check(
        "minictl run -v /a:/b:ro --volume data:/c --mount type=tmpfs,target=/t --tmpfs /run alpine",
    );
    check("minictl run -h box -w /srv -u 1000:1000 -l a=b --label c alpine");
    check("minictl run --entrypoint /bin/sh alpine -c true");
    check("minictl run --restart no --restart=no alpine");
    check("minictl run --sig-proxy=false --detach-keys ctrl-x,x alpine");
    check("minictl run --stop-timeout -1 --stop-signal SIGINT --ulimit nofile=1024:2048 alpine");
    check(
        "minictl run --cap-add NET_ADMIN --cap-drop=ALL --privileged --read-only --security-opt seccomp=unconfined a",
    );
    check(
        "minictl run --device /dev/fuse --shm-size 64m --sysctl a.b=1 --dns 1.1.1.1 --add-host a:1.2.3.4 a",
    );
    check("minictl run --pull always --platform linux/arm64 --init -q --cidfile f alpine");
    check("minictl create --name x alpine");
    check("minictl container run alpine");
    check("minictl start -ai job");
    check("minictl stop -t 5 a b");
    check("minictl stop --time=5 a");
    check("minictl stop --timeout 5 a");
    check("minictl restart -t 0 a");
    check("minictl kill -s HUP a");
    check("minictl kill --signal=9 a");
    check("minictl rm -fv a b");
    check("minictl ps -aq --no-trunc -f status=exited --filter name=a --format json");
    check("minictl ps -l");
    check("minictl ps -n 3");
    check("minictl container ls -a");
    check("minictl container ps");
    check("minictl logs -f -n 10 -t --since 10m web");
    check("minictl logs --tail all --until 2026-01-01 web");
    check("minictl exec -it web sh -c ls -l");
    check("minictl exec -e A=1 -w / -u root --privileged -d web true");
    check("minictl attach --no-stdin --sig-proxy=false web");
    check("minictl inspect --type container -f {{.Id}} a b");
    check("minictl images -aq --no-trunc --digests --filter dangling=true redis");
    check("minictl image ls");
    check("minictl rmi -f a b");
    check("minictl image remove a");
    check("minictl pull -q --platform linux/amd64 redis:7");
    check(
        "minictl network create -d bridge --subnet 10.1.0.0/24 --gateway 10.1.0.1 --internal --label a=b -o mtu=1400 n",
    );
    check("minictl network create -d overlay --attachable --opt encrypted --subnet 10.9.0.0/16 n");
    check("minictl network create --scope swarm n");
    check("minictl network rm a b");
    check("minictl network ls -q --no-trunc");
    check("minictl volume create");
    check("minictl volume create data");
    check("minictl volume rm -f data");
    check("minictl volume ls -q -f name=d");
    check("minictl volume prune -af");
    check("minictl system prune -af --volumes");
    check("minictl system df");
    check("minictl system info");
    check("minictl version -f json");
    check("minictl --data-root /d --run-root /r --cgroup-parent p --insecure-registry r:5000 ps");
    check("minictl ps --data-root /d");
    check("minictl stack deploy -c compose.yml blog");
    check(
        "minictl stack deploy --compose-file a.yml -c b.yml --prune --resolve-image never --with-registry-auth -d blog",
    );
    check(
        "minictl stack up -f - --profile dev --env-file x --wait-timeout 90 --allow-dip --dry-run",
    );
    check("minictl stack up --detach=false");
    check("minictl stack plan");
    check("minictl stack ls --format json");
    check("minictl stack ps --no-trunc -f desired-state=running -q blog");
    check("minictl stack services -q blog");
    check("minictl stack rm blog shop");
    check("minictl stack rollback --to 3 -d blog");
    check("minictl stack logs -f blog");
    check("minictl service create --name web --replicas 3 -p 8080:80 --detach nginx nginx -g x");
    check(
        "minictl service create --mode global --mount type=bind,source=/a,target=/b -e A=1 --env B a",
    );
    check(
        "minictl service create --network n --secret s --config c --constraint node.role==worker -q a",
    );
    check(
        "minictl service create --limit-cpu .5 --limit-memory 64m --restart-condition none --update-delay 1s a",
    );
    check(
        "minictl service create --hostname h --user 1 --workdir / --dns 1.1.1.1 --endpoint-mode dnsrr a --flag-of-its-own",
    );
    check(
        "minictl service update --image nginx:2 --args x --force --env-add A=1 --env-rm B --publish-rm 80 web",
    );
    check("minictl service update --rollback -d web");
    check(
        "minictl service update --replicas 2 --health-cmd true --with-registry-auth --no-resolve-image web",
    );
    check("minictl service ls -q -f name=web");
    check("minictl service ps -q --no-resolve a b");
    check("minictl service inspect --pretty web");
    check(
        "minictl service logs -f --tail 5 --since 1h --timestamps --no-trunc --no-task-ids --raw web",
    );
    check("minictl service scale -d a=1 b=2");
    check("minictl service rollback -q web");
    check("minictl service rm a b");
    check("minictl service exec -it -e A=1 -u root -w / web sh -c ls");
    check("minictl task inspect a");
    check("minictl task ps");
    check("minictl secret create -l a=b s -");
    check("minictl secret create s");
    check("minictl secret rm a b");
    check("minictl events -f type=task --since 5");
    check("minictl node ps --no-trunc -f name=web self");
    check("minictl internal cleanup 0123");
    check("minictl internal resolver");
}

#[test]
fn what_docker_refuses_is_refused() {
    fn check(line: &str, expected: ErrorKind) {
        match parse(line) {
            Ok(_) => panic!("{line} was understood"),
            Err(error) => assert_eq!(error.kind(), expected, "{line}: {error}"),
        }
    }
    check("minictl run", ErrorKind::MissingRequiredArgument);
    check("minictl run --nonsense alpine", ErrorKind::UnknownArgument);
    check(
        "minictl run --detach-keys ctrl- alpine",
        ErrorKind::ValueValidation,
    );
    check("minictl exec web", ErrorKind::TooFewValues);
    check("minictl rm", ErrorKind::MissingRequiredArgument);
    check("minictl frobnicate", ErrorKind::InvalidSubcommand);
    check(
        "minictl network create -d macvlan n",
        ErrorKind::InvalidValue,
    );
    check("minictl service create", ErrorKind::MissingRequiredArgument);
    check(
        "minictl service create --limit-cpu x a",
        ErrorKind::ValueValidation,
    );
    check(
        "minictl service create --log-driver x a",
        ErrorKind::UnknownArgument,
    );
    check("minictl service exec web", ErrorKind::TooFewValues);
    check("minictl service scale web", ErrorKind::ValueValidation);
    check(
        "minictl stack up --resolve-image maybe",
        ErrorKind::ValueValidation,
    );
    check("minictl stack down", ErrorKind::MissingRequiredArgument);
}

#[test]
fn options_end_at_the_image() {
    fn check(line: &str, expected: &[&str], detached: bool) {
        let Command::Run(args) = parse(line).unwrap() else {
            panic!("{line}")
        };
        assert_eq!(
            (args.options.image_and_command.as_slice(), args.detach),
            (expected.map_owned().as_slice(), detached)
        );
    }
    check("minictl run -d alpine", &["alpine"], true);
    check("minictl run alpine -d", &["alpine", "-d"], false);
    check(
        "minictl run alpine sh -c ls",
        &["alpine", "sh", "-c", "ls"],
        false,
    );
    check("minictl run alpine --help", &["alpine", "--help"], false);
    check(
        "minictl run alpine ps --data-root x",
        &["alpine", "ps", "--data-root", "x"],
        false,
    );
    check("minictl run alpine -- x", &["alpine", "--", "x"], false);
    check("minictl run -- alpine -x", &["alpine", "-x"], false);
}

#[test]
fn the_daemons_host_may_be_named_anywhere() {
    for line in [
        "minictl -H ssh://a service create --add-host db:10.0.0.7 nginx",
        "minictl service create -H ssh://a --add-host db:10.0.0.7 nginx",
    ] {
        let line = CommandLine::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(line.global.host.as_deref(), Some("ssh://a"));
    }
}

#[test]
fn exec_keeps_the_commands_own_flags() {
    let Command::Exec(args) = parse("minictl exec -it web ls -it --help").unwrap() else {
        panic!()
    };
    assert_eq!(args.container_and_command, ["web", "ls", "-it", "--help"]);
    assert!(args.interactive && args.tty);
}

trait MapOwned {
    fn map_owned(&self) -> Vec<String>;
}

impl MapOwned for [&str] {
    fn map_owned(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}
