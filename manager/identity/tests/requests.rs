//! What the authority signs, and what it does not.

use identity::{NodeKey, Role, RootCa, Validity};
use jiff::{SignedDuration, Timestamp};

/// Made by `openssl req -newkey rsa:2048 -subj /CN=node1`.
const RSA: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIICVTCCAT0CAQAwEDEOMAwGA1UEAwwFbm9kZTEwggEiMA0GCSqGSIb3DQEBAQUA
A4IBDwAwggEKAoIBAQCiY9KNSeoPxqAOzMNsXj16YB84/NNmWZmN4Z2uLg1GFTM0
vjkgODl2pCdo1ekwYlGkP2wNqc3aIcmQ+ZYI6WIEbZILRXmplIJpdz9Mzr7PBox9
+lJgNhCE+gr2ZpH8mXQ45QDlVjftbHNGarcAgRs4Bg2oPVC6wcP2L2BqkNkzEXnF
chxsNSRi+v3nCN7ygd+TM9W1KpZJrL7d3cNf6G4J+/8elsW/ygCKoM0k2GSDqEwj
dbJkROMi7K+U3Bdo3g5fQra8x+pB4G3leee9cBPgmIlxVKIaO5GBvXk+yc/7oIbN
Dwg8ZbycjCb2vz/f7dCB2+M6JUdesEcpPJnYMJPnAgMBAAGgADANBgkqhkiG9w0B
AQsFAAOCAQEAZWLXnwmar0we88NVCDBXLHfCfjuDAKGQtZhQT1XvEqTy0WEpUG16
ffHYPpwrQlRT4c7ptETVhcTEKYlGy4phqoWRgzFeLF3AVuE7dRFHVyqAHijKXiyO
ev5k3LB4M6dDfsg/0H2+A/s6u8/DiFJ8Cx4jIYA54A7/MLn2R5XuMaA1Lhrt8t1E
pPYHkqFftvWMxvPNJ1zTgoLUP9Ua2uxLM1v4VElf+azkYoNElyN5wobiENLk43tH
bN/pEtWaH6DaE1N+vI70J10vgab0ocXS8jq3p5KtPS4LZzmR9Rqpnj42sy53K9ia
V8v5ubs0gNZU21JoNQSIaL36q3aBwfCfsg==
-----END CERTIFICATE REQUEST-----
";
/// Made by `openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-384 -sha256 -subj /CN=node1`: its signature algorithm is the one that
/// P-256 keys use, its key is none.
const P384_WITH_SHA256: &str = "\
-----BEGIN CERTIFICATE REQUEST-----
MIIBCDCBjwIBADAQMQ4wDAYDVQQDDAVub2RlMTB2MBAGByqGSM49AgEGBSuBBAAi
A2IABB+vQr2IK3eUOQ9UFo4XRafnMUFZSqqIBqwlwSmkf3Qz0BI+COHTVDj10ee1
vb9ybM/ZqVRenc3mLpwSlErJTZ0qgTlu6Kmj2Iv59F8Nn1K/f5DLPxs4stqmERIa
TTLSCqAAMAoGCCqGSM49BAMCA2gAMGUCMQDY0te14n5c4jS4y+RIl/WzTbnnpeop
QDwQavk2DVo8PUWQeKYQL9ICHTV8+7H0xM4CMC/PZhxgXRXZlXcBUQII2uTpwzFm
jz8PpY8lHk17LY5ETML8KIURw0g5Bni9K1Updw==
-----END CERTIFICATE REQUEST-----
";

fn root() -> RootCa {
    RootCa::generate("cluster1", Timestamp::UNIX_EPOCH).expect("a root")
}

fn issue(request_pem: &str) -> Result<String, String> {
    let validity = Validity::from(
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(2),
        SignedDuration::from_hours(1),
    );
    root()
        .issue(request_pem, "node1", Role::Worker, "cluster1", validity)
        .map_err(|error| error.to_string())
}

#[test]
fn only_p256_keys_are_signed() {
    let p384 = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let p384 = rcgen::CertificateParams::default()
        .serialize_request(&p384)
        .expect("a request")
        .pem()
        .expect("PEM");
    for (what, request) in [
        ("RSA", RSA),
        ("P-384", &p384),
        ("P-384 that says SHA-256", P384_WITH_SHA256),
    ] {
        let error = issue(request).expect_err(what);
        assert!(error.contains("ECDSA P-256"), "{what}: {error}");
    }
    issue(
        &NodeKey::generate()
            .expect("a key")
            .request_pem()
            .expect("a request"),
    )
    .expect("P-256");
}

#[test]
fn a_root_is_read_with_its_own_key_alone() {
    let (one, other) = (root(), root());
    let error = RootCa::from_pem(one.certificate_pem(), &other.key_pem())
        .err()
        .expect("not its key")
        .to_string();
    assert!(error.contains("another key"), "{error}");
    let read = RootCa::from_pem(one.certificate_pem(), &one.key_pem()).expect("its key");
    assert_eq!(
        (read.certificate_pem(), read.fingerprint()),
        (one.certificate_pem(), one.fingerprint())
    );
}
