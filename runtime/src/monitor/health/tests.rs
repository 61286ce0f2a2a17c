use super::*;

fn check(retries: u32, start_period: u64) -> Check {
    Check {
        args: vec!["probe".to_owned()],
        interval: Duration::from_secs(30),
        timeout: Duration::from_secs(10),
        retries,
        start_period: Duration::from_secs(start_period),
        start_interval: Duration::from_secs(5),
    }
}

/// The status and the streak after each probe, given as (seconds after the start, exit code).
fn story(retries: u32, start_period: u64, probes: &[(u64, i32)]) -> String {
    let check = check(retries, start_period);
    let mut health = Health::UNKNOWN;
    let mut words = Vec::new();
    for (began, exit_code) in probes {
        health = advance(&check, health, *exit_code, Duration::from_secs(*began));
        let status = match health.status {
            Status::Starting => "starting",
            Status::Healthy => "healthy",
            Status::Unhealthy => "unhealthy",
        };
        words.push(format!("{status}:{}", health.failing_streak));
    }
    words.join(" ")
}

#[test]
fn results_make_the_status() {
    fn check(retries: u32, start_period: u64, probes: &[(u64, i32)], expected: &str) {
        assert_eq!(story(retries, start_period, probes), expected, "{probes:?}");
    }
    check(3, 0, &[(30, 0)], "healthy:0");
    // Any code but 0 is a failure, also that of a probe that was not executed.
    check(
        3,
        0,
        &[(30, 1), (60, 2), (90, -1)],
        "starting:1 starting:2 unhealthy:3",
    );
    check(1, 0, &[(30, 137)], "unhealthy:1");
    // A success begins anew, whatever there was before.
    check(
        2,
        0,
        &[
            (1, 1),
            (2, 0),
            (3, 1),
            (4, 0),
            (5, 1),
            (6, 1),
            (7, 1),
            (8, 0),
        ],
        "starting:1 healthy:0 healthy:1 healthy:0 healthy:1 unhealthy:2 unhealthy:3 healthy:0",
    );
    // In the start period failures don't count; what counts is when the probe began.
    check(
        2,
        10,
        &[(0, 1), (5, 1), (9, 1), (10, 1), (15, 1)],
        "starting:0 starting:0 starting:0 starting:1 unhealthy:2",
    );
    // A success ends it.
    check(
        2,
        100,
        &[(5, 1), (10, 0), (15, 1), (20, 1)],
        "starting:0 healthy:0 healthy:1 unhealthy:2",
    );
}

#[test]
fn the_streak_has_an_end() {
    let worst = Health {
        status: Status::Unhealthy,
        failing_streak: u32::MAX,
    };
    assert_eq!(advance(&check(3, 0), worst, 1, Duration::MAX), worst);
}

#[test]
fn probes_come_sooner_while_it_starts() {
    fn check(start_period: u64, status: Status, age: u64, expected: u64) {
        let health = Health {
            status,
            failing_streak: 0,
        };
        let rest = rest(
            &super::tests::check(3, start_period),
            health,
            Duration::from_secs(age),
        );
        assert_eq!(rest.as_secs(), expected, "{status:?} at {age} s");
    }
    check(0, Status::Starting, 0, 30);
    check(60, Status::Starting, 0, 5);
    check(60, Status::Starting, 59, 5);
    check(60, Status::Starting, 60, 30);
    check(60, Status::Healthy, 20, 30);
    check(60, Status::Unhealthy, 20, 30);
}
