use model::DependencyCondition::Healthy;
use model::{
    GateWait, Global, Health, NodeState, RestartCondition, RolloutState, ServiceMode, TaskState,
};

use super::{Standing, of, waiting};
use crate::gate::scene::{Scene, job, on, replicas, state};

fn standing(scene: &Scene, name: &str) -> Standing {
    of(&scene.state, &scene.service_of(name), scene.now_ms)
}

/// `set` makes the service `web` of three replicas and its tasks.
fn check(set: impl FnOnce(&mut Scene), expected: (u64, u64, &str), reasons: &[&str]) {
    let mut scene = Scene::new();
    scene.service("web", |web| web.spec.mode = replicas(3));
    set(&mut scene);
    let found = standing(&scene, "web");
    let word = match (found.converged, found.failed) {
        (true, false) => "converged",
        (false, true) => "failed",
        (false, false) => "under way",
        (true, true) => "both",
    };
    assert_eq!((found.running, found.wanted, word), expected, "{found:?}");
    assert_eq!(found.reasons, reasons);
}

fn run(scene: &mut Scene, slots: std::ops::RangeInclusive<u64>) {
    slots.for_each(|slot| scene.task("web", slot, |_| {}));
}

#[test]
fn replicas_are_counted() {
    check(|_| {}, (0, 3, "under way"), &["3 to be made"]);
    check(|scene| run(scene, 1..=3), (3, 3, "converged"), &[]);
    check(
        |scene| {
            run(scene, 1..=1);
            scene.task("web", 2, state(TaskState::Starting));
        },
        (1, 3, "under way"),
        &["1 starting, 1 running, 1 to be made"],
    );
    // More than wanted is not as wanted; what is told to end is not meant.
    check(
        |scene| run(scene, 1..=4),
        (4, 3, "under way"),
        &["4 running"],
    );
    check(
        |scene| {
            run(scene, 1..=3);
            scene.task("web", 4, |task| task.set_desired_state(TaskState::Shutdown));
        },
        (3, 3, "converged"),
        &[],
    );
    check(
        |scene| {
            run(scene, 1..=2);
            scene.task("web", 3, |task| task.status.set_health(Health::Unhealthy));
        },
        (3, 3, "under way"),
        &["unhealthy"],
    );
    check(
        |scene| {
            run(scene, 1..=3);
            scene.node_is("n1", NodeState::Down);
        },
        (2, 3, "under way"),
        &["3 running"],
    );
    check(
        |scene| scene.edit("web", |web| web.spec.mode = replicas(0)),
        (0, 0, "converged"),
        &[],
    );
    check(
        |scene| {
            run(scene, 1..=3);
            scene.edit("web", |web| web.trouble = "no subnet is free".into());
        },
        (3, 3, "under way"),
        &["no subnet is free"],
    );
    check(
        |scene| {
            run(scene, 1..=3);
            scene.edit("web", |web| web.removing = true);
        },
        (3, 3, "under way"),
        &["3 running"],
    );
    check(
        |scene| {
            run(scene, 1..=1);
            scene.edit("web", |web| web.removing = true);
        },
        (1, 3, "under way"),
        &["1 running"],
    );
}

#[test]
fn one_per_node_is_counted_by_nodes() {
    let global = |scene: &mut Scene| {
        scene.edit("web", |web| {
            web.spec.mode = Some(ServiceMode::Global(Global {}))
        });
    };
    let on_nodes = |scene: &mut Scene, nodes: &[&str]| {
        for node in nodes {
            scene.task("web", 0, |task| task.node_id = (*node).into());
        }
    };
    check(global, (0, 3, "under way"), &["3 to be made"]);
    check(
        |scene| {
            global(scene);
            on_nodes(scene, &["n1", "n2", "n3"]);
        },
        (3, 3, "converged"),
        &[],
    );
    check(
        |scene| {
            global(scene);
            on_nodes(scene, &["n1", "n2", "n3"]);
            scene.node_is("n2", NodeState::Down);
        },
        (2, 2, "converged"),
        &[],
    );
}

