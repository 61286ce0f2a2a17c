//! The points of the design's "Health gates", by number; those that a plan decides are beside [`crate::stack`], the one that people
//! see beside [`crate::standing`].

use model::DependencyCondition::{CompletedSuccessfully, Healthy, Started};
use model::{GateSpec, NodeState, RestartCondition, RolloutState, TaskState};

use super::scene::{Scene, job, on, replicas, state};
use super::{Look, USUAL_TIMEOUT_MS};

/// `web`, which waits for `db` to be healthy; `db` has two replicas.
fn web_on_db() -> Scene {
    let mut scene = Scene::new();
    scene.service("db", |db| db.spec.mode = replicas(2));
    scene.service("web", |web| web.spec.depends_on = vec![on("db", Healthy)]);
    scene
}

fn message(look: &Look) -> &str {
    look.waiting.as_ref().map_or("", |wait| &wait.message)
}

#[test]
fn gate_point_01_a_gate_holds_the_start_and_nothing_before_it() {
    let mut scene = web_on_db();
    scene.task("db", 1, |_| {});
    scene.reconcile("web");
    assert_eq!(scene.desired("web"), [(1, 1, TaskState::Ready)]);

    // The image is pulled and the container made meanwhile.
    scene.tasks("web", |task| {
        task.node_id = "n1".into();
        task.status.set_state(TaskState::Ready);
    });
    scene.reconcile("web");
    assert_eq!(scene.desired("web"), [(1, 1, TaskState::Ready)]);

    scene.task("db", 2, |_| {});
    let judged_at = scene.state.version();
    scene.reconcile("web");
    assert_eq!(scene.desired("web"), [(1, 1, TaskState::Running)]);
    let web = scene.service_of("web");
    assert_eq!(web.latches[0].judged_at, judged_at);
    assert_eq!(web.waiting, None);
}

#[test]
fn gate_point_02_started_is_one_task_with_a_process() {
    let check = |set: fn(&mut Scene), expected: &str| {
        let mut scene = Scene::new();
        scene.service("db", |db| db.spec.mode = replicas(2));
        scene.service("web", |web| web.spec.depends_on = vec![on("db", Started)]);
        set(&mut scene);
        let look = scene.look("web");
        assert_eq!((look.open, message(&look)), (expected.is_empty(), expected));
    };
    let closed = "db service_started 0/1";
    check(|_| {}, closed);
    check(|scene| scene.task("db", 1, state(TaskState::Ready)), closed);
    check(
        |scene| scene.task("db", 1, state(TaskState::Failed)),
        closed,
    );
    check(
        |scene| scene.task("db", 1, state(TaskState::Complete)),
        closed,
    );
    check(|scene| scene.task("db", 1, state(TaskState::Starting)), "");
    check(|scene| scene.task("db", 1, |_| {}), "");
    check(
        |scene| scene.task("db", 1, |task| task.revision = 0),
        closed,
    );
    check(
        |scene| {
            scene.task("db", 1, |_| {});
            scene.node_is("n1", NodeState::Down);
        },
        closed,
    );
    check(
        |scene| scene.edit("db", |db| db.spec.mode = replicas(0)),
        "",
    );
    // A job that nobody saw running has started all the same.
    check(
        |scene| {
            scene.edit("db", |db| (db.spec.mode, db.job_iteration) = (job(1), 1));
            scene.task("db", 1, state(TaskState::Complete));
        },
        "",
    );
}

