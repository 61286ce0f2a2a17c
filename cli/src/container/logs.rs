//! `minictl logs`: what a container has printed, across rotated files.

use std::io::{self, BufWriter, Write};

use engine::{LogEntry, LogOptions, LogStream};
use jiff::Timestamp;

use crate::context::Context;
use crate::failure::{Failure, Outcome};
use crate::output::age::parse_moment;

/// Show what a container has printed
#[derive(Debug, clap::Args)]
#[command(after_help = "Example: minictl logs -f --tail 20 web")]
pub(crate) struct Args {
    /// Go on with what it prints from now, until it ends
    #[arg(short, long)]
    follow: bool,
    /// Only so many lines from the end (all)
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
    /// Name or id
    container: String,
}

/// Prints the log: standard output's lines on ours, standard error's on ours.
pub(crate) fn logs(args: Args, context: &Context) -> Outcome {
    let now = Timestamp::now();
    let moment = |text: Option<&String>| text.map(|text| parse_moment(text, now)).transpose();
    let options = LogOptions {
        follow: args.follow,
        tail: tail(&args.tail)?,
        since: moment(args.since.as_ref())?,
        until: moment(args.until.as_ref())?,
    };
    let engine = context.engine()?;
    let (mut out, mut err) = (BufWriter::new(io::stdout().lock()), io::stderr().lock());
    let mut written = Ok(());
    engine.logs(&args.container, &options, &mut |entry| {
        written = match entry.stream {
            LogStream::Stdout => write_entry(&mut out, entry, args.timestamps, args.follow),
            LogStream::Stderr => out
                .flush()
                .and_then(|()| write_entry(&mut err, entry, args.timestamps, args.follow)),
        };
        written.is_ok()
    })?;
    written?;
    out.flush()?;
    Ok(0)
}

/// One piece of the log; flushed at once for those who watch.
fn write_entry(
    to: &mut impl Write,
    entry: LogEntry<'_>,
    timestamps: bool,
    flush: bool,
) -> io::Result<()> {
    if timestamps {
        write!(to, "{:.9} ", entry.time)?;
    }
    to.write_all(entry.bytes)?;
    if flush { to.flush() } else { Ok(()) }
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
