//! Who is let in: real handshakes, in memory.

use std::sync::Arc;

use identity::{
    Credential, DataKey, Identity, JoinToken, NodeKey, Role, RootCa, TrustBundle, UnlockKey,
    Validity, Vault, client_config, introduction_config, peer, server_config, server_name,
    trusting_config,
};
use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConfig, ClientConnection, ServerConnection};

const CLUSTER: &str = "cluster1";

fn root() -> RootCa {
    RootCa::generate(CLUSTER, Timestamp::now()).expect("a root")
}

fn bundle(roots: &[&RootCa]) -> TrustBundle {
    let pem: Vec<&str> = roots.iter().map(|root| root.certificate_pem()).collect();
    TrustBundle::from_pem(&pem.join("\n")).expect("certificates")
}

fn lasting(life: SignedDuration) -> Validity {
    Validity::from(Timestamp::now(), life)
}

fn credential(root: &RootCa, role: Role, validity: Validity, bundle: TrustBundle) -> Credential {
    let key = NodeKey::generate().expect("a key");
    let chain_pem = root
        .issue(
            &key.request_pem().expect("a request"),
            "node1",
            role,
            CLUSTER,
            validity,
        )
        .expect("granted");
    Credential {
        key_pem: key.pem(),
        chain_pem,
        bundle,
    }
}

fn good(root: &RootCa, role: Role) -> Credential {
    credential(
        root,
        role,
        lasting(SignedDuration::from_hours(1)),
        bundle(&[root]),
    )
}

/// The peer that the server saw, if it saw a certificate, or why there is no connection.
fn shake(client: Arc<ClientConfig>, server: &Credential) -> Result<Option<identity::Peer>, String> {
    let mut server =
        ServerConnection::new(server_config(server).expect("a server")).expect("a server");
    let mut client = ClientConnection::new(client, server_name()).expect("a client");
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory");
        }
        let mut from = wire.as_slice();
        while !from.is_empty() {
            server.read_tls(&mut from).expect("memory");
            server
                .process_new_packets()
                .map_err(|error| format!("server: {error}"))?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory");
        }
        let mut from = wire.as_slice();
        while !from.is_empty() {
            client.read_tls(&mut from).expect("memory");
            client
                .process_new_packets()
                .map_err(|error| format!("client: {error}"))?;
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(server
        .peer_certificates()
        .map(|chain| peer(&chain[0]).expect("a node's certificate")))
}

#[test]
fn managers_and_workers_reach_a_manager() {
    let root = root();
    let server = good(&root, Role::Manager);
    for role in [Role::Manager, Role::Worker] {
        let seen = shake(
            client_config(&good(&root, role)).expect("a client"),
            &server,
        )
        .expect("connected")
        .expect("a certificate");
        assert_eq!(
            (seen.role, seen.node_id.as_str(), seen.cluster_id.as_str()),
            (role, "node1", CLUSTER)
        );
    }
    let nobody =
        shake(trusting_config(&server.bundle).expect("a client"), &server).expect("connected");
    assert_eq!(nobody, None, "a joiner has no certificate yet");
    assert_eq!(
        shake(introduction_config().expect("a client"), &server),
        Ok(None)
    );
}

#[test]
fn strangers_do_not() {
    let (ours, theirs) = (root(), root());
    let server = good(&ours, Role::Manager);
    let table = [
        (
            "a worker that poses as manager",
            client_config(&good(&ours, Role::Manager)),
            good(&ours, Role::Worker),
            "not valid for name",
        ),
        (
            "a server of another cluster",
            client_config(&good(&ours, Role::Manager)),
            good(&theirs, Role::Manager),
            "UnknownIssuer",
        ),
        (
            "a client of another cluster",
            client_config(&Credential {
                bundle: bundle(&[&ours]),
                ..good(&theirs, Role::Manager)
            }),
            server.clone(),
            "UnknownIssuer",
        ),
        (
            "an expired client",
            client_config(&credential(
                &ours,
                Role::Manager,
                lasting(-SignedDuration::from_mins(1)),
                bundle(&[&ours]),
            )),
            server.clone(),
            "xpired",
        ),
        (
            "an expired server",
            client_config(&good(&ours, Role::Manager)),
            credential(
                &ours,
                Role::Manager,
                lasting(-SignedDuration::from_mins(1)),
                bundle(&[&ours]),
            ),
            "xpired",
        ),
    ];
    for (what, client, server, expected) in table {
        let error = shake(client.expect("a client"), &server).expect_err(what);
        assert!(error.contains(expected), "{what}: {error}");
    }
}