#[test]
fn gate_point_02_healthy_is_all_replicas_or_as_many_as_it_says() {
    let check = |set: fn(&mut Scene), expected: &str| {
        let mut scene = Scene::new();
        scene.service("db", |db| db.spec.mode = replicas(3));
        scene.service("web", |web| web.spec.depends_on = vec![on("db", Healthy)]);
        set(&mut scene);
        let look = scene.look("web");
        assert_eq!((look.open, message(&look)), (expected.is_empty(), expected));
    };
    let three = |scene: &mut Scene| (1..=3).for_each(|slot| scene.task("db", slot, |_| {}));
    let two = |scene: &mut Scene| (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    check(|_| {}, "db service_healthy 0/3");
    check(two, "db service_healthy 2/3");
    check(three, "");
    // Two tasks of one slot are one replica.
    check(
        |scene| {
            (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
            scene.task("db", 2, |_| {});
        },
        "db service_healthy 2/3",
    );
    check(
        |scene| {
            (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
            scene.task("db", 3, state(TaskState::Starting));
        },
        "db service_healthy 2/3",
    );
    check(
        |scene| {
            (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
            scene.task("db", 3, |task| {
                task.status.set_health(model::Health::Unhealthy)
            });
        },
        "db service_healthy 2/3",
    );
    // Where nobody asks, to run is to be healthy.
    check(
        |scene| {
            (1..=3).for_each(|slot| {
                scene.task("db", slot, |task| {
                    task.status.set_health(model::Health::Unprobed)
                });
            });
        },
        "",
    );
    // One that is told to end does not count.
    check(
        |scene| {
            (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
            scene.task("db", 3, |task| task.set_desired_state(TaskState::Shutdown));
        },
        "db service_healthy 2/3",
    );
    check(
        |scene| {
            (1..=3).for_each(|slot| scene.task("db", slot, |_| {}));
            scene.node_is("n2", NodeState::Down);
        },
        "db service_healthy 2/3",
    );
    check(
        |scene| {
            scene.edit("db", |db| db.spec.gate.min_healthy = 2);
            scene.task("db", 1, |_| {});
        },
        "db service_healthy 1/2",
    );
    check(
        |scene| {
            scene.edit("db", |db| db.spec.gate.min_healthy = 2);
            (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
        },
        "",
    );
    check(
        |scene| scene.edit("db", |db| db.spec.mode = replicas(0)),
        "",
    );
    // Of one task per node every node counts.
    check(
        |scene| {
            scene.edit("db", |db| {
                db.spec.mode = Some(model::ServiceMode::Global(model::Global {}));
            });
            for node in ["n1", "n2"] {
                scene.task("db", 0, |task| task.node_id = node.into());
            }
        },
        "db service_healthy 2/3",
    );
}

#[test]
fn gate_point_02_completed_is_every_slot_ended_with_0() {
    let check = |completions: u64, set: fn(&mut Scene), expected: &str| {
        let mut scene = Scene::new();
        scene.service("db", |db| {
            (db.spec.mode, db.job_iteration) = (job(completions), 1);
        });
        scene.service("web", |web| {
            web.spec.depends_on = vec![on("db", CompletedSuccessfully)];
        });
        set(&mut scene);
        let look = scene.look("web");
        assert_eq!((look.open, message(&look)), (expected.is_empty(), expected));
    };
    let word = "db service_completed_successfully";
    check(1, |_| {}, &format!("{word} 0/1"));
    check(
        1,
        |scene| scene.task("db", 1, |_| {}),
        &format!("{word} 0/1"),
    );
    check(
        1,
        |scene| scene.task("db", 1, state(TaskState::Failed)),
        &format!("{word} 0/1"),
    );
    check(
        1,
        |scene| scene.task("db", 1, state(TaskState::Complete)),
        "",
    );
    check(
        2,
        |scene| scene.task("db", 1, state(TaskState::Complete)),
        &format!("{word} 1/2"),
    );
    check(0, |_| {}, "");
    // What an earlier run has done is not this run's.
    check(
        1,
        |scene| {
            scene.task("db", 1, state(TaskState::Complete));
            scene.edit("db", |db| db.job_iteration = 2);
        },
        &format!("{word} 0/1"),
    );
    // A service that is not started again when it has ended is as good as a job.
    check(
        1,
        |scene| {
            scene.edit("db", |db| {
                (db.spec.mode, db.job_iteration) = (replicas(2), 0);
                db.spec
                    .task
                    .restart
                    .set_condition(RestartCondition::OnFailure);
            });
            scene.task("db", 1, state(TaskState::Complete));
            scene.task("db", 2, |task| {
                task.status.set_state(TaskState::Failed);
                task.set_desired_state(TaskState::Shutdown);
            });
            scene.task("db", 2, |_| {});
        },
        &format!("{word} 1/2"),
    );
    check(
        1,
        |scene| {
            scene.edit("db", |db| {
                (db.spec.mode, db.job_iteration) = (replicas(2), 0);
                db.spec
                    .task
                    .restart
                    .set_condition(RestartCondition::OnFailure);
            });
            (1..=2).for_each(|slot| scene.task("db", slot, state(TaskState::Complete)));
        },
        "",
    );
}

#[test]
fn gate_point_03_an_optional_dependency_that_is_missing_or_failed_lets_through_with_a_warning() {
    let optional = |name: &str| model::Dependency {
        optional: true,
        ..on(name, Healthy)
    };
    let mut scene = Scene::new();
    scene.service("web", |web| web.spec.depends_on = vec![optional("cache")]);
    let look = scene.look("web");
    assert!(look.open);
    assert_eq!(
        look.latches[0].warning,
        "let through without cache service_healthy (no such service)"
    );
    assert_eq!(look.latches[0].dependency_revision, 0);

    // One that is there is waited for.
    scene.service("cache", |cache| {
        cache
            .spec
            .task
            .restart
            .set_condition(RestartCondition::None);
    });
    assert!(!scene.look("web").open);
    scene.task("cache", 1, state(TaskState::Failed));
    let look = scene.look("web");
    assert!(look.open);
    assert_eq!(
        look.latches[0].warning,
        "let through without cache service_healthy 0/1"
    );

    // One that is started again has not failed yet, and is waited for as long as there is time.
    scene.edit("cache", |cache| {
        cache.spec.task.restart.set_condition(RestartCondition::Any);
    });
    scene.forget_tasks("cache");
    let fresh = |scene: &mut Scene| scene.look_and_keep("web").open;
    assert!(!fresh(&mut scene));
    for _ in 0..USUAL_TIMEOUT_MS / 5_000 - 1 {
        scene.now_ms += 5_000;
        assert!(!fresh(&mut scene));
    }
    scene.now_ms += 5_000;
    assert!(fresh(&mut scene));
    assert!(
        scene.service_of("web").latches[0]
            .warning
            .starts_with("let through")
    );

    // One that is well needs no warning.
    let mut scene = Scene::new();
    scene.service("cache", |_| {});
    scene.task("cache", 1, |_| {});
    scene.service("web", |web| web.spec.depends_on = vec![optional("cache")]);
    assert_eq!(scene.look("web").latches[0].warning, "");
}

#[test]
fn gate_point_04_an_update_waits_for_the_new_revision_and_stays_when_that_fails() {
    let mut scene = web_on_db();
    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    scene.look_and_keep("web");
    scene.task("web", 1, |_| {});
    assert!(scene.look("web").open);

    scene.update("db");
    scene.update("web");
    let look = scene.look_and_keep("web");
    assert_eq!(message(&look), "db service_healthy 0/2 (updating)");
    // What runs of the old revision runs on.
    scene.reconcile("web");
    assert_eq!(scene.desired("web"), [(1, 1, TaskState::Running)]);

    scene.tasks("db", |task| task.revision = 2);
    let look = scene.look_and_keep("web");
    assert_eq!(message(&look), "db service_healthy 2/2 (updating)");

    for (state, why) in [
        (RolloutState::Paused, "its update is paused"),
        (RolloutState::RollingBack, "its update is rolled back"),
        (RolloutState::RollbackPaused, "its rollback is paused"),
    ] {
        scene.rollout_is("db", state);
        let expected = format!("db service_healthy 2/2 ({why})");
        assert_eq!(message(&scene.look("web")), expected);
    }
    // It is back and well, and not what was waited for.
    scene.now_ms += 1_000;
    scene.rollout_is("db", RolloutState::RolledBack);
    scene.tasks("db", |task| task.revision = 1);
    let look = scene.look_and_keep("web");
    assert_eq!(
        message(&look),
        "db service_healthy 2/2 (its update was rolled back)"
    );
    scene.reconcile("web");
    assert_eq!(scene.desired("web"), [(1, 1, TaskState::Running)]);

    // Who begins to wait after that takes it as it is.
    scene.edit("web", |web| web.waiting = None);
    assert!(scene.look("web").open);

    let mut scene = web_on_db();
    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    scene.update("db");
    scene.tasks("db", |task| task.revision = 2);
    assert!(!scene.look("web").open);
    scene.rollout_is("db", RolloutState::Completed);
    let look = scene.look("web");
    assert!(look.open);
    assert_eq!(look.latches[0].dependency_revision, 2);
}

#[test]
fn gate_point_05_a_gate_that_has_opened_stays_open() {
    let mut scene = web_on_db();
    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    let look = scene.look_and_keep("web");
    scene.tasks("db", |task| {
        task.status.set_health(model::Health::Unhealthy)
    });
    let after = scene.look("web");
    assert!(after.open);
    assert_eq!(after.latches, look.latches);
    assert_eq!(after.waiting, None);
    let web = scene.service_of("web");
    let degraded = super::degraded(&scene.state, &web);
    assert_eq!(degraded, ["db service_healthy 0/2"]);

    // Also when the dependency is updated, rolled back or removed.
    scene.update("db");
    assert_eq!(scene.look("web"), after);
    scene.edit("db", |db| db.removing = true);
    assert_eq!(scene.look("web"), after);

    // A new revision of the service's own is judged anew.
    scene.update("web");
    assert!(!scene.look("web").open);
}

#[test]
fn gate_point_06_restarts_do_not_wait_unless_they_are_asked_to() {
    for always in [false, true] {
        let mut scene = web_on_db();
        scene.edit("web", |web| {
            web.spec.gate = GateSpec {
                always,
                ..GateSpec::default()
            };
        });
        (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
        scene.reconcile("web");
        scene.tasks("web", |task| {
            task.node_id = "n3".into();
            task.status.set_state(TaskState::Running);
            task.status.routable = true;
        });
        assert_eq!(scene.desired("web"), [(1, 1, TaskState::Running)]);

        // The dependency and the node of the task are lost at once; another node takes the task on.
        scene.tasks("db", state(TaskState::Failed));
        scene.node_is("n3", NodeState::Down);
        scene.reconcile("web");
        let newest = scene.state.tasks_of("web").find(|task| task.is_wanted());
        let desired = newest.expect("another task").desired_state();
        let held = TaskState::Ready;
        assert_eq!(desired, if always { held } else { TaskState::Running });
        assert_eq!(scene.service_of("web").waiting.is_some(), always);

        (4..=5).for_each(|slot| scene.task("db", slot, |_| {}));
        scene.reconcile("web");
        let newest = scene.state.tasks_of("web").find(|task| task.is_wanted());
        assert_eq!(newest.expect("a task").desired_state(), TaskState::Running);
        assert_eq!(scene.service_of("web").waiting, None);
    }
}

#[test]
fn gate_point_06_a_gate_that_nothing_waits_at_is_not_waited_at() {
    let mut scene = web_on_db();
    scene.edit("web", |web| web.spec.gate.always = true);
    scene.task("web", 1, |_| {});
    let look = scene.look("web");
    assert!(!look.open);
    assert_eq!((look.waiting, look.again_ms), (None, None));

    // A dependency that was added to what runs holds nothing that runs, nor its restarts.
    scene.edit("web", |web| web.spec.gate.always = false);
    let look = scene.look("web");
    assert!(look.open);
    assert_eq!(look.latches.len(), 1);

    let mut scene = web_on_db();
    scene.edit("web", |web| web.spec.mode = replicas(0));
    assert_eq!(scene.look("web").waiting, None);
}

#[test]
fn gate_point_07_dependents_restart_when_an_update_has_ended_and_never_for_a_crash() {
    let mut scene = web_on_db();
    scene.edit("web", |web| web.spec.depends_on[0].restart = true);
    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    scene.reconcile("web");
    scene.tasks("web", |task| {
        task.node_id = "n3".into();
        task.status.set_state(TaskState::Running);
    });

    scene.tasks("db", state(TaskState::Failed));
    scene.reconcile("web");
    assert_eq!(scene.service_of("web").revision, 1);

    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    scene.update("db");
    scene.reconcile("web");
    assert_eq!(
        scene.service_of("web").revision,
        1,
        "the update has not ended"
    );

    scene.tasks("db", |task| task.revision = 2);
    scene.rollout_is("db", RolloutState::Completed);
    scene.reconcile("web");
    let web = scene.service_of("web");
    assert_eq!((web.revision, web.spec.task.force), (2, 1));
    let is_current = |latch: &&model::Latch| latch.revision == 2;
    let latch = web.latches.iter().find(is_current).expect("a latch");
    assert_eq!(latch.dependency_revision, 2);
    scene.reconcile("web");
    assert_eq!(scene.service_of("web").revision, 2, "once is enough");
}

#[test]
fn gate_point_09_a_wait_ends_at_its_deadline_which_stands_still_without_a_leader() {
    let mut scene = web_on_db();
    scene.edit("web", |web| web.spec.gate.timeout_ms = 60_000);
    let start_ms = scene.now_ms;
    let wait = |look: Look| look.waiting.expect("a wait");
    let look = scene.look_and_keep("web");
    assert_eq!(look.again_ms, Some(start_ms + 5_000));
    assert_eq!(wait(look).deadline_ms, start_ms + 60_000);

    // (later, what is left, when it was last written down)
    for (later_ms, left_ms, counted_ms) in [
        (1_000, 59_000, 0),
        (3_999, 55_001, 0),
        (1, 55_000, 5_000),
        (10_000, 45_000, 15_000),
        // Nobody looked for longer than ten seconds: nothing has passed.
        (10_001, 45_000, 25_001),
        (3_600_000, 45_000, 3_625_001),
        // Another leader's clock is behind.
        (-1_000_000, 45_000, 2_625_001),
        (10_000, 35_000, 2_635_001),
    ] {
        scene.now_ms += later_ms;
        let wait = wait(scene.look_and_keep("web"));
        assert_eq!(wait.deadline_ms - scene.now_ms, left_ms);
        assert_eq!(wait.counted_ms - start_ms, counted_ms);
        assert!(!wait.expired);
        assert_eq!(wait.since_ms, start_ms);
    }
    for _ in 0..6 {
        scene.now_ms += 5_000;
        assert!(!wait(scene.look_and_keep("web")).expired);
    }
    let look = scene.look("web");
    assert_eq!(look.again_ms, Some(scene.now_ms + 5_000));
    scene.now_ms += 5_000;
    let look = scene.look_and_keep("web");
    assert_eq!(look.again_ms, None);
    assert!(wait(look).expired);

    // A deadline that has passed has passed; a quiet cluster writes nothing more.
    let known = scene.service_of("web");
    scene.now_ms += 50_000;
    let look = scene.look_and_keep("web");
    assert!(!look.open && wait(look).expired);
    assert_eq!(scene.service_of("web"), known);

    // It is never too late.
    (1..=2).for_each(|slot| scene.task("db", slot, |_| {}));
    assert!(scene.look_and_keep("web").open);
    assert_eq!(scene.service_of("web").waiting, None);
}

#[test]
fn gate_point_09_another_revision_waits_anew() {
    let mut scene = web_on_db();
    scene.look_and_keep("web");
    scene.now_ms += 5_000;
    let since = |look: Look| look.waiting.expect("a wait").since_ms;
    assert_eq!(since(scene.look_and_keep("web")), scene.now_ms - 5_000);
    scene.update("web");
    assert_eq!(since(scene.look("web")), scene.now_ms);
}
