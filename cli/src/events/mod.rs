//! `minictl events`: what changes in the cluster, one line each.

mod line;

use std::io;

use api::v1::{ListNodesRequest, ListServicesRequest, WatchEvent, WatchRequest};
use jiff::Timestamp;
use nix::sys::signal::Signal;
use tonic::{Code, Status};

use crate::context::Context;
use crate::failure::{Failure, Outcome, print};
use crate::output::filter::{Filter, parse_all, passes};
use crate::output::template::Template;
use crate::remote::Client;
use crate::terminal::signals::Signals;
use line::{Line, Names};

/// Show what changes in the cluster, as it changes
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl events --filter type=service --filter type=stack
  minictl events --since 1200 --format json
  minictl events --filter type=task --format '{{.Time}} {{.Name}} {{.Detail}}'")]
pub(crate) struct Args {
    /// From this version of the cluster's state on (from now without this)
    #[arg(
        long,
        value_name = "VERSION",
        default_value_t = 0,
        hide_default_value = true
    )]
    since: u64,
    /// Those alone that fit: type (cluster, node, service, stack, task, secret, config, network), event (create, update, remove), name
    #[arg(short, long = "filter", value_name = "KEY=VALUE")]
    filters: Vec<String>,
    /// json, or a template such as '{{.Type}} {{.Name}}'
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
}

/// Prints them until the person has seen enough.
pub(crate) fn events(args: &Args, context: &Context) -> Outcome {
    let filters = parse_all(&args.filters, &["type", "event", "name"])?;
    let template = match args.format.as_deref() {
        None | Some("json") => None,
        Some(text) => Some(Template::parse(text)?),
    };
    let as_json = args.format.as_deref() == Some("json");
    let client = Client::of(context)?;
    let signals = Signals::watch()?;
    client.run(async {
        let mut arrivals = signals.arrivals()?;
        let failed = |status: Status| client.failure(&status);
        let (mut names, now) = names(&client).await.map_err(failed)?;
        let mut after = if args.since == 0 { now } else { args.since };
        loop {
            let asked = WatchRequest {
                after_version: after,
            };
            // Asked for again under the same patience as everything else when the manager is lost.
            let stream = client.asked(asked, |channel, request| async move {
                api::control(channel).watch(request).await
            });
            let mut stream = stream.await.map_err(failed)?;
            loop {
                let event = tokio::select! {
                    event = stream.message() => event,
                    signal = arrivals.next() => match signal? {
                        Signal::SIGWINCH | Signal::SIGCONT => continue,
                        Signal::SIGINT => return Ok(0),
                        signal => return Ok(128 + signal as i32),
                    }
                };
                match event {
                    Ok(Some(event)) => {
                        after = event.version;
                        show(&event, &mut names, &filters, template.as_ref(), as_json)?;
                    }
                    // Somebody else leads: the others know what comes next.
                    Ok(None) => break,
                    Err(status) if again(&status) => break,
                    Err(status) => return Err(failed(status)),
                }
            }
        }
    })
}

fn again(status: &Status) -> bool {
    matches!(
        status.code(),
        Code::Unavailable | Code::Unknown | Code::Cancelled
    )
}

/// What tasks are called by: services and nodes that are there; and the version of the state in which they are.
async fn names(client: &Client) -> Result<(Names, u64), Status> {
    let mut names = Names::default();
    let services = client.asked(
        ListServicesRequest::default(),
        |channel, request| async move { api::control(channel).list_services(request).await },
    );
    let services = services.await?;
    for service in services.services {
        let service = service.service.unwrap_or_default();
        names.services.insert(service.id, service.spec.name);
    }
    let nodes = client.asked(ListNodesRequest {}, |channel, request| async move {
        api::control(channel).list_nodes(request).await
    });
    for node in nodes.await?.nodes {
        let node = node.node.unwrap_or_default();
        names.nodes.insert(node.id, node.description.hostname);
    }
    Ok((names, services.version))
}

fn show(
    event: &WatchEvent,
    names: &mut Names,
    filters: &[Filter],
    template: Option<&Template>,
    as_json: bool,
) -> Result<(), Failure> {
    let Some(line) = Line::of(event, names, Timestamp::now()) else {
        return Ok(());
    };
    let fits = passes(filters, |key, value| match key {
        "type" => line.noun == value,
        "event" => line.what == value,
        _ => line.name == value || line.name.starts_with(&format!("{value}.")),
    });
    if !fits {
        return Ok(());
    }
    let text = match template {
        Some(template) => template.render(&line.object())?,
        None if as_json => line.object().to_string(),
        None => line.to_string(),
    };
    match print(&format!("{text}\n")) {
        Err(failure) if failure.code() == 128 + libc::SIGPIPE => {
            Err(io::Error::from(io::ErrorKind::BrokenPipe).into())
        }
        printed => printed,
    }
}