#[test]
fn reasons_are_told_once_with_how_many_they_are() {
    let pending = "no suitable node (3 nodes: insufficient memory)";
    check(
        |scene| {
            for slot in 1..=3 {
                scene.task("web", slot, |task| {
                    state(TaskState::Pending)(task);
                    task.status.message = pending.into();
                    task.node_id.clear();
                });
            }
        },
        (0, 3, "under way"),
        &["3 tasks: no suitable node (3 nodes: insufficient memory)"],
    );
    check(
        |scene| {
            run(scene, 1..=2);
            scene.task("web", 3, |task| {
                task.status.set_state(TaskState::Failed);
                task.status.exit_code = Some(137);
                task.set_desired_state(TaskState::Shutdown);
            });
            scene.now_ms += 1;
            scene.task("web", 3, |task| {
                state(TaskState::Ready)(task);
                task.attempt = 1;
            });
        },
        (2, 3, "under way"),
        &["failed: exit code 137"],
    );
    check(
        |scene| {
            for slot in 1..=2 {
                scene.task("web", slot, |task| {
                    task.status.set_state(TaskState::Rejected);
                    task.status.error = "no such image".into();
                });
            }
        },
        (0, 3, "under way"),
        &["2 tasks: rejected: no such image"],
    );
}

#[test]
fn what_a_person_must_look_after_has_failed() {
    let rollout = |state: RolloutState| {
        move |scene: &mut Scene| {
            run(scene, 1..=3);
            scene.update("web");
            scene.tasks("web", |task| task.revision = 2);
            scene.rollout_is("web", state);
            scene.edit("web", |web| {
                web.rollout.as_mut().expect("a rollout").message = "1 of 3 tasks failed".into();
            });
        }
    };
    check(rollout(RolloutState::Completed), (3, 3, "converged"), &[]);
    let told = "updating: 1 of 3 tasks failed";
    check(
        rollout(RolloutState::Updating),
        (3, 3, "under way"),
        &[told],
    );
    let told = "update paused: 1 of 3 tasks failed";
    check(rollout(RolloutState::Paused), (3, 3, "failed"), &[told]);
    let told = "rolled back: 1 of 3 tasks failed";
    check(rollout(RolloutState::RolledBack), (3, 3, "failed"), &[told]);
    check(
        |scene| {
            scene.edit("web", |web| {
                web.spec.task.restart.set_condition(RestartCondition::None);
            });
            scene.update("web");
            scene.rollout_is("web", RolloutState::Completed);
            run(scene, 1..=2);
            scene.task("web", 3, |task| {
                task.status.set_state(TaskState::Failed);
                task.status.exit_code = Some(1);
            });
        },
        (2, 3, "failed"),
        &["failed: exit code 1", "given up: it is not to be restarted"],
    );
    // What an update is about to replace is no failure of it.
    check(
        |scene| {
            scene.edit("web", |web| {
                web.spec.task.restart.set_condition(RestartCondition::None);
            });
            run(scene, 1..=2);
            scene.task("web", 3, state(TaskState::Failed));
            scene.update("web");
            scene.rollout_is("web", RolloutState::Updating);
        },
        (2, 3, "under way"),
        &["updating", "failed"],
    );
    check(
        |scene| {
            scene.edit("web", |web| {
                web.waiting = Some(GateWait {
                    since_ms: scene_start(),
                    deadline_ms: scene_start() + 300_000,
                    message: "db service_healthy 1/2".into(),
                    expired: true,
                    ..GateWait::default()
                });
            });
            (1..=3).for_each(|slot| scene.task("web", slot, state(TaskState::Ready)));
        },
        (0, 3, "failed"),
        &["gave up to wait after 05:00: db service_healthy 1/2"],
    );
}

fn scene_start() -> i64 {
    crate::gate::scene::START_MS
}

