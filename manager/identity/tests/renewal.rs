//! When a certificate is renewed.

use identity::{Credential, NodeKey, Role, RootCa, TrustBundle, Validity};
use jiff::{SignedDuration, Timestamp};

#[test]
fn between_a_half_and_four_fifths_of_the_life_that_was_granted() {
    let now = Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365);
    let root = RootCa::generate("cluster1", now).expect("a root");
    let table = [60, 600, 3600, 9 * 3600, 90 * 24 * 3600];
    for life in table {
        let key = NodeKey::generate().expect("a key");
        let validity = Validity::from(now, SignedDuration::from_secs(life));
        let chain_pem = root
            .issue(
                &key.request_pem().expect("a request"),
                "node1",
                Role::Worker,
                "cluster1",
                validity,
            )
            .expect("granted");
        let bundle = TrustBundle::from_pem(root.certificate_pem()).expect("roots");
        let credential = Credential {
            key_pem: key.pem(),
            chain_pem,
            bundle,
        };
        let share = |unit: f64| {
            credential
                .renew_at(unit)
                .expect("a time")
                .duration_since(now)
                .as_secs_f64()
                / life as f64
        };
        for (unit, expected) in [
            (0.0, 0.5),
            (1.0, 0.8),
            (-1.0, 0.5),
            (7.0, 0.8),
            (f64::NAN, 0.5),
        ] {
            assert!(
                (share(unit) - expected).abs() < 0.01,
                "{life} s, {unit}: {}",
                share(unit)
            );
        }
    }
}
