//! Health checks: what image and request together ask for, and what the monitor has found out.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use runtime::monitor::health::Check;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::json;

/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;
/// The shortest that makes sense.
const SHORTEST: Duration = Duration::from_millis(1);

/// What tells whether a container is well. What is `None` (or zero, or an empty test) is the image's, else the default.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthCheck {
    /// `CMD` and a program with its arguments, `CMD-SHELL` and a line for the container's `/bin/sh -c`, or `NONE`.
    pub test: Vec<String>,
    /// From the end of a probe to the next one, and from the start to the first; 30 s.
    pub interval: Option<Duration>,
    /// When a probe that has not ended counts as failed; 30 s.
    pub timeout: Option<Duration>,
    /// How long after the start failures don't count, unless there was a success before; none.
    pub start_period: Option<Duration>,
    /// In place of `interval` during that time, until the first success; 5 s.
    pub start_interval: Option<Duration>,
    /// So many failures in a row make it unhealthy; 3.
    pub retries: Option<u32>,
}

impl HealthCheck {
    /// Whether it says that nothing is to be probed, whatever the image says.
    pub fn is_disabled(&self) -> bool {
        self.test.first().is_some_and(|form| form == "NONE")
    }

    /// What is executed; `None` when nothing is, or the form of the test is unknown.
    fn command(&self) -> Option<Vec<String>> {
        let (form, words) = self.test.split_first()?;
        let command = match form.as_str() {
            "CMD" => words.to_vec(),
            "CMD-SHELL" if !words.is_empty() => ["/bin/sh", "-c"]
                .map(str::to_owned)
                .into_iter()
                .chain(words.iter().cloned())
                .collect(),
            _ => return None,
        };
        (!command.is_empty()).then_some(command)
    }

    /// What the monitor is told; `None` when nothing is probed.
    pub(crate) fn check(&self) -> Option<Check> {
        let given = |length: Option<Duration>, usual| {
            length.filter(|length| !length.is_zero()).unwrap_or(usual)
        };
        Some(Check {
            args: self.command()?,
            interval: given(self.interval, INTERVAL),
            timeout: given(self.timeout, TIMEOUT),
            retries: self
                .retries
                .filter(|retries| *retries > 0)
                .unwrap_or(RETRIES),
            start_period: self.start_period.unwrap_or_default(),
            start_interval: given(self.start_interval, START_INTERVAL),
        })
    }

    fn validate(&self) -> Result<()> {
        let invalid = |why: String| Err(Error::Invalid(format!("invalid health check: {why}")));
        match self.test.first().map(String::as_str) {
            None | Some("NONE") => {}
            Some("CMD" | "CMD-SHELL") if self.command().is_some() => {}
            Some(form @ ("CMD" | "CMD-SHELL")) => {
                return invalid(format!("{form} has no command behind it"));
            }
            Some(form) => {
                return invalid(format!(
                    "its test begins with {form:?}: write CMD, CMD-SHELL or NONE"
                ));
            }
        }
        for (name, length) in [
            ("interval", self.interval),
            ("timeout", self.timeout),
            ("start period", self.start_period),
            ("start interval", self.start_interval),
        ] {
            if length.is_some_and(|length| !length.is_zero() && length < SHORTEST) {
                return invalid(format!("its {name} must be at least 1ms"));
            }
        }
        Ok(())
    }
}

/// The check of a container: the request's, completed with the image's. `None` when neither has one.
///
/// # Errors
/// It can't be meant.
pub(crate) fn merge(
    asked: Option<&HealthCheck>,
    image: Option<HealthCheck>,
) -> Result<Option<HealthCheck>> {
    let Some(asked) = asked else {
        return Ok(image);
    };
    asked.validate()?;
    if asked.is_disabled() {
        return Ok(Some(asked.clone()));
    }
    let image = image.unwrap_or_default();
    let longer = |asked: Option<Duration>, image| asked.filter(|asked| !asked.is_zero()).or(image);
    Ok(Some(HealthCheck {
        test: match asked.test.is_empty() {
            true => image.test,
            false => asked.test.clone(),
        },
        interval: longer(asked.interval, image.interval),
        timeout: longer(asked.timeout, image.timeout),
        start_period: longer(asked.start_period, image.start_period),
        start_interval: longer(asked.start_interval, image.start_interval),
        retries: asked
            .retries
            .filter(|retries| *retries > 0)
            .or(image.retries),
    }))
}

