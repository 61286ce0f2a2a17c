//! What a node tells of itself to who watches it over time: numbers under documented names, over HTTP. A manager's own numbers
//! (`server`'s `metrics`) come first, where there is one.
//!
//! | name | kind | labels | what |
//! |---|---|---|---|
//! | `mini_build_info` | gauge | `version`, `feature_level` | always 1 |
//! | `mini_node_state` | gauge | `state` | 1 for the part that this host has: `inactive`, `locked`, `member`, `failed` |
//! | `mini_node_connected` | gauge | | 1 while it has a session with the managers |
//! | `mini_node_certificate_end_seconds` | gauge | | when its certificate ends: seconds since 1970 (UTC) |
//! | `mini_node_tasks` | gauge | `state` | tasks of the cluster that are here, by the state they have reached |
//! | `mini_node_containers` | gauge | | containers of tasks that live |
//! | `mini_node_updates_waiting` | gauge | | reports on tasks that the managers have not acknowledged |
//! | `mini_node_updates_sent_total` | counter | | reports on tasks that they have |
//! | `mini_node_image_pulls_total` | counter | `result` | pulls of images: `done`, `failed` |
//! | `mini_node_image_pull_seconds_total` | counter | | time spent on them |

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use server::{Metric, MetricKind, metrics_text};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use worker::Figures;

use crate::cluster::{Daemon, Member, Phase};

/// The format, as Prometheus names it.
const FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Who asks is answered with others, but not with more than these.
const AT_ONCE: usize = 16;
/// How long a request may take to come.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a connection may last: who watches opens another one.
const CONNECTION: Duration = Duration::from_secs(300);

/// The port, taken; none when nobody wants to know.
pub(crate) struct Listening(Option<TcpListener>);

impl Listening {
    /// Takes the port.
    pub(crate) async fn on(address: Option<SocketAddr>) -> Result<Self, String> {
        let Some(address) = address else {
            return Ok(Listening(None));
        };
        let bound = TcpListener::bind(address).await;
        let listener =
            bound.map_err(|error| format!("listen on {address} for metrics: {error}"))?;
        Ok(Listening(Some(listener)))
    }

