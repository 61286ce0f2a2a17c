//! The node's session with the managers: it registers, speaks, and does what it is told: another certificate, another role.

use std::time::Duration;

use api::v1::authority_client::AuthorityClient;
use api::v1::dispatcher_client::DispatcherClient;
use api::v1::membership_client::MembershipClient;
use api::v1::{HeartbeatRequest, IssueRequest, JoinGroupRequest, SessionMessage, SessionRequest};
use identity::{Credential, NodeKey, Role, TrustBundle, UnlockKey, server_name};
use jiff::Timestamp;
use model::NodeRole;
use rand::RngExt;
use rand::seq::SliceRandom;
use server::Manager;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::cluster::{Daemon, Member, draw_raft_id};
use crate::description::describe;
use crate::join::reached;
use crate::work::Serving;

/// The pause before another manager is asked: drawn up to this, doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long a manager may take to begin a session: it may be waiting for a leader itself.
const BEGIN: Duration = Duration::from_secs(10);
/// How often it looks whether its certificate is to be renewed, at least: the host's clock may be set while it waits.
const LOOK_AT_CLOCK: Duration = Duration::from_secs(3600);
/// How long a manager that joins tries to take its place in the group.
const TAKE_PLACE: Duration = Duration::from_secs(60);

/// Keeps a session with one manager or another, for as long as the node is one.
pub(crate) async fn keep(daemon: Daemon, member: Member) {
    // Who makes this host a node is done first: before that, the cluster may not know it.
    drop(daemon.change().await);
    let mut pause = FIRST_PAUSE;
    let mut managers = Vec::new();
    loop {
        if managers.is_empty() {
            managers = member.state().managers;
            managers.shuffle(&mut rand::rng());
        }
        let Some(address) = managers.pop() else {
            tokio::time::sleep(LONGEST_PAUSE).await;
            continue;
        };
        let status = hold(&daemon, &member, &address, &mut pause).await;
        if let Some(reason) = certificate_ended(&member) {
            if member.trouble() != reason {
                tracing::error!("{reason}");
            }
            member.set_trouble(&reason);
            tokio::time::sleep(LONGEST_PAUSE).await;
            continue;
        }
        member.set_trouble(&format!("{address}: {}", status.message()));
        match status.code() {
            Code::Unauthenticated => {
                tracing::error!(
                    address,
                    reason = status.message(),
                    "the cluster does not know this node any more"
                );
                // Its certificate may be renewed by an operator's doing: it asks again, seldom.
                pause = LONGEST_PAUSE;
            }
            _ => tracing::debug!(address, reason = status.message(), "no session"),
        }
        let drawn = pause.mul_f64(rand::rng().random_range(0.5..1.0));
        tokio::time::sleep(drawn).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// What a person has to do when a node was off for so long that nobody lets it in any more.
fn certificate_ended(member: &Member) -> Option<String> {
    let end = member.peer().not_after;
    (end < Timestamp::now()).then(|| {
        format!(
            "the certificate of this node ended on {end}: leave with `minictl cluster leave --force`, and join again with a token"
        )
    })
}

/// A channel to a manager.
pub(crate) fn channel(member: &Member, address: &str) -> Channel {
    let tls = member.tls().clone();
    api::connect::tls(address, move || tls.client(), server_name())
}

/// One session; returns why it ended.
async fn hold(daemon: &Daemon, member: &Member, address: &str, pause: &mut Duration) -> Status {
    let mut dispatcher = DispatcherClient::new(channel(member, address));
    let advertised = member.state().advertise;
    let own = advertised
        .rsplit_once(':')
        .map_or("", |(address, _)| address)
        .to_owned();
    let asked = SessionRequest {
        description: Some(describe(daemon.options())),
        address: own,
    };
    let mut messages = match answer_within(BEGIN, dispatcher.session(asked)).await {
        Ok(messages) => messages.into_inner(),
        Err(status) => return status,
    };
    let mut session_id = String::new();
    let mut heartbeat = None;
    let mut speak = tokio::time::interval(LOOK_AT_CLOCK);
    let mut renewal = Renewal::of(member);
    let mut serving = Serving::default();
    loop {
        if renewal.serial != member.peer().serial {
            // A connection counts for as long as the certificate with which it began: another one for what is said from now on.
            renewal = Renewal::of(member);
            dispatcher = DispatcherClient::new(channel(member, address));
            if !session_id.is_empty() {
                serving.begin(member, &dispatcher, &session_id);
            }
        }
        tokio::select! {
            message = messages.message() => match message {
                Ok(Some(message)) => {
                    *pause = FIRST_PAUSE;
                    member.set_trouble("");
                    let is_new = session_id != message.session_id;
                    let told = period(message.heartbeat_ms);
                    if is_new || heartbeat != Some(told) {
                        heartbeat = Some(told);
                        speak = tokio::time::interval(told);
                    }
                    if is_new {
                        session_id.clone_from(&message.session_id);
                        serving.begin(member, &dispatcher, &session_id);
                    }
                    if let Err(reason) = obey(daemon, member, address, &message).await {
                        tracing::warn!(reason, "what the managers want cannot be done now");
                        return Status::aborted(reason);
                    }
                }
                Ok(None) => return Status::unavailable("the manager ended the session"),
                Err(status) => return status,
            },
            _ = speak.tick() => {
                if session_id.is_empty() {
                    continue;
                }
                let asked = HeartbeatRequest {
                    session_id: session_id.clone(),
                    usage: member.worker().usage(),
                };
                // Another manager can still be found before the leader has missed too many.
                let patience = heartbeat.unwrap_or(BEGIN);
                let next = match answer_within(patience, dispatcher.heartbeat(asked)).await {
                    Ok(reply) => period(reply.into_inner().next_ms),
                    Err(status) => return status,
                };
                if heartbeat != Some(next) {
                    heartbeat = Some(next);
                    speak = tokio::time::interval_at(tokio::time::Instant::now() + next, next);
                }
            }
            status = serving.ended() => return status,
            () = tokio::time::sleep(renewal.wait()) => {
                if renewal.is_due() && let Err(status) = renew(daemon, member, address).await {
                    return status;
                }
            }
        }
    }
}

/// How often to speak, as a manager said it.
fn period(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms.max(50)))
}

