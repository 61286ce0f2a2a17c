//! TLS between nodes: who is let in, and whom one believes.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme};

use crate::bundle::TrustBundle;
use crate::credential::Credential;
use crate::error::IdentityError;
use crate::peer::Role;

const HTTP2: &[u8] = b"h2";

fn tls(error: impl std::fmt::Display) -> IdentityError {
    IdentityError::Tls(error.to_string())
}

/// The cryptography that all of ours uses.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The name that a client expects in a manager's certificate: a worker's has another one.
pub fn server_name() -> ServerName<'static> {
    ServerName::try_from(Role::Manager.name()).expect("a DNS name")
}

/// A server that shows this credential. A client may come without a certificate (one that joins has none yet); one that it shows
/// must be of this cluster and alive.
pub fn server_config(credential: &Credential) -> Result<Arc<ServerConfig>, IdentityError> {
    let verifier = WebPkiClientVerifier::builder_with_provider(
        Arc::new(credential.bundle.store()?),
        provider(),
    )
    .allow_unauthenticated()
    .build()
    .map_err(tls)?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(credential.chain()?, credential.key()?)
        .map_err(tls)?;
    config.alpn_protocols = vec![HTTP2.to_vec()];
    // A resumed session would skip the check of a certificate that was revoked meanwhile.
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A client that shows this credential, and believes managers of its cluster alone.
pub fn client_config(credential: &Credential) -> Result<Arc<ClientConfig>, IdentityError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(credential.bundle.store()?)
        .with_client_auth_cert(credential.chain()?, credential.key()?)
        .map_err(tls)?;
    Ok(finished(config))
}

/// A client that has no certificate yet, and believes managers under these roots alone.
pub fn trusting_config(bundle: &TrustBundle) -> Result<Arc<ClientConfig>, IdentityError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .with_root_certificates(bundle.store()?)
        .with_no_client_auth();
    Ok(finished(config))
}

/// A client that believes anybody, for one question alone: "which roots do you have?". The answer must be checked against the
/// digest in the join token before anything else is said.
pub fn introduction_config() -> Result<Arc<ClientConfig>, IdentityError> {
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(tls)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(provider())))
        .with_no_client_auth();
    Ok(finished(config))
}

fn finished(mut config: ClientConfig) -> Arc<ClientConfig> {
    config.alpn_protocols = vec![HTTP2.to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Arc::new(config)
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
