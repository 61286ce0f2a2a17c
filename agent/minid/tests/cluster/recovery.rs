//! A majority that is lost for good, and a backup.

use crate::daemons::Daemons;
use api::v1::host_reply::State;
use api::v1::*;
use model::ClusterSpec;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_majority_is_forced_and_a_backup_is_restored() {
    let mut all = Daemons::new();
    for name in ["m1", "m2", "m3"] {
        all.start(name);
    }
    let made = all
        .init(
            "m1",
            ClusterSpec {
                autolock: true,
                ..ClusterSpec::standard()
            },
        )
        .await;
    assert!(made.unlock_key.starts_with("MINIKEY-1-"));
    for name in ["m2", "m3"] {
        all.join(name, &made.manager_token, "m1")
            .await
            .expect("joined");
    }
    for number in 0..20 {
        all.config("m1", &format!("config{number}"))
            .await
            .expect("made");
    }
    let backup = all.backup("m2").await;

    all.kill("m2");
    all.kill("m3");
    all.kill("m1");
    all.start("m1");
    assert_eq!(all.host("m1").await.state(), State::Locked);
    let locked = all
        .control("m1")
        .list_nodes(ListNodesRequest {})
        .await
        .expect_err("locked");
    assert!(locked.message().contains("cluster unlock"), "{locked}");
    let wrong = identity::UnlockKey::generate().to_string();
    let refused = all
        .host_client("m1")
        .unlock(UnlockRequest { key: wrong })
        .await
        .expect_err("the wrong key");
    assert!(refused.message().contains("wrong unlock key"), "{refused}");
    all.host_client("m1")
        .unlock(UnlockRequest {
            key: made.unlock_key.clone(),
        })
        .await
        .expect("unlocked");
    let stuck = all.config("m1", "stuck").await.expect_err("no quorum");
    assert!(
        stuck
            .message()
            .contains("no manager leads: it takes 2 of the 3"),
        "{stuck}"
    );

    let forced = InitRequest {
        force_new_cluster: true,
        ..InitRequest::default()
    };
    all.host_client("m1").init(forced).await.expect("forced");
    assert_eq!(all.voters("m1").await, 1);
    for number in 0..20 {
        let asked = GetConfigRequest {
            config: format!("config{number}"),
        };
        all.control("m1")
            .get_config(asked)
            .await
            .expect("nothing acknowledged is lost");
    }
    all.start("m4");
    all.join("m4", &made.manager_token, "m1")
        .await
        .expect("the cluster grows again");
    assert_eq!(all.voters("m1").await, 2);

    all.start("r1");
    let damaged = all
        .restore("r1", &backup[..backup.len() - 1])
        .await
        .expect_err("cut off");
    assert!(
        damaged.message().contains("nothing was changed"),
        "{damaged}"
    );
    assert_eq!(all.host("r1").await.state(), State::Inactive);
    let restored = all.restore("r1", &backup).await.expect("restored");
    assert_eq!(restored.worker_token, made.worker_token);
    let asked = GetConfigRequest {
        config: "config19".into(),
    };
    all.control("r1")
        .get_config(asked)
        .await
        .expect("it is in the backup");
    all.config("r1", "after")
        .await
        .expect("a cluster of one decides");
}