/// A manager's answer, or why there is none.
async fn answer_within<T>(
    patience: Duration,
    asked: impl Future<Output = Result<T, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(patience, asked).await {
        Ok(answer) => answer.map_err(reached),
        Err(_) => Err(Status::unavailable(format!(
            "no answer within {patience:?}"
        ))),
    }
}

/// When a certificate is to be renewed.
struct Renewal {
    /// Which one.
    serial: String,
    at: Timestamp,
}

impl Renewal {
    /// Draws when the node's certificate is renewed: nodes that came together are not to ask together.
    fn of(member: &Member) -> Self {
        let at = member.tls().credential().renew_at(rand::rng().random());
        Renewal {
            serial: member.peer().serial,
            at: at.unwrap_or_default(),
        }
    }

    fn is_due(&self) -> bool {
        self.at <= Timestamp::now()
    }

    fn wait(&self) -> Duration {
        let wait = self.at.duration_since(Timestamp::now());
        // A certificate that cannot be renewed is not asked for again and again.
        let least = Duration::from_millis(100);
        Duration::try_from(wait)
            .unwrap_or(least)
            .clamp(least, LOOK_AT_CLOCK)
    }
}

/// Does what a message says.
async fn obey(
    daemon: &Daemon,
    member: &Member,
    address: &str,
    message: &SessionMessage,
) -> Result<(), String> {
    member.change_state(|state| {
        if !message.manager_addresses.is_empty() {
            state.managers.clone_from(&message.manager_addresses);
        }
    })?;
    let credential = member.tls().credential();
    if credential.bundle.pem() != message.roots_pem {
        let bundle =
            TrustBundle::from_pem(&message.roots_pem).map_err(|error| error.to_string())?;
        member.renew(Credential {
            bundle,
            ..credential
        })?;
    }
    let wanted = if message.role() == NodeRole::Manager {
        Role::Manager
    } else {
        Role::Worker
    };
    let has = member.peer().role;
    if wanted != has || member.state().issuer != message.issuer {
        renew(daemon, member, address)
            .await
            .map_err(|status| status.message().to_owned())?;
        member.change_state(|state| state.issuer.clone_from(&message.issuer))?;
    }
    // Who changes the node's part now does what is needed here.
    let changing = daemon.change();
    match (member.peer().role, member.manager().is_some()) {
        (Role::Manager, false) => {
            let _changing = changing.await;
            tracing::info!("this node becomes a manager");
            take_place(daemon, member, &message.manager_addresses)
                .await
                .map(drop)
                .map_err(|status| status.message().to_owned())
        }
        (Role::Worker, true) => {
            let _changing = changing.await;
            tracing::info!("this node is no manager any more");
            daemon.end_manager(member).await
        }
        _ => Ok(()),
    }
}

