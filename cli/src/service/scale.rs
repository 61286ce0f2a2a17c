//! `minictl service scale`.

use model::{ServiceMode, ServiceSpec};

use super::{Waiting, change};
use crate::context::Context;
use crate::converge::tell;
use crate::failure::{Failure, Outcome, for_each, print};
use crate::remote::Client;

/// Change how many tasks services have
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl service scale web=10
  minictl service scale -d web=3 worker=0")]
pub(crate) struct Args {
    #[command(flatten)]
    waiting: Waiting,
    /// Names or ids, and how many
    #[arg(required = true, value_name = "SERVICE=NUMBER", value_parser = target)]
    targets: Vec<(String, u64)>,
}

fn target(text: &str) -> Result<(String, u64), String> {
    let wrong = || format!("{text:?} is no target: write web=3");
    let (name, number) = text.rsplit_once('=').ok_or_else(wrong)?;
    let number = number.parse().map_err(|_| wrong())?;
    match name {
        "" => Err(wrong()),
        name => Ok((name.to_owned(), number)),
    }
}

/// Scales all of them, then stays until each is there.
pub(crate) fn scale(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let mut scaled = Vec::new();
    let names: Vec<String> = args.targets.iter().map(|(name, _)| name.clone()).collect();
    let mut targets = args.targets.iter();
    let mut code = for_each(&names, |name| {
        let number = targets.next().map_or(0, |(_, number)| *number);
        scaled.push(change(&client, name, |spec| set(spec, number))?);
        print(&format!("{name} scaled to {number}\n"))
    })?;
    for changed in &scaled {
        let ended = args.waiting.with(&client, changed)?;
        let name = &changed.service.spec.name;
        code = code.max(tell(&format!("service {name}"), &ended)?);
    }
    Ok(code)
}

fn set(spec: &mut ServiceSpec, number: u64) -> Result<(), Failure> {
    match spec
        .mode
        .get_or_insert(ServiceMode::Replicated(model::Replicated::default()))
    {
        ServiceMode::Replicated(mode) => mode.replicas = number,
        ServiceMode::ReplicatedJob(mode) => mode.completions = number,
        ServiceMode::Global(_) | ServiceMode::GlobalJob(_) => {
            return Err(Failure::new(format!(
                "{} is global: it has one task on each node",
                spec.name
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read() {
        fn check(text: &str, expected: Option<(&str, u64)>) {
            let read = target(text).ok();
            let read = read.as_ref().map(|(name, number)| (name.as_str(), *number));
            assert_eq!(read, expected, "{text}");
        }
        check("web=3", Some(("web", 3)));
        check("web=0", Some(("web", 0)));
        check("web", None);
        check("=3", None);
        check("web=-1", None);
        check("web=many", None);
    }

    #[test]
    fn a_global_service_has_no_number() {
        let mut spec = ServiceSpec {
            mode: Some(ServiceMode::Global(model::Global {})),
            ..ServiceSpec::default()
        };
        assert!(set(&mut spec, 3).is_err());
        spec.mode = None;
        assert!(set(&mut spec, 3).is_ok());
        assert_eq!(
            spec.mode,
            Some(ServiceMode::Replicated(model::Replicated { replicas: 3 }))
        );
    }
}
