#![forbid(unsafe_code)]
//! `minid`: the root daemon of a host. It joins the host to a cluster as a worker, and as a manager when the cluster wants one here.
//! It wires the parts together and decides nothing itself: managers do (`server`), and people do, over its socket. Containers are run by
//! its `worker`, and outlive it.

mod addresses;
mod cluster;
mod description;
mod files;
mod host;
mod join;
mod metrics;
mod notify;
mod options;
mod repair;
mod session;
mod socket;
mod work;

use std::process::ExitCode;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use cluster::Daemon;
use options::Options;

/// How long another manager may take to lead before this one stops anyway.
const HAND_OVER: Duration = Duration::from_secs(3);
/// Threads for what blocks, at most: the worker uses about a dozen. They go when they have had nothing to do for a while.
const BLOCKING: usize = 24;
const IDLE: Duration = Duration::from_secs(2);
/// How long what blocks may take to end with the daemon.
const FINISH: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let options = match Options::from_command_line() {
        Ok(options) => options,
        Err(refused) => return refused.report(),
    };
    log_to_stderr(&options.log);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(BLOCKING)
        .thread_keep_alive(IDLE)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("start the runtime: {error}")),
    };
    work::raise_limits();
    let ended = runtime.block_on(run(options));
    // What is being done to a container is finished or healed by the next daemon: nobody waits for a pull.
    runtime.shutdown_timeout(FINISH);
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(reason) => fail(&reason),
    }
}

fn fail(reason: &str) -> ExitCode {
    eprintln!("minid: {reason}");
    ExitCode::FAILURE
}

fn log_to_stderr(wanted: &str) {
    let filter = tracing_subscriber::EnvFilter::try_new(wanted)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
}

async fn run(options: Options) -> Result<(), String> {
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| format!("listen for signals: {error}"))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| format!("listen for signals: {error}"))?;
    let socket = socket::Socket::take(&options)?;
    let metrics = metrics::Listening::on(options.metrics_address).await?;
    let daemon = Daemon::start(options).await;
    tokio::spawn(metrics.serve(daemon.clone()));
    let serving = tokio::spawn(socket.serve(daemon.clone()));
    notify::ready();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        served = serving => return Err(served.map_or_else(|error| error.to_string(), |served| served.err().unwrap_or_default())),
    }
    notify::stopping();
    daemon.stop(HAND_OVER).await;
    Ok(())
}
