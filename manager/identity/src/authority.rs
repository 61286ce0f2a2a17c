//! The certificate authority: a root, and what it issues.

use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, SerialNumber,
};
use time::OffsetDateTime;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY};
use x509_parser::prelude::FromDer;

use crate::bundle::TrustBundle;
use crate::error::IdentityError;
use crate::peer::Role;
use crate::secret;

/// Life of a root: twenty years.
const ROOT_LIFE: SignedDuration = SignedDuration::from_hours(20 * 365 * 24);
/// How far certificates are dated back, for clocks that are behind.
pub(crate) const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// A certificate's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Its beginning.
    pub not_before: Timestamp,
    /// Its end.
    pub not_after: Timestamp,
}

impl Validity {
    /// From an hour ago, for clocks that are behind, until `life` from now.
    pub fn from(now: Timestamp, life: SignedDuration) -> Self {
        Validity {
            not_before: now - BACKDATED,
            not_after: now + life,
        }
    }
}

/// A root with its key.
pub struct RootCa {
    certificate_pem: String,
    key: KeyPair,
}

impl RootCa {
    /// A new root for a cluster: ECDSA P-256, twenty years.
    pub fn generate(cluster_id: &str, now: Timestamp) -> Result<Self, IdentityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(refused)?;
        // Two roots of one cluster must differ in their names: a chain is found by name.
        let name = format!("mini root {}", crate::base36::encode(&secret::<8>(), 13));
        let params = root_params(cluster_id, &name, Validity::from(now, ROOT_LIFE));
        let certificate_pem = params.self_signed(&key).map_err(refused)?.pem();
        Ok(RootCa {
            certificate_pem,
            key,
        })
    }

    /// A root from what was stored.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Self, IdentityError> {
        let unreadable = IdentityError::unreadable("the root's key");
        let key = KeyPair::from_pem(key_pem).map_err(|error| unreadable(&error))?;
        let bundle = TrustBundle::from_pem(certificate_pem)?;
        let (_, certificate) = x509_parser::parse_x509_certificate(&bundle.certificates()[0])
            .map_err(|error| unreadable(&error))?;
        if certificate.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(unreadable(&"the root's certificate is of another key"));
        }
        Ok(RootCa {
            certificate_pem: certificate_pem.to_owned(),
            key,
        })
    }

    /// Its certificate, PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Its key, PEM (PKCS #8).
    pub fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// SHA-256 of its certificate, hexadecimal.
    pub fn fingerprint(&self) -> String {
        TrustBundle::from_pem(&self.certificate_pem)
            .map(|bundle| bundle.fingerprints().remove(0))
            .unwrap_or_default()
    }

    /// Grants a request (PEM): a certificate (PEM) for that node in that role, whatever the request says of itself.
    pub fn issue(
        &self,
        request_pem: &str,
        node_id: &str,
        role: Role,
        cluster_id: &str,
        validity: Validity,
    ) -> Result<String, IdentityError> {
        if !is_p256(request_pem)? {
            return Err(IdentityError::Refused(
                "its key is not of the kind ECDSA P-256".to_owned(),
            ));
        }
        // Reading a request checks that it is signed with the key that it names.
        let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(refused)?;
        let names = vec![role.name().to_owned(), node_id.to_owned()];
        let mut params = CertificateParams::new(names).map_err(refused)?;
        params.distinguished_name = subject(node_id, cluster_id);
        params
            .distinguished_name
            .push(DnType::OrganizationalUnitName, role.name());
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        date(&mut params, validity);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, &self.key).map_err(refused)?;
        Ok(params
            .signed_by(&request.public_key, &issuer)
            .map_err(refused)?
            .pem())
    }

    /// Another root's certificate (PEM), signed by this one: whoever trusts this root can follow what the other issues.
    pub fn cross_sign(&self, other: &RootCa, cluster_id: &str) -> Result<String, IdentityError> {
        let unreadable = IdentityError::unreadable("the new root's certificate");
        let bundle = TrustBundle::from_pem(&other.certificate_pem)?;
        let der = bundle
            .certificates()
            .first()
            .ok_or_else(|| unreadable(&"it is empty"))?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(der).map_err(|error| unreadable(&error))?;
        let name = parsed
            .subject()
            .iter_common_name()
            .find_map(|name| name.as_str().ok())
            .ok_or_else(|| unreadable(&"it has no name"))?;
        let time = |seconds| Timestamp::from_second(seconds).map_err(|error| unreadable(&error));
        let validity = Validity {
            not_before: time(parsed.validity().not_before.timestamp())?,
            not_after: time(parsed.validity().not_after.timestamp())?,
        };
        let params = root_params(cluster_id, name, validity);
        let issuer = Issuer::from_ca_cert_pem(&self.certificate_pem, &self.key).map_err(refused)?;
        Ok(params
            .signed_by(&other.key, &issuer)
            .map_err(refused)?
            .pem())
    }
}

/// Whether the key of a request (PEM) is on the curve P-256 (RFC 5480, section 2.1.1.1); what it is signed with says nothing of it.
fn is_p256(request_pem: &str) -> Result<bool, IdentityError> {
    let unreadable = |error: &dyn std::fmt::Display| IdentityError::Refused(error.to_string());
    let (_, pem) = x509_parser::pem::parse_x509_pem(request_pem.as_bytes())
        .map_err(|error| unreadable(&error))?;
    let (_, request) =
        X509CertificationRequest::from_der(&pem.contents).map_err(|error| unreadable(&error))?;
    let algorithm = &request.certification_request_info.subject_pki.algorithm;
    let curve = algorithm
        .parameters
        .as_ref()
        .and_then(|any| any.as_oid().ok());
    Ok(algorithm.algorithm == OID_KEY_TYPE_EC_PUBLIC_KEY && curve == Some(OID_EC_P256))
}

fn refused(error: rcgen::Error) -> IdentityError {
    IdentityError::Refused(error.to_string())
}

fn subject(name: &str, cluster_id: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject.push(DnType::OrganizationName, cluster_id);
    subject
}

fn root_params(cluster_id: &str, name: &str, validity: Validity) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = subject(name, cluster_id);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![
        KeyUsagePurpose::KeyCertSign,
        KeyUsagePurpose::CrlSign,
        KeyUsagePurpose::DigitalSignature,
    ];
    params.use_authority_key_identifier_extension = true;
    date(&mut params, validity);
    params
}

fn date(params: &mut CertificateParams, validity: Validity) {
    let time = |at: Timestamp| {
        OffsetDateTime::from_unix_timestamp(at.as_second()).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    };
    (params.not_before, params.not_after) = (time(validity.not_before), time(validity.not_after));
    let mut serial = secret::<16>();
    // Positive, and never shortened for a leading zero (RFC 5280, 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
}
