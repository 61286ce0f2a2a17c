//! `images`, `rmi`, and what an image is called.

use serde_json::Value;
use tests::image::Image;

#[test]
fn images_lists_what_is_there() {
    let mut host = tests::host!();
    let heading = host.minictl(["images"]).ok().text();
    let words: Vec<&str> = heading.split_whitespace().collect();
    assert_eq!(words.join(" "), "REPOSITORY TAG IMAGE ID CREATED SIZE");
    let image = host.busybox();
    let id = Image::busybox().id();
    let listed = host.minictl(["images"]).ok();
    assert!(
        listed.stdout.contains("127.0.0.1:5000/busybox")
            && listed.stdout.contains("latest")
            && listed.stdout.contains(&id[7..19]),
        "{listed}"
    );
    host.minictl("images -q").ok().prints(&id[7..19]);
    host.minictl("images --format {{.Repository}}:{{.Tag}}")
        .ok()
        .prints(&image);
    let row: Value = host.minictl("images --format json").ok().json();
    assert_eq!(row["Tag"], "latest");
    host.minictl("images 127.0.0.1:5000/busybox")
        .ok()
        .has("busybox");
    assert_eq!(host.minictl("images -q nosuch").ok().text(), "");
    host.minictl(format!("rmi {image}"))
        .ok()
        .has("Untagged")
        .has("Deleted");
    host.minictl(format!("rmi {image}"))
        .refused(1, &["busybox"]);
}

#[test]
fn an_image_is_found_by_every_name_it_has() {
    let mut host = tests::host!();
    let image = host.busybox();
    let other = host.registry().push("busybox", "other", &Image::busybox());
    host.minictl(format!("pull -q {other}")).ok();
    let id = Image::busybox().id();
    let digest = tests::image::digest(Image::busybox().top());
    for name in [
        &image,
        &other,
        &id,
        &id[7..19].to_owned(),
        &"127.0.0.1:5000/busybox".to_owned(),
        &format!("127.0.0.1:5000/busybox@{digest}"),
    ] {
        host.minictl(format!(
            "run --rm --pull never --network none {name} echo found"
        ))
        .ok()
        .prints("found");
    }
    host.minictl(format!("rmi {other}")).ok();
    host.minictl("images --format {{.Tag}}")
        .ok()
        .prints("latest");
    host.minictl(["rmi", &id[7..19]]).ok();
    host.minictl("images -q").ok().prints("");
}

#[test]
fn an_image_in_use_is_kept() {
    let mut host = tests::host!();
    let image = host.busybox();
    host.minictl(format!(
        "run -d --name user --network none {image} sleep 1000"
    ))
    .ok();
    host.minictl(format!("rmi {image}")).refused(1, &["user"]);
    host.minictl("rm -f user").ok();
    host.minictl(format!("run --name over --network none {image} true"))
        .ok();
    host.minictl(format!("rmi {image}")).refused(1, &["over"]);
    host.minictl("rm over").ok();
    host.minictl(format!("rmi {image}")).ok();
}

#[test]
fn real_images_run() {
    let mut host = tests::host!();
    let debian = host.real("debian");
    host.minictl(format!("run --rm --network none {debian} sh -c 'cat /etc/debian_version; apt-get --version | head -1'"))
    .ok()
    .has("apt 2.");
    host.minictl(format!(
        "run --rm --network none {debian} stat -c '%a %U' /usr/bin/su"
    ))
    .ok()
    .prints("4755 root");
    let app = host.real("blog-app");
    host.minictl([
        "run",
        "--rm",
        "--network",
        "none",
        &app,
        "-p",
        "process.version + ' ' + process.getuid()",
    ])
    .ok()
    .has("v18.");
    host.minictl(format!(
        "run --rm --network none --entrypoint ls {app} /app"
    ))
    .ok()
    .prints("health.js\npackage.json\nserver.js");
    let config = host.minictl(format!("inspect {app}")).ok().json();
    assert_eq!(
        config.pointer("/0/Config/User"),
        Some(&serde_json::json!("app")),
        "{config:#}"
    );
    host.minictl("network create own").ok();
    let redis = host.real("redis");
    host.minictl(format!("run -d --name db --network own {redis}"))
        .ok();
    host.minictl(format!(
        "run -d --name web --network own -p 8080:8080 {app}"
    ))
    .ok();
    for hits in 1..=3 {
        let body = tests::eventually("the application answers", || {
            tests::http::get(host.spaces(), "127.0.0.1:8080", "/")
                .ok()
                .filter(|answer| answer.status == 200)
        });
        assert_eq!(body.body, format!("hits {hits}\n"));
    }
    let stopped = host.minictl("stop web db").ok();
    assert!(
        stopped.took.as_secs() < 8,
        "both stop when asked: {stopped}"
    );
    assert_eq!(host.inspect("web", "/State/ExitCode"), serde_json::json!(0));
    host.minictl("rm -v web db").ok();
    host.minictl("network rm own").ok();
}
