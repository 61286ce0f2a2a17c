//! The roots a node trusts, as text.

use identity::{RootCa, TrustBundle};
use jiff::Timestamp;

fn root() -> String {
    RootCa::generate("cluster1", Timestamp::UNIX_EPOCH)
        .expect("a root")
        .certificate_pem()
        .to_owned()
}

#[test]
fn each_root_is_there_once() {
    let (one, two, three) = (root(), root(), root());
    let bundle = |parts: &[&String]| {
        TrustBundle::from_pem(&parts.iter().map(|part| part.as_str()).collect::<String>())
            .expect("roots")
    };
    // The second text has one root that is known and one that is new.
    let joined = bundle(&[&one, &two])
        .with(&format!("{two}{three}"))
        .expect("roots");
    assert_eq!(
        joined.certificates(),
        bundle(&[&one, &two, &three]).certificates()
    );
    assert_eq!(TrustBundle::from_pem(joined.pem()), Ok(joined.clone()));
    assert_eq!(joined.with(&one), Ok(joined));
}

#[test]
fn what_is_no_root_is_named() {
    let good = root();
    let no_certificate = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let table = [
        (String::new(), "there is none"),
        ("hello".to_owned(), "there is none"),
        (format!("{good}{no_certificate}"), "number 2"),
        (
            good.replacen("-----END", "!-----END", 1),
            "root certificates",
        ),
    ];
    for (pem, expected) in table {
        let error = TrustBundle::from_pem(&pem).expect_err(expected).to_string();
        assert!(error.contains(expected), "{expected}: {error}");
    }
}
