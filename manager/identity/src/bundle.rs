//! The roots a node trusts.

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
    /// The certificates of a PEM text.
    pub fn from_pem(pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::unreadable("the root certificates");
        let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| unreadable(&error))?;
        if certificates.is_empty() {
            return Err(unreadable(&"there is none"));
        }
        Ok(TrustBundle {
            pem: pem.to_owned(),
            certificates,
        })
    }

    /// The roots of both, each once.
    pub fn with(&self, pem: &str) -> Result<Self, IdentityError> {
        let other = TrustBundle::from_pem(pem)?;
        if other
            .certificates
            .iter()
            .all(|certificate| self.certificates.contains(certificate))
        {
            return Ok(self.clone());
        }
        TrustBundle::from_pem(&format!("{}\n{}", self.pem.trim_end(), pem))
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