/// The check in an image's config, where Docker has put it beside what OCI defines.
///
/// # Errors
/// What is there can't be meant.
pub(crate) fn of_image(config: &[u8], image: &str) -> Result<Option<HealthCheck>> {
    let broken = |why: String| {
        Error::Invalid(format!(
            "the health check of image {image} is broken ({why}); run it with --no-healthcheck, or with --health-cmd and one of your own"
        ))
    };
    let config: ImageConfig =
        serde_json::from_slice(config).map_err(|error| broken(error.to_string()))?;
    let Some(found) = config.config.and_then(|config| config.healthcheck) else {
        return Ok(None);
    };
    let length = |nanoseconds: Option<i64>| match nanoseconds.unwrap_or(0) {
        0 => Ok(None),
        negative @ ..0 => Err(broken(format!("{negative} ns are no length of time"))),
        positive => Ok(Some(Duration::from_nanos(positive.unsigned_abs()))),
    };
    let check = HealthCheck {
        test: found.test.unwrap_or_default(),
        interval: length(found.interval)?,
        timeout: length(found.timeout)?,
        start_period: length(found.start_period)?,
        start_interval: length(found.start_interval)?,
        retries: found.retries.filter(|retries| *retries > 0),
    };
    check
        .validate()
        .map_err(|error| broken(error.to_string()))?;
    Ok(Some(check))
}

#[derive(Deserialize)]
struct ImageConfig {
    config: Option<RunConfig>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RunConfig {
    healthcheck: Option<ImageCheck>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ImageCheck {
    test: Option<Vec<String>>,
    interval: Option<i64>,
    timeout: Option<i64>,
    start_period: Option<i64>,
    start_interval: Option<i64>,
    retries: Option<u32>,
}

/// How a container is: what the monitor writes as `health.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// In one word.
    pub status: HealthStatus,
    /// Failures in a row that count.
    pub failing_streak: u32,
    /// The last five results, the oldest first.
    pub log: Vec<HealthLog>,
}

/// The health in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// Nobody knows yet.
    Starting,
    /// The last probe that counted succeeded, or not enough of them have failed since one did.
    Healthy,
    /// Too many probes in a row have failed.
    Unhealthy,
}

impl std::fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            HealthStatus::Starting => "starting",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Unhealthy => "unhealthy",
        })
    }
}

/// One probe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HealthLog {
    /// When it began.
    pub start: Timestamp,
    /// When it ended, or was ended.
    pub end: Timestamp,
    /// The program's; 0 is well. -1 when it was not executed or did not end in time.
    pub exit_code: i32,
    /// The first 4096 bytes of what it printed, or why it was not executed.
    pub output: String,
}

