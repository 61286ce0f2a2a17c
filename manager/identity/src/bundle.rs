//! The roots a node trusts.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use sha2::{Digest, Sha256};

use crate::error::IdentityError;

/// One or more root certificates; two while the root is rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustBundle {
    pem: String,
    certificates: Vec<CertificateDer<'static>>,
}

impl TrustBundle {
    /// The certificates of a PEM text, each once.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::unreadable("the root certificates");
        let mut certificates = Vec::new();
        for (at, found) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
            let certificate = found.map_err(|error| unreadable(&error))?;
            x509_parser::parse_x509_certificate(&certificate)
                .map_err(|error| unreadable(&format!("number {}: {error}", at + 1)))?;
            if !certificates.contains(&certificate) {
                certificates.push(certificate);
            }
        }
        if certificates.is_empty() {
            return Err(unreadable(&"there is none"));
        }
        Ok(TrustBundle {
            pem: certificates.iter().map(to_pem).collect(),
            certificates,
        })
    }

    /// The roots of both, each once.
    pub fn with(&self, pem: &str) -> Result<Self, IdentityError> {
        let other = TrustBundle::from_pem(pem)?;
        TrustBundle::from_pem(&format!("{}{}", self.pem, other.pem))
    }

    /// The PEM text.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The certificates, DER.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }

    /// SHA-256 over all certificates (DER), which join tokens carry.
    pub fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        for certificate in &self.certificates {
            digest.update(certificate);
        }
        digest.finalize().into()
    }

    /// SHA-256 of each certificate, hexadecimal.
    pub fn fingerprints(&self) -> Vec<String> {
        let hex = |certificate: &CertificateDer<'_>| {
            Sha256::digest(certificate)
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect()
        };
        self.certificates.iter().map(hex).collect()
    }

    pub(crate) fn store(&self) -> Result<RootCertStore, IdentityError> {
        let mut store = RootCertStore::empty();
        for certificate in &self.certificates {
            store
                .add(certificate.clone())
                .map_err(|error| IdentityError::Tls(error.to_string()))?;
        }
        Ok(store)
    }
}

/// The text of a certificate, in lines of 64 characters (RFC 7468, section 2).
fn to_pem(certificate: &CertificateDer<'static>) -> String {
    let text = BASE64_STANDARD.encode(certificate);
    let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at % 64 == 0 {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem + "\n-----END CERTIFICATE-----\n"
}