#[test]
fn jobs_converge_when_they_have_ended() {
    let of_job = |scene: &mut Scene| {
        scene.edit("web", |web| {
            (web.spec.mode, web.job_iteration) = (job(2), 1)
        });
    };
    check(of_job, (0, 2, "under way"), &["2 to be made"]);
    check(
        |scene| {
            of_job(scene);
            scene.task("web", 1, state(TaskState::Complete));
            scene.task("web", 2, |_| {});
        },
        (1, 2, "under way"),
        &["1 running, 1 complete"],
    );
    check(
        |scene| {
            of_job(scene);
            (1..=2).for_each(|slot| scene.task("web", slot, state(TaskState::Complete)));
        },
        (0, 2, "converged"),
        &[],
    );
    // The next run has not been done yet.
    check(
        |scene| {
            of_job(scene);
            (1..=2).for_each(|slot| scene.task("web", slot, state(TaskState::Complete)));
            scene.edit("web", |web| web.job_iteration = 2);
        },
        (0, 2, "under way"),
        &["2 to be made"],
    );
    let failing = |scene: &mut Scene| {
        of_job(scene);
        scene.task("web", 1, state(TaskState::Complete));
        scene.task("web", 2, |task| {
            task.status.set_state(TaskState::Failed);
            task.status.exit_code = Some(2);
        });
    };
    check(failing, (0, 2, "under way"), &["failed: exit code 2"]);
    let given_up = ["failed: exit code 2", "given up: it is not to be restarted"];
    let never = |scene: &mut Scene| {
        scene.edit("web", |web| {
            web.spec.task.restart.set_condition(RestartCondition::None)
        });
        scene.update("web");
        scene.edit("web", |web| web.rollout = None);
        failing(scene);
    };
    check(never, (0, 2, "failed"), &given_up);
    // What runs by the clock is as it should be while it waits for its time.
    check(
        |scene| {
            never(scene);
            scene.edit("web", |web| web.spec.schedule = "@daily".into());
        },
        (0, 2, "converged"),
        &given_up,
    );
}

#[test]
fn a_service_whose_tasks_end_and_stay_ended_converges() {
    check(
        |scene| {
            scene.edit("web", |web| {
                web.spec
                    .task
                    .restart
                    .set_condition(RestartCondition::OnFailure);
            });
            scene.update("web");
            scene.rollout_is("web", RolloutState::Completed);
            (1..=3).for_each(|slot| scene.task("web", slot, state(TaskState::Complete)));
        },
        (0, 3, "converged"),
        &[],
    );
}

#[test]
fn gate_point_05_a_dependency_that_turned_ill_is_told() {
    let mut scene = Scene::new();
    scene.service("db", |_| {});
    scene.task("db", 1, |_| {});
    scene.service("web", |web| web.spec.depends_on = vec![on("db", Healthy)]);
    scene.look_and_keep("web");
    scene.task("web", 1, |_| {});
    scene.tasks("db", |task| task.status.set_health(Health::Unhealthy));
    let web = standing(&scene, "web");
    assert!(web.converged);
    assert_eq!(web.reasons, ["dependency degraded: db service_healthy 0/1"]);
}

#[test]
fn gate_point_12_who_waits_says_for_what_since_when_and_until_when() {
    let mut scene = Scene::new();
    scene.service("db", |db| db.spec.mode = replicas(2));
    scene.task("db", 1, |_| {});
    scene.service("web", |web| web.spec.depends_on = vec![on("db", Healthy)]);
    scene.task("web", 1, |task| {
        state(TaskState::Ready)(task);
        task.set_desired_state(TaskState::Ready);
    });
    let told = |scene: &Scene| {
        let task = scene.state.tasks_of("web").next().expect("a task");
        waiting(&scene.state, task, scene.now_ms)
    };
    scene.look_and_keep("web");
    for _ in 0..3 {
        scene.now_ms += 4_000;
        scene.look_and_keep("web");
    }
    let expected = "waiting: db service_healthy 1/2, 00:12, deadline 04:48";
    assert_eq!(told(&scene), expected);
    assert_eq!(standing(&scene, "web").reasons, [expected]);
    assert!(!standing(&scene, "web").converged);

    scene.task("db", 2, |_| {});
    scene.look_and_keep("web");
    assert_eq!(told(&scene), "");
    // Other things that a task waits for.
    let now_ms = scene.now_ms;
    scene.tasks("web", |task| task.not_before_ms = now_ms + 3_100);
    assert_eq!(told(&scene), "starts in 00:04");
    scene.tasks("web", |task| {
        task.not_before_ms = 0;
        task.status.set_state(TaskState::Pending);
        task.status.message = "no suitable node".into();
    });
    assert_eq!(told(&scene), "no suitable node");
    scene.tasks("web", state(TaskState::Running));
    assert_eq!(told(&scene), "");
}
