//! Who a certificate vouches for.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use x509_parser::prelude::{FromDer, X509Certificate, X509Name};

use crate::error::IdentityError;

/// What a node may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Run tasks.
    Worker,
    /// Decide besides.
    Manager,
}

impl Role {
    /// As it stands in a certificate: its organisational unit, and the name that a client expects of a server.
    pub fn name(self) -> &'static str {
        match self {
            Role::Worker => "mini-worker",
            Role::Manager => "mini-manager",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::Worker => "worker",
            Role::Manager => "manager",
        })
    }
}

impl FromStr for Role {
    type Err = IdentityError;

    fn from_str(name: &str) -> Result<Self, IdentityError> {
        [Role::Worker, Role::Manager]
            .into_iter()
            .find(|role| role.name() == name)
            .ok_or_else(|| IdentityError::NotANode(format!("its role is `{name}`")))
    }
}

/// Who a certificate vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Id of the node.
    pub node_id: String,
    /// What it may do.
    pub role: Role,
    /// Id of its cluster.
    pub cluster_id: String,
    /// Serial number, hexadecimal.
    pub serial: String,
    /// Beginning of the certificate's life.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

/// Reads who a certificate (DER) vouches for. That it is genuine is for TLS to check.
pub fn peer(certificate: &[u8]) -> Result<Peer, IdentityError> {
    let unreadable = IdentityError::unreadable("the certificate");
    let (_, certificate) =
        X509Certificate::from_der(certificate).map_err(|error| unreadable(&error))?;
    let subject = certificate.subject();
    let only = |what: &str, mut values: Vec<String>| match values.len() {
        1 => Ok(values.remove(0)),
        count => Err(IdentityError::NotANode(format!("it has {count} {what}"))),
    };
    let time = |seconds: i64| Timestamp::from_second(seconds).map_err(|error| unreadable(&error));
    Ok(Peer {
        node_id: only("common names", values(subject, X509Name::iter_common_name))?,
        role: only(
            "organisational units",
            values(subject, X509Name::iter_organizational_unit),
        )?
        .parse()?,
        cluster_id: only(
            "organisations",
            values(subject, X509Name::iter_organization),
        )?,
        serial: certificate
            .raw_serial()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
    })
}

fn values<'a, I>(name: &'a X509Name<'a>, of: impl Fn(&'a X509Name<'a>) -> I) -> Vec<String>
where
    I: Iterator<Item = &'a x509_parser::x509::AttributeTypeAndValue<'a>>,
{
    of(name)
        .filter_map(|value| value.as_str().ok())
        .map(str::to_owned)
        .collect()
}
