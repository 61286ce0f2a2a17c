//! `--depends-on db:service_healthy`, `--autoscale min=1,max=9,cpu=60%`.

use model::{Autoscale, Dependency, DependencyCondition};

use super::values::{fields, milliseconds, needed, share};

/// Reads `NAME[:CONDITION][:optional][:restart]`.
pub(super) fn dependency(text: &str) -> Result<Dependency, String> {
    let mut parts = text.split(':');
    let mut dependency = Dependency {
        service: needed("the service", parts.next().map(str::to_owned))?,
        ..Dependency::default()
    };
    for part in parts {
        match part {
            "optional" => dependency.optional = true,
            "restart" => dependency.restart = true,
            word => dependency.condition = condition(word)?.into(),
        }
    }
    Ok(dependency)
}

fn condition(word: &str) -> Result<DependencyCondition, String> {
    match word {
        "service_started" | "started" => Ok(DependencyCondition::Started),
        "service_healthy" | "healthy" => Ok(DependencyCondition::Healthy),
        "service_completed_successfully" | "completed" => {
            Ok(DependencyCondition::CompletedSuccessfully)
        }
        _ => Err(format!(
            "the condition {word:?} is none of service_started, service_healthy, \
             service_completed_successfully, optional and restart"
        )),
    }
}

/// The condition as compose files spell it.
pub(crate) fn word(condition: DependencyCondition) -> &'static str {
    match condition {
        DependencyCondition::Started => "service_started",
        DependencyCondition::Healthy => "service_healthy",
        DependencyCondition::CompletedSuccessfully => "service_completed_successfully",
    }
}

/// Automatic scaling that was asked for, or its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Scaling {
    Off,
    On(Autoscale),
}

/// Reads `min=1,max=9,cpu=60%,memory=70%,rps=100,cooldown=1m`, or `none`.
pub(super) fn scaling(text: &str) -> Result<Scaling, String> {
    if text == "none" {
        return Ok(Scaling::Off);
    }
    read(text)
        .map(Scaling::On)
        .map_err(|why| format!("{why}; write it like min=2,max=10,cpu=60%, or none"))
}

fn read(text: &str) -> Result<Autoscale, String> {
    let mut autoscale = Autoscale {
        min: 1,
        ..Autoscale::default()
    };
    for (key, value) in fields(text)? {
        let value = needed(&key, value)?;
        let number = || {
            value
                .parse::<u64>()
                .map_err(|_| format!("{key}={value:?} is no number"))
        };
        match key.as_str() {
            "min" => autoscale.min = number()?,
            "max" => autoscale.max = number()?,
            "cpu" => autoscale.cpu = share(&value)?,
            "memory" => autoscale.memory = share(&value)?,
            "rps" | "requests_per_second" => {
                autoscale.requests_per_second = value
                    .parse()
                    .ok()
                    .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
                    .ok_or_else(|| format!("{key}={value:?} is no rate"))?;
            }
            "cooldown" => autoscale.cooldown_ms = milliseconds(&value)?,
            _ => return Err(format!("the key {key:?} is unknown")),
        }
    }
    let aims = autoscale.cpu + autoscale.memory + autoscale.requests_per_second;
    if aims == 0.0 {
        return Err("it aims at nothing: give cpu, memory or requests_per_second".to_owned());
    }
    if autoscale.max < autoscale.min || autoscale.max == 0 {
        return Err(format!(
            "max={} is below min={}",
            autoscale.max, autoscale.min
        ));
    }
    Ok(autoscale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read() {
        fn check(text: &str, expected: Option<(&str, DependencyCondition, bool, bool)>) {
            let read = dependency(text).ok();
            let read = read.as_ref().map(|read| {
                (
                    read.service.as_str(),
                    read.condition(),
                    read.optional,
                    read.restart,
                )
            });
            assert_eq!(read, expected, "{text}");
        }
        use DependencyCondition::{CompletedSuccessfully, Healthy, Started};
        check("db", Some(("db", Started, false, false)));
        check("db:service_healthy", Some(("db", Healthy, false, false)));
        check("db:healthy:restart", Some(("db", Healthy, false, true)));
        check(
            "job:completed:optional",
            Some(("job", CompletedSuccessfully, true, false)),
        );
        check(":healthy", None);
        check("db:well", None);
    }

    #[test]
    fn scaling_is_read() {
        fn check(text: &str, expected: Result<(u64, u64, f64), &str>) {
            match (scaling(text), expected) {
                (Ok(Scaling::On(read)), Ok(expected)) => {
                    assert_eq!((read.min, read.max, read.cpu), expected, "{text}");
                }
                (Err(error), Err(named)) => assert!(error.contains(named), "{text}: {error}"),
                (read, expected) => panic!("{text}: {read:?}, expected {expected:?}"),
            }
        }
        check("min=2,max=10,cpu=60%", Ok((2, 10, 0.6)));
        check("max=3,memory=0.7,cooldown=30s", Ok((1, 3, 0.0)));
        check("max=3,rps=100", Ok((1, 3, 0.0)));
        check("max=3", Err("aims at nothing"));
        check("min=3,max=2,cpu=50%", Err("below"));
        check("cpu=50%", Err("below"));
        check("max=3,cpu=lots", Err("share"));
        check("max=3,disk=50%", Err("unknown"));
        assert_eq!(scaling("none"), Ok(Scaling::Off));
    }
}