#[test]
fn a_root_is_replaced_without_a_gap() {
    let (old, new) = (root(), root());
    let both = bundle(&[&old]).with(new.certificate_pem()).expect("two");
    assert_eq!(both.certificates().len(), 2);
    assert_eq!(
        both.with(new.certificate_pem())
            .expect("two still")
            .digest(),
        both.digest()
    );
    let of = |root, bundle: &TrustBundle| {
        credential(
            root,
            Role::Manager,
            lasting(SignedDuration::from_hours(1)),
            bundle.clone(),
        )
    };
    let (old_leaf, new_leaf) = (of(&old, &both), of(&new, &both));
    for (client, server) in [(&old_leaf, &new_leaf), (&new_leaf, &old_leaf)] {
        shake(client_config(client).expect("a client"), server).expect("both roots are trusted");
    }
    // Who has not heard of the new root follows the one it knows.
    let crossed = old.cross_sign(&new, CLUSTER).expect("signed");
    let behind = of(&old, &bundle(&[&old]));
    let ahead = Credential {
        chain_pem: format!("{}{crossed}", new_leaf.chain_pem),
        ..new_leaf
    };
    shake(client_config(&behind).expect("a client"), &ahead).expect("the server is believed");
    shake(client_config(&ahead).expect("a client"), &behind).expect("the client is believed");
}

#[test]
fn the_authority_decides_who_one_is() {
    let root = root();
    let validity = lasting(SignedDuration::from_hours(1));
    let key = rcgen::KeyPair::generate().expect("a key");
    let mut params =
        rcgen::CertificateParams::new(vec!["mini-manager".to_owned()]).expect("a name");
    params
        .distinguished_name
        .push(rcgen::DnType::OrganizationalUnitName, "mini-manager");
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let request = params
        .serialize_request(&key)
        .expect("a request")
        .pem()
        .expect("PEM");
    let chain_pem = root
        .issue(&request, "node7", Role::Worker, CLUSTER, validity)
        .expect("granted");
    let granted = Credential {
        key_pem: key.serialize_pem(),
        chain_pem,
        bundle: bundle(&[&root]),
    };
    let seen = granted.peer().expect("a node");
    assert_eq!((seen.role, seen.node_id.as_str()), (Role::Worker, "node7"));
    assert!(
        shake(
            client_config(&good(&root, Role::Worker)).expect("a client"),
            &granted
        )
        .is_err(),
        "it is no manager"
    );

    let mut der = rustls::pki_types::pem::PemObject::from_pem_slice(request.as_bytes())
        .map(|der: rustls::pki_types::CertificateSigningRequestDer<'_>| der.to_vec())
        .expect("DER");
    let last = der.len() - 1;
    der[last] ^= 1;
    let broken = format!(
        "-----BEGIN CERTIFICATE REQUEST-----\n{}\n-----END CERTIFICATE REQUEST-----\n",
        encode(&der)
    );
    assert!(
        root.issue(&broken, "node7", Role::Worker, CLUSTER, validity)
            .expect_err("broken")
            .to_string()
            .contains("signature")
    );
    let other = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let request = rcgen::CertificateParams::default()
        .serialize_request(&other)
        .expect("a request")
        .pem()
        .expect("PEM");
    assert!(
        root.issue(&request, "node7", Role::Worker, CLUSTER, validity)
            .expect_err("P-384")
            .to_string()
            .contains("P-256")
    );
    assert!(
        root.issue("garbage", "node7", Role::Worker, CLUSTER, validity)
            .is_err()
    );
}

fn encode(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[test]
fn a_vault_is_replaced_as_a_whole_and_opens_with_its_key_alone() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("node.json");
    let vault = Vault::at(path.clone());
    assert!(vault.load().expect("nothing is there").is_none());
    let identity = Identity {
        credential: good(&root(), Role::Manager),
        data_key: DataKey::generate(),
    };
    vault.save(&identity, None).expect("written");
    assert_eq!(
        vault.load().expect("read").expect("there").expect("open"),
        identity
    );
    let mode = std::os::unix::fs::PermissionsExt::mode(
        &std::fs::metadata(&path).expect("a file").permissions(),
    );
    assert_eq!(mode & 0o777, 0o600);

    let key = UnlockKey::generate();
    std::fs::write(path.with_extension("draft"), "left by a crash").expect("written");
    vault.save(&identity, Some(&key)).expect("written");
    let text = std::fs::read_to_string(&path).expect("read");
    assert!(!text.contains("PRIVATE KEY"), "{text}");
    let locked = vault
        .load()
        .expect("read")
        .expect("there")
        .expect_err("locked");
    assert_eq!(locked.peer().expect("not secret").node_id, "node1");
    assert!(locked.unlock(&UnlockKey::generate()).is_err());
    assert_eq!(locked.unlock(&key).expect("the right key"), identity);

    std::fs::write(&path, &text[..100]).expect("written");
    let error = vault.load().expect_err("damaged").to_string();
    assert!(
        error.contains("node.json is damaged") && error.contains("join anew"),
        "{error}"
    );
    vault.remove().expect("removed");
    vault.remove().expect("twice is once");
}

#[test]
fn a_token_belongs_to_its_roots() {
    let root = root();
    let token = JoinToken::generate(bundle(&[&root]).digest());
    let read: JoinToken = token.to_string().parse().expect("a token");
    assert_eq!(read.digest(), &bundle(&[&root]).digest());
    assert_ne!(read.digest(), &bundle(&[&crate::root()]).digest());
}