/// The health of a running container that is probed: what its file says, or that nobody knows yet.
pub(crate) fn read(path: &Path) -> Health {
    json::read(path).ok().flatten().unwrap_or(Health {
        status: HealthStatus::Starting,
        failing_streak: 0,
        log: Vec::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    fn seconds(number: u64) -> Option<Duration> {
        Some(Duration::from_secs(number))
    }

    #[test]
    fn tests_become_commands() {
        fn check(test: &[&str], expected: Option<&str>) {
            let asked = HealthCheck {
                test: test.iter().map(|word| (*word).to_owned()).collect(),
                ..HealthCheck::default()
            };
            let command = asked.check().map(|check| check.args.join("|"));
            assert_eq!(command.as_deref(), expected, "{test:?}");
            let valid = asked.validate().is_ok();
            assert_eq!(
                valid,
                expected.is_some() || matches!(test, [] | ["NONE", ..]),
                "{test:?}"
            );
        }
        check(&["CMD", "curl", "-f", "x y"], Some("curl|-f|x y"));
        check(
            &["CMD-SHELL", "curl -f x || exit 1"],
            Some("/bin/sh|-c|curl -f x || exit 1"),
        );
        check(&["NONE"], None);
        check(&[], None);
        check(&["CMD"], None);
        check(&["CMD-SHELL"], None);
        check(&["curl", "-f"], None);
    }

    #[test]
    fn what_is_not_said_is_dockers_default() {
        let mut asked = HealthCheck {
            test: words("CMD true"),
            interval: Some(Duration::ZERO),
            retries: Some(0),
            ..HealthCheck::default()
        };
        let usual = asked.check().unwrap();
        let lengths = [
            usual.interval,
            usual.timeout,
            usual.start_period,
            usual.start_interval,
        ];
        assert_eq!(lengths.map(|length| length.as_secs()), [30, 30, 0, 5]);
        assert_eq!(usual.retries, 3);
        asked.interval = Some(Duration::from_micros(1));
        let error = asked.validate().unwrap_err().to_string();
        assert!(error.contains("interval must be at least 1ms"), "{error}");
    }

    #[test]
    fn the_request_is_completed_with_the_image() {
        let image = || {
            Some(HealthCheck {
                test: words("CMD image"),
                interval: seconds(7),
                retries: Some(9),
                ..HealthCheck::default()
            })
        };
        let asked = |test: &str| HealthCheck {
            test: words(test),
            timeout: seconds(1),
            ..HealthCheck::default()
        };
        let check = |asked: Option<&HealthCheck>, image, expected: Option<(&str, u64, u32)>| {
            let merged = merge(asked, image)
                .unwrap()
                .and_then(|merged| merged.check());
            let found = merged.as_ref().map(|check| {
                let (program, interval) = (check.args[0].as_str(), check.interval.as_secs());
                (program, interval, check.retries)
            });
            assert_eq!(found, expected, "{asked:?}");
        };
        check(None, None, None);
        check(None, image(), Some(("image", 7, 9)));
        check(Some(&asked("")), image(), Some(("image", 7, 9)));
        check(Some(&asked("CMD mine")), image(), Some(("mine", 7, 9)));
        check(Some(&asked("CMD mine")), None, Some(("mine", 30, 3)));
        check(Some(&asked("NONE")), image(), None);
        check(Some(&asked("")), None, None);
        assert_eq!(
            merge(Some(&asked("")), image()).unwrap().unwrap().timeout,
            seconds(1)
        );
        assert!(merge(Some(&asked("mine")), image()).is_err());
    }

    #[test]
    fn images_bring_theirs() {
        fn check(config: &str, expected: Result<Option<(&str, u64)>, &str>) {
            match (of_image(config.as_bytes(), "shop"), expected) {
                (Ok(found), Ok(expected)) => {
                    let found = found.map(|found| {
                        let interval = found.interval.unwrap_or_default();
                        (found.test.join(" "), interval.as_millis() as u64)
                    });
                    let found = found
                        .as_ref()
                        .map(|(test, millis)| (test.as_str(), *millis));
                    assert_eq!(found, expected, "{config}");
                }
                (Err(error), Err(expected)) => {
                    let error = error.to_string();
                    assert!(error.contains(expected), "{config}: {error}");
                    assert!(error.contains("--no-healthcheck"), "{error}");
                }
                (found, _) => panic!("{config}: {found:?}"),
            }
        }
        check("{}", Ok(None));
        check(r#"{"config": null}"#, Ok(None));
        check(r#"{"config": {"Cmd": ["sh"]}}"#, Ok(None));
        check(r#"{"config": {"Healthcheck": null}}"#, Ok(None));
        check(
            r#"{"config": {"Healthcheck": {"Test": ["CMD-SHELL", "up"], "Interval": 1500000000, "Retries": 4}}}"#,
            Ok(Some(("CMD-SHELL up", 1500))),
        );
        check(
            r#"{"config": {"Healthcheck": {"Test": ["NONE"]}}}"#,
            Ok(Some(("NONE", 0))),
        );
        check(
            r#"{"config": {"Healthcheck": {"Test": ["up"]}}}"#,
            Err("\"up\""),
        );
        check(
            r#"{"config": {"Healthcheck": {"Interval": -1}}}"#,
            Err("-1 ns"),
        );
        check(
            r#"{"config": {"Healthcheck": {"Test": "up"}}}"#,
            Err("broken"),
        );
    }

    #[test]
    fn results_are_read_as_the_monitor_writes_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("health.json");
        assert_eq!(read(&path).status, HealthStatus::Starting);
        std::fs::write(
            &path,
            r#"{"status":"unhealthy","failing_streak":3,"log":[{"start":"2026-01-02T03:04:05.000000000Z","end":"2026-01-02T03:04:06.000000000Z","exit_code":-1,"output":"no"}]}"#,
        )
        .unwrap();
        let health = read(&path);
        assert_eq!(
            (
                health.status,
                health.failing_streak,
                health.log[0].exit_code
            ),
            (HealthStatus::Unhealthy, 3, -1)
        );
    }
}
