use super::*;

fn d(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

fn manifest(config_type: &str, layers: &str) -> String {
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{config_type}","digest":"{}","size":7}},"layers":[{layers}]}}"#,
        d('c')
    )
}

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

#[test]
fn reads_both_families() {
    for (config, layer) in [
        (CONFIG, "application/vnd.oci.image.layer.v1.tar+zstd"),
        (
            "application/vnd.docker.container.image.v1+json",
            "application/vnd.docker.image.rootfs.diff.tar.gzip",
        ),
    ] {
        let text = manifest(
            config,
            &format!(
                r#"{{"mediaType":"{layer}","digest":"{}","size":9}}"#,
                d('a')
            ),
        );
        let Ok(Document::Manifest(found)) = parse(text.as_bytes(), None) else {
            panic!("{text}")
        };
        assert_eq!(found.config.digest.to_string(), d('c'));
        assert_eq!(
            (found.layers[0].size, found.layers[0].media_type.as_str()),
            (9, layer)
        );
    }
}

#[test]
fn refuses_what_is_not_an_image() {
    let layer = |more: &str| {
        manifest(
            CONFIG,
            &format!(r#"{{"digest":"{}","size":9,{more}}}"#, d('a')),
        )
    };
    let gzip = "application/vnd.oci.image.layer.v1.tar+gzip";
    let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
    for (text, content_type, reason) in [
        ("<html>", Some("text/html"), "text/html"),
        ("", None, "is this a registry"),
        ("{}", None, "neither"),
        ("{\"schemaVersion\":2", None, "not an image manifest"),
        (r#"{"schemaVersion":1,"name":"x"}"#, None, "schema 1"),
        (r#"{"schemaVersion":2,"fsLayers":[]}"#, None, "schema 1"),
        (
            r#"{"mediaType":"application/vnd.docker.distribution.manifest.v1+prettyjws"}"#,
            None,
            "schema 1",
        ),
        (
            "{}",
            Some("application/vnd.docker.distribution.manifest.v1+prettyjws"),
            "schema 1",
        ),
        (r#"{"manifests":[],"layers":[]}"#, None, "at once"),
        (r#"{"manifests":[]}"#, Some(OCI_MANIFEST), "something else"),
        (
            &format!(r#"{{"mediaType":"{OCI_INDEX}","layers":[]}}"#),
            None,
            "something else",
        ),
        (r#"{"layers":[]}"#, None, "no configuration"),
        (
            &manifest("application/vnd.cncf.helm.config.v1+json", ""),
            None,
            "not a container image",
        ),
        (
            &layer(&format!(
                r#""mediaType":"{foreign}","urls":["https://x/y"]"#
            )),
            None,
            "https://x/y",
        ),
        (
            &layer(&format!(r#""mediaType":"{gzip}","urls":["https://x/y"]"#)),
            None,
            "https://x/y",
        ),
        (
            &layer(&format!(r#""mediaType":"{gzip}+encrypted""#)),
            None,
            "no file system layer",
        ),
        (
            &layer(r#""mediaType":"text/plain""#),
            None,
            "no file system layer",
        ),
        (
            &layer(&format!(r#""mediaType":"{gzip}""#)).replace(&d('a'), "sha256:../x"),
            None,
            "invalid digest",
        ),
        (
            &layer(&format!(r#""mediaType":"{gzip}""#)).replace(":9", ":-9"),
            None,
            "not an image manifest",
        ),
    ] {
        match parse(text.as_bytes(), content_type) {
            Ok(document) => panic!("{text} was read as {document:?}"),
            Err(error) => assert!(error.contains(reason), "{text}: {error}"),
        }
    }
}

#[test]
fn chooses_by_platform() {
    let entry = |digit, platform: &str| {
        let platform = match platform.split('/').collect::<Vec<_>>()[..] {
            [os, architecture] => {
                format!(r#","platform":{{"os":"{os}","architecture":"{architecture}"}}"#)
            }
            [os, architecture, variant] => format!(
                r#","platform":{{"os":"{os}","architecture":"{architecture}","variant":"{variant}"}}"#
            ),
            _ => String::new(),
        };
        format!(
            r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1{platform}}}"#,
            d(digit)
        )
    };
    let index = |entries: &[String]| {
        let text = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#,
            entries.join(",")
        );
        match parse(text.as_bytes(), Some(OCI_INDEX)) {
            Ok(Document::Index(choices)) => choices,
            other => panic!("{other:?}"),
        }
    };
    let all = index(&[
        entry('1', "unknown/unknown"),
        entry('2', "linux/amd64"),
        entry('3', "linux/arm/v6"),
        entry('4', "linux/arm64/v8"),
        entry('5', "linux/amd64"),
    ]);
    for (wanted, expected) in [
        ("linux/amd64", Some('2')),
        ("linux/arm/v7", Some('3')),
        ("linux/arm64", Some('4')),
        ("linux/s390x", None),
    ] {
        let chosen = choose(&all, &wanted.parse().unwrap());
        match (chosen, expected) {
            (Chosen::Fits(choice), Some(digit)) => {
                assert_eq!(choice.digest.to_string(), d(digit), "{wanted}")
            }
            (Chosen::Unknown(none), None) => assert!(none.is_empty(), "{wanted}"),
            (other, _) => panic!("{wanted}: {other:?}"),
        }
    }
    let names: Vec<String> = offered(&all).iter().map(ToString::to_string).collect();
    assert_eq!(names, ["linux/amd64", "linux/arm/v6", "linux/arm64"]);
    let silent = index(&[entry('7', "")]);
    assert!(matches!(choose(&silent, &Platform::host()), Chosen::Unknown(all) if all.len() == 1));
}