    /// Answers for as long as the daemon lives.
    pub(crate) async fn serve(self, daemon: Daemon) {
        let Some(listener) = self.0 else {
            return;
        };
        let room = Arc::new(Semaphore::new(AT_ONCE));
        while let Ok(seat) = room.clone().acquire_owned().await {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let daemon = daemon.clone();
                    tokio::spawn(async move {
                        let serving = converse(stream, daemon);
                        // Who stays for longer is hung up on.
                        let _ = tokio::time::timeout(CONNECTION, serving).await;
                        drop(seat);
                    });
                }
                Err(error) => {
                    // Out of descriptors, most likely: others may close theirs.
                    tracing::warn!(%error, "accept a connection for metrics");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
    }
}

async fn converse(stream: TcpStream, daemon: Daemon) {
    let service = service_fn(|request: Request<Incoming>| {
        let daemon = daemon.clone();
        async move { Ok::<_, Infallible>(answer(&request, &daemon).await) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection for metrics");
    }
}

async fn answer<B>(request: &Request<B>, daemon: &Daemon) -> Response<Full<Bytes>> {
    match refusal(request.method(), request.uri().path()) {
        None => reply(StatusCode::OK, FORMAT, text(daemon).await),
        Some(StatusCode::METHOD_NOT_ALLOWED) => {
            let told = "only GET\n".to_owned();
            let mut reply = reply(StatusCode::METHOD_NOT_ALLOWED, "text/plain", told);
            reply
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            reply
        }
        Some(status) => {
            let told = "there is nothing here but /metrics\n".to_owned();
            reply(status, "text/plain", told)
        }
    }
}

fn refusal(method: &Method, path: &str) -> Option<StatusCode> {
    match (method, path) {
        (&Method::GET | &Method::HEAD, "/metrics") => None,
        (_, "/metrics") => Some(StatusCode::METHOD_NOT_ALLOWED),
        _ => Some(StatusCode::NOT_FOUND),
    }
}

fn reply(status: StatusCode, format: &'static str, text: String) -> Response<Full<Bytes>> {
    let mut reply = Response::new(Full::new(Bytes::from(text)));
    *reply.status_mut() = status;
    reply
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(format));
    reply
}

/// All that this host can tell.
async fn text(daemon: &Daemon) -> String {
    let mut told = daemon
        .manager()
        .map_or_else(|_| Vec::new(), |manager| manager.metrics());
    told.extend(about_host(&daemon.phase()));
    if let Phase::Member(member) = daemon.phase() {
        told.extend(about_member(&member));
        told.extend(about_work(&member.worker().figures().await));
    }
    metrics_text(&told)
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric {
        name,
        help,
        kind: MetricKind::Gauge,
        labels: Vec::new(),
        value,
    }
}

fn counter(name: &'static str, help: &'static str, value: f64) -> Metric {
    Metric {
        kind: MetricKind::Counter,
        ..gauge(name, help, value)
    }
}

fn labelled(metric: Metric, labels: &[(&'static str, &str)]) -> Metric {
    let labels = labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()));
    Metric {
        labels: labels.collect(),
        ..metric
    }
}

fn about_host(phase: &Phase) -> Vec<Metric> {
    let level = model::FEATURE_LEVEL.to_string();
    let build = gauge("mini_build_info", "What this daemon is.", 1.0);
    let mut told = vec![labelled(
        build,
        &[
            ("version", env!("CARGO_PKG_VERSION")),
            ("feature_level", &level),
        ],
    )];
    let now = match phase {
        Phase::Inactive => "inactive",
        Phase::Locked(_) => "locked",
        Phase::Member(_) => "member",
        Phase::Failed(_) => "failed",
    };
    for state in ["inactive", "locked", "member", "failed"] {
        let is = f64::from(u8::from(state == now));
        let metric = gauge("mini_node_state", "The part that this host has.", is);
        told.push(labelled(metric, &[("state", state)]));
    }
    told
}

fn about_member(member: &Member) -> [Metric; 2] {
    let connected = member.trouble().is_empty();
    let end = member.peer().not_after.as_second();
    [
        gauge(
            "mini_node_connected",
            "1 while it has a session with the managers.",
            f64::from(u8::from(connected)),
        ),
        gauge(
            "mini_node_certificate_end_seconds",
            "When its certificate ends.",
            end as f64,
        ),
    ]
}

fn about_work(figures: &Figures) -> Vec<Metric> {
    let mut told: Vec<Metric> = figures
        .tasks
        .iter()
        .map(|(state, count)| {
            let metric = gauge("mini_node_tasks", "Tasks here by state.", *count as f64);
            labelled(metric, &[("state", &state.to_string())])
        })
        .collect();
    let pulls = |result, count: u64| {
        let metric = counter(
            "mini_node_image_pulls_total",
            "Pulls of images.",
            count as f64,
        );
        labelled(metric, &[("result", result)])
    };
    told.extend([
        gauge(
            "mini_node_containers",
            "Containers of tasks that live.",
            figures.containers as f64,
        ),
        gauge(
            "mini_node_updates_waiting",
            "Reports on tasks that the managers have not acknowledged.",
            figures.reports_waiting as f64,
        ),
        counter(
            "mini_node_updates_sent_total",
            "Reports on tasks that the managers have acknowledged.",
            figures.reports_acknowledged as f64,
        ),
        pulls("done", figures.pulled.done),
        pulls("failed", figures.pulled.failed),
        counter(
            "mini_node_image_pull_seconds_total",
            "Time spent on pulls of images.",
            figures.pulled.took.as_secs_f64(),
        ),
    ]);
    told
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Method, StatusCode};
    use model::TaskState;
    use server::metrics_text;
    use worker::{Figures, Pulled};

    use super::{about_work, refusal};

    #[test]
    fn there_is_one_thing_to_get() {
        fn check(method: Method, path: &str, expected: Option<StatusCode>) {
            assert_eq!(refusal(&method, path), expected, "{method} {path}");
        }
        check(Method::GET, "/metrics", None);
        check(Method::HEAD, "/metrics", None);
        check(
            Method::POST,
            "/metrics",
            Some(StatusCode::METHOD_NOT_ALLOWED),
        );
        check(Method::GET, "/", Some(StatusCode::NOT_FOUND));
        check(Method::GET, "/metrics/x", Some(StatusCode::NOT_FOUND));
    }

    #[test]
    fn the_work_of_a_node_is_told_in_the_format_of_prometheus() {
        let figures = Figures {
            tasks: [(TaskState::Running, 2), (TaskState::Failed, 1)].into(),
            containers: 2,
            reports_acknowledged: 9,
            reports_waiting: 1,
            pulled: Pulled {
                done: 3,
                failed: 1,
                took: Duration::from_millis(1500),
            },
        };
        let text = metrics_text(&about_work(&figures));
        let numbers: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            numbers,
            [
                r#"mini_node_tasks{state="running"} 2"#,
                r#"mini_node_tasks{state="failed"} 1"#,
                "mini_node_containers 2",
                "mini_node_updates_waiting 1",
                "mini_node_updates_sent_total 9",
                r#"mini_node_image_pulls_total{result="done"} 3"#,
                r#"mini_node_image_pulls_total{result="failed"} 1"#,
                "mini_node_image_pull_seconds_total 1.5",
            ]
        );
        assert_eq!(text.matches("# TYPE mini_node_tasks gauge").count(), 1);
    }
}
