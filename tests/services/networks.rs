//! Tasks that find each other by name.

use tests::cluster_registry::BUSYBOX;

use crate::kit::{cluster, create};

#[test]
fn tasks_on_one_node_find_each_other_by_the_names_of_their_services() {
    let Some(cluster) = cluster(1, 0) else {
        return;
    };
    let on = |words: &str| cluster.on("node1", words);
    on("network create -d overlay shop").ok();
    let serve = "mkdir -p /tmp/w; echo goods >/tmp/w/index.html; exec httpd -f -p 80 -h /tmp/w";
    let flags = "--network name=shop,alias=store --replicas 2";
    create(
        &cluster,
        "db",
        flags,
        &["--init", BUSYBOX, "sh", "-c", serve],
    )
    .ok();
    create(&cluster, "web", "--network shop", &crate::kit::STAYS).ok();
    create(&cluster, "alone", "", &crate::kit::STAYS).ok();
    for name in ["db", "store", "tasks.db"] {
        cluster.eventually(&format!("{name} is found"), || {
            let page = cluster.on(
                "node1",
                ["service", "exec", "web", "fetch", name, "80", "/"],
            );
            (page.text() == "goods").then_some(())
        });
    }
    on("service exec alone fetch db 80 /").code(1);
    on("network rm shop").refused(1, &["shop", "db"]);
    on("service rm db web").ok();
    cluster.eventually("it can go", || {
        (on("network rm shop").code == 0).then_some(())
    });
}
