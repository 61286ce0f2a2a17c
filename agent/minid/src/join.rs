//! Becoming a node: from a token and an address to a certificate.

use std::time::Duration;

use api::v1::authority_client::AuthorityClient;
use api::v1::{GetRootsRequest, IssueReply, IssueRequest};
use identity::{
    Credential, JoinToken, NodeKey, TrustBundle, introduction_config, server_name, trusting_config,
};
use model::NodeDescription;
use tonic::Status;

/// How long one manager may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long all of them are asked again: they may be electing a leader.
const TOGETHER: Duration = Duration::from_secs(10);

/// A certificate, and what the managers said with it.
pub(crate) struct Admitted {
    pub(crate) credential: Credential,
    pub(crate) reply: IssueReply,
}

/// Asks the managers at these addresses, one after the other, to be let in.
pub(crate) async fn ask(
    token: &str,
    addresses: &[String],
    description: &NodeDescription,
    availability: i32,
) -> Result<Admitted, Status> {
    let token: JoinToken = token
        .parse()
        .map_err(|error: identity::IdentityError| Status::invalid_argument(error.to_string()))?;
    let invalid = |error: identity::IdentityError| Status::internal(error.to_string());
    let key = NodeKey::generate().map_err(invalid)?;
    // The same key for all: whoever answers first, it becomes one node.
    let request = IssueRequest {
        request_pem: key.request_pem().map_err(invalid)?,
        token: token.to_string(),
        description: Some(description.clone()),
        availability,
    };
    let deadline = tokio::time::Instant::now() + TOGETHER;
    loop {
        let reasons = match ask_each(&token, addresses, &request).await? {
            Ok((reply, bundle)) => {
                let credential = Credential {
                    key_pem: key.pem(),
                    chain_pem: reply.chain_pem.clone(),
                    bundle,
                };
                return Ok(Admitted { credential, reply });
            }
            Err(reasons) => reasons,
        };
        if tokio::time::Instant::now() > deadline {
            return Err(Status::unavailable(format!(
                "no manager lets this node in: {}",
                reasons.join("; ")
            )));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// Asks one after the other. The reasons of all that could not be asked, or the refusal of the first that could.
async fn ask_each(
    token: &JoinToken,
    addresses: &[String],
    request: &IssueRequest,
) -> Result<Result<(IssueReply, TrustBundle), Vec<String>>, Status> {
    let mut reasons = Vec::new();
    for address in addresses {
        match tokio::time::timeout(PATIENCE, ask_one(token, address, request)).await {
            Ok(Ok(admitted)) => return Ok(Ok(admitted)),
            Ok(Err(status)) if status.code() == tonic::Code::Unavailable => {
                reasons.push(format!("{address}: {}", status.message()))
            }
            Ok(Err(status)) => return Err(status),
            Err(_) => reasons.push(format!(
                "{address}: no answer within {} s",
                PATIENCE.as_secs()
            )),
        }
    }
    Ok(Err(reasons))
}

async fn ask_one(
    token: &JoinToken,
    address: &str,
    request: &IssueRequest,
) -> Result<(IssueReply, TrustBundle), Status> {
    let invalid = |error: identity::IdentityError| Status::internal(error.to_string());
    let anybody = introduction_config().map_err(invalid)?;
    let stranger = api::connect::tls(address, move || anybody.clone(), server_name());
    let roots = AuthorityClient::new(stranger)
        .get_roots(GetRootsRequest {})
        .await
        .map_err(reached)?
        .into_inner()
        .roots_pem;
    let bundle = TrustBundle::from_pem(&roots).map_err(invalid)?;
    if &bundle.digest() != token.digest() {
        return Err(Status::permission_denied(format!(
            "the manager at {address} belongs to another cluster than the token, or the cluster's root was replaced since the token was printed; \
             print a new one with `minictl cluster join-token worker` (or manager)"
        )));
    }
    let trusting = trusting_config(&bundle).map_err(invalid)?;
    let manager = api::connect::tls(address, move || trusting.clone(), server_name());
    let reply = AuthorityClient::new(manager)
        .issue(request.clone())
        .await
        .map_err(reached)?
        .into_inner();
    let bundle = TrustBundle::from_pem(&reply.roots_pem).map_err(invalid)?;
    Ok((reply, bundle))
}

/// A connection that fails says why at the end of its chain of causes.
pub(crate) fn reached(status: Status) -> Status {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(&status);
    let mut last = None;
    while let Some(error) = cause {
        last = Some(error.to_string());
        cause = error.source();
    }
    match last {
        Some(reason) if status.code() == tonic::Code::Unavailable => Status::unavailable(reason),
        _ => status,
    }
}
