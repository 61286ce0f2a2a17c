use model::DependencyCondition::{CompletedSuccessfully, Healthy, Started};
use model::{Latch, TaskState};

use super::clock;
use super::scene::{Scene, job, on, replicas, state};

#[test]
fn everything_that_is_waited_for_is_named() {
    let mut scene = Scene::new();
    scene.service("db", |db| db.spec.mode = replicas(2));
    scene.service("migrate", |migrate| {
        (migrate.spec.mode, migrate.job_iteration) = (job(1), 1);
    });
    scene.service("cache", |_| {});
    scene.service("web", |web| {
        web.spec.depends_on = vec![
            on("db", Healthy),
            on("migrate", CompletedSuccessfully),
            on("cache", Started),
            on("queue", Started),
        ];
    });
    scene.task("db", 1, |_| {});
    scene.task("cache", 1, |_| {});
    let look = scene.look("web");
    assert_eq!(
        look.waiting.expect("a wait").message,
        "db service_healthy 1/2, migrate service_completed_successfully 0/1, queue service_started (no such service)"
    );
}

#[test]
fn all_dependencies_count_at_the_same_moment() {
    let mut scene = Scene::new();
    scene.service("db", |_| {});
    scene.service("cache", |_| {});
    scene.service("web", |web| {
        web.spec.depends_on = vec![on("db", Healthy), on("cache", Healthy)];
    });
    scene.task("db", 1, |_| {});
    assert_eq!(scene.look_and_keep("web").latches, []);
    scene.tasks("db", state(TaskState::Failed));
    scene.task("cache", 1, |_| {});
    assert!(!scene.look_and_keep("web").open);
    scene.task("db", 1, |_| {});
    let look = scene.look_and_keep("web");
    assert!(look.open);
    let judged: Vec<u64> = look.latches.iter().map(|latch| latch.judged_at).collect();
    assert_eq!(judged, [scene.state.version() - 1; 2]);
}

#[test]
fn a_service_without_dependencies_waits_for_nothing() {
    let mut scene = Scene::new();
    scene.service("web", |web| {
        web.latches = vec![Latch {
            dependency: "blog_db".into(),
            revision: 1,
            ..Latch::default()
        }];
    });
    let look = scene.look("web");
    assert!(look.open);
    assert_eq!(
        (look.latches, look.waiting, look.again_ms),
        (vec![], None, None)
    );
}

#[test]
fn latches_of_revisions_that_can_come_back_are_kept() {
    let latch = |revision| Latch {
        dependency: "blog_db".into(),
        revision,
        dependency_revision: 1,
        ..Latch::default()
    };
    let mut scene = Scene::new();
    scene.service("db", |_| {});
    scene.service("web", |web| {
        web.spec.depends_on = vec![on("db", Healthy)];
        web.latches = vec![latch(1)];
    });
    scene.task("web", 1, |_| {});
    scene.update("web");
    let look = scene.look_and_keep("web");
    assert!(!look.open);
    assert_eq!(look.latches, [latch(1)]);
    // Back to what was let through before.
    scene.edit("web", |web| web.revision = 1);
    assert!(scene.look("web").open);
    scene.edit("web", |web| web.revision = 2);
    scene.update("web");
    assert_eq!(scene.look("web").latches, []);
}

#[test]
fn looking_twice_changes_nothing() {
    let mut scene = Scene::new();
    scene.service("db", |_| {});
    scene.service("web", |web| web.spec.depends_on = vec![on("db", Healthy)]);
    for _ in 0..2 {
        let first = scene.look_and_keep("web");
        assert_eq!(scene.look("web"), first);
        scene.task("db", 1, |_| {});
    }
}

#[test]
fn time_is_told_in_minutes_and_hours() {
    for (ms, told) in [
        (-5, "00:00"),
        (0, "00:00"),
        (12_999, "00:12"),
        (288_000, "04:48"),
        (3_599_000, "59:59"),
        (3_723_000, "1:02:03"),
    ] {
        assert_eq!(clock(ms), told);
    }
}