/// Asks for another certificate with the one that the node has.
async fn renew(daemon: &Daemon, member: &Member, address: &str) -> Result<(), Status> {
    let invalid = |error: identity::IdentityError| Status::internal(error.to_string());
    let key = NodeKey::generate().map_err(invalid)?;
    let request = IssueRequest {
        request_pem: key.request_pem().map_err(invalid)?,
        description: Some(describe(daemon.options())),
        ..IssueRequest::default()
    };
    let reply = AuthorityClient::new(channel(member, address))
        .issue(request)
        .await
        .map_err(reached)?
        .into_inner();
    let bundle = TrustBundle::from_pem(&reply.roots_pem).map_err(invalid)?;
    let credential = Credential {
        key_pem: key.pem(),
        chain_pem: reply.chain_pem,
        bundle,
    };
    member.renew(credential).map_err(Status::internal)?;
    tracing::info!(role = %member.peer().role, until = %member.peer().not_after, "another certificate");
    Ok(())
}

/// Starts a manager and takes a place in the group for it. Returns how many have a vote then.
pub(crate) async fn take_place(
    daemon: &Daemon,
    member: &Member,
    managers: &[String],
) -> Result<u32, Status> {
    if member.state().raft_id.is_none() {
        member
            .change_state(|state| state.raft_id = Some(draw_raft_id()))
            .map_err(Status::internal)?;
    }
    prepare_address(daemon, member)?;
    let manager = daemon
        .start_manager(member)
        .await
        .map_err(Status::failed_precondition)?;
    let state = member.state();
    let asked = JoinGroupRequest {
        raft_id: manager.raft_id(),
        address: state.advertise.clone(),
    };
    let deadline = tokio::time::Instant::now() + TAKE_PLACE;
    let mut turn = 0;
    loop {
        let others: Vec<&String> = managers
            .iter()
            .filter(|address| **address != state.advertise)
            .collect();
        let Some(address) = others.get(turn % others.len().max(1)) else {
            return Err(Status::failed_precondition(
                "no manager is known that could take this one in",
            ));
        };
        turn += 1;
        let status = match MembershipClient::new(channel(member, address))
            .join(asked.clone())
            .await
            .map_err(reached)
        {
            Ok(reply) => return Ok(reply.into_inner().voters),
            Err(status) => status,
        };
        let again = matches!(
            status.code(),
            Code::Unavailable | Code::Aborted | Code::Unknown
        );
        if !again || tokio::time::Instant::now() > deadline {
            return Err(status);
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A worker that becomes a manager may never have said where it listens.
fn prepare_address(daemon: &Daemon, member: &Member) -> Result<(), Status> {
    let state = member.state();
    if !state.listen.is_empty() && !state.advertise.is_empty() {
        return Ok(());
    }
    let (listen, advertise) =
        crate::cluster::place(daemon.options(), &state.listen, &state.advertise)?;
    let kept = member
        .change_state(|state| (state.listen, state.advertise) = (listen.to_string(), advertise));
    kept.map_err(Status::internal)
}

/// Keeps on disk what the cluster's settings want there: the seal, the clock of the group.
pub(crate) async fn follow_settings(member: Member, manager: Manager) {
    let mut version = manager.replica().version();
    loop {
        version.borrow_and_update();
        let view = manager.replica().view();
        if let Some(cluster) = view.cluster() {
            let key = Some(cluster.unlock_key.as_str()).filter(|key| !key.is_empty());
            let kept = key
                .map(str::parse::<UnlockKey>)
                .transpose()
                .map_err(|error| error.to_string())
                .and_then(|key| {
                    member.seal(key)?;
                    member.change_state(|state| {
                        (state.heartbeat_ms, state.election_ms) =
                            (cluster.spec.heartbeat_ms, cluster.spec.election_ms)
                    })
                });
            if let Err(reason) = kept {
                tracing::error!(reason, "the cluster's settings cannot be kept on disk");
            }
        }
        if version.changed().await.is_err() {
            return;
        }
    }
}
