//! `minictl service logs`: what all tasks have printed, on whatever node, in order.

mod lines;

use std::io::{self, IsTerminal, Write};

use api::v1::{LogsReply, LogsRequest};
use jiff::Timestamp;
use tonic::{Code, Status};

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::age::parse_moment;
use crate::remote::Client;
use crate::task::view::tasks;
use lines::{Lines, Style};

use super::warn;

/// Show what the tasks of a service, or one task, have printed
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  minictl service logs -f --tail 20 web
  minictl service logs --since 10m --timestamps web.2")]
pub(crate) struct Args {
    #[command(flatten)]
    pub(crate) options: LogOptions,
    /// Service or task: name or id
    #[arg(value_name = "SERVICE|TASK")]
    of: String,
}

/// Flags of every verb that shows logs of the cluster.
#[derive(Debug, clap::Args)]
pub(crate) struct LogOptions {
    /// Go on with what they print from now
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines from the end of each task (all)
    #[arg(
        short = 'n',
        long,
        value_name = "LINES",
        default_value = "all",
        allow_hyphen_values = true
    )]
    tail: String,
    /// Only what is younger: an age (10m) or a time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only what is older: an age (10m) or a time
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Begin each line with its time
    #[arg(short, long)]
    timestamps: bool,
    /// Don't cut ids of tasks
    #[arg(long)]
    no_trunc: bool,
    /// Leave ids of tasks away
    #[arg(long)]
    no_task_ids: bool,
    /// Print what was printed, and nothing before it
    #[arg(long)]
    raw: bool,
}

/// Prints them, until the end or until the person has seen enough.
pub(crate) fn logs(args: &Args, context: &Context) -> Outcome {
    let client = Client::of(context)?;
    let service = LogsRequest {
        service: args.of.clone(),
        ..args.options.request()?
    };
    match show(&client, service, &args.options) {
        Err(status) if status.code() == Code::NotFound => {
            // No service has that name: perhaps a task has.
            let task = LogsRequest {
                task: task(&client, &args.of)?,
                ..args.options.request()?
            };
            show(&client, task, &args.options).map_err(|_| client.failure(&status))
        }
        shown => shown.map_err(|status| client.failure(&status)),
    }
}

/// The id of the task that is called so and matters most; what nobody is called is an id.
fn task(client: &Client, name: &str) -> Result<String, Failure> {
    let named = tasks(client, "", "", "")?.into_iter();
    let named = named
        .filter(|view| view.name == name)
        .filter_map(|view| view.task);
    let matters = named.max_by_key(|task| (task.is_wanted(), task.meta.created_ms));
    Ok(matters.map_or_else(|| name.to_owned(), |task| task.id))
}

/// The same for all services of a stack.
pub(crate) fn of_stack(client: &Client, stack: &str, options: &LogOptions) -> Outcome {
    let request = LogsRequest {
        stack: stack.to_owned(),
        ..options.request()?
    };
    show(client, request, options).map_err(|status| client.failure(&status))
}

impl LogOptions {
    fn request(&self) -> Result<LogsRequest, Failure> {
        let now = Timestamp::now();
        let moment = |text: Option<&String>| {
            let read = text.map(|text| parse_moment(text, now)).transpose();
            read.map(|moment| moment.map_or(0, Timestamp::as_millisecond))
        };
        Ok(LogsRequest {
            follow: self.follow,
            tail: tail(&self.tail)?,
            since_ms: moment(self.since.as_ref())?,
            until_ms: moment(self.until.as_ref())?,
            ..LogsRequest::default()
        })
    }
}

/// `all`, or a number; a negative one is all, as Docker has it.
fn tail(text: &str) -> Result<Option<u64>, Failure> {
    if text == "all" {
        return Ok(None);
    }
    let number: i64 = text.parse().map_err(|_| {
        Failure::new(format!(
            "invalid --tail {text:?}: give a number of lines, or `all`"
        ))
    })?;
    Ok(u64::try_from(number).ok())
}

fn show(client: &Client, request: LogsRequest, options: &LogOptions) -> Result<i32, Status> {
    let mut lines = Lines::new(Style {
        timestamps: options.timestamps,
        no_trunc: options.no_trunc,
        no_task_ids: options.no_task_ids,
        raw: options.raw,
        colour: io::stdout().is_terminal(),
    });
    client.run(async {
        let asked = api::control(client.channel()).logs(request).await?;
        let mut stream = asked.into_inner();
        loop {
            let reply = stream.message().await?;
            let written = match &reply {
                Some(reply) => write(&mut lines, reply),
                None => lines.rest().iter().try_for_each(put),
            };
            match (written, reply) {
                // Nobody reads any more.
                (Err(error), _) if error.kind() == io::ErrorKind::BrokenPipe => {
                    return Ok(128 + libc::SIGPIPE);
                }
                (Err(error), _) => return Err(Status::internal(format!("write: {error}"))),
                (Ok(()), None) => return Ok(0),
                (Ok(()), Some(_)) => {}
            }
        }
    })
}

fn write(lines: &mut Lines, reply: &LogsReply) -> io::Result<()> {
    if !reply.warning.is_empty() {
        warn(&reply.warning);
    }
    for line in &reply.lines {
        if let Some(line) = lines.take(line) {
            put(&line)?;
        }
    }
    io::stdout().lock().flush()
}

fn put(line: &lines::Line) -> io::Result<()> {
    match line.stderr {
        false => io::stdout().lock().write_all(&line.bytes),
        true => {
            io::stdout().lock().flush()?;
            io::stderr().lock().write_all(&line.bytes)
        }
    }
}
