//! What runs in a life.

use model::{
    Autoscale, Dependency, DependencyCondition, GateSpec, SpreadPreference, StackSpec, UpdateOrder,
};

use super::{Chaos, MINUTE_MS};
use crate::Behaviour;
use crate::specs::{
    after, global, job, on_host_port, probed, rebalanced, replicated, reserving, stack, updated,
};

impl Chaos {
    pub(super) fn make_services(&mut self) {
        for (image, behaviour) in [
            ("job", Behaviour::ending(1500, 0)),
            ("tick", Behaviour::ending(5000, 0)),
            ("ill", Behaviour::ill()),
            (
                "missing",
                Behaviour {
                    exists: false,
                    ..Behaviour::default()
                },
            ),
            ("migrate:1", Behaviour::ending(2000, 0)),
            ("migrate:2", Behaviour::ending(20_000, 0)),
            ("migrate:9", Behaviour::ending(2000, 0)),
            // The third version cannot be migrated to.
            ("migrate:3", Behaviour::ending(1000, 1)),
        ] {
            self.world.image(image, behaviour);
        }
        let dice = &mut self.dice;
        let order = UpdateOrder::try_from(i32::try_from(dice.below(3)).unwrap_or(0));
        let order = order.unwrap_or(UpdateOrder::Auto);
        let mut web = probed(replicated("web", "web:1", 2 + dice.below(6)));
        web = updated(web, order, dice.below(3));
        if dice.once_in(2) {
            web = rebalanced(web);
        }
        if dice.once_in(3) {
            web.task.placement.preferences.push(SpreadPreference {
                over: "node.labels.zone".to_owned(),
                max_skew: 0,
            });
        }
        if dice.once_in(2) {
            web.autoscale = Some(Autoscale {
                min: 1,
                max: 9,
                cpu: 0.5,
                cooldown_ms: 10_000,
                ..Autoscale::default()
            });
        }
        let api = after(
            replicated("api", "api:1", 2),
            "web",
            DependencyCondition::Healthy,
        );
        let mut tick = job("tick", "tick", 2);
        "*/2 * * * *".clone_into(&mut tick.schedule);
        let mut big = reserving(replicated("big", "big:1", 3), 3 << 30);
        if dice.once_in(2) {
            big = rebalanced(big);
        }
        let all = [
            web,
            on_host_port(api, 8080),
            global("log", "log:1"),
            job("once", "job", 3),
            tick,
            big,
        ];
        for spec in all {
            self.world.create(spec).expect("it can be meant");
        }
        if self.dice.once_in(2) {
            self.world.deploy(&shop(1)).expect("it can be meant");
        }
        if self.dice.once_in(3) {
            self.world.run_for(2 * MINUTE_MS);
        }
    }
}

/// A database, a migration that waits for it, and a front that waits for both.
pub(super) fn shop(version: u64) -> StackSpec {
    let image = |name: &str| format!("{name}:{version}");
    let mut migrate = after(
        job("shop_migrate", &image("migrate"), 1),
        "shop_db",
        DependencyCondition::Healthy,
    );
    migrate.task.restart.max_attempts = 2;
    let mut front = after(
        replicated("shop_front", &image("front"), 3),
        "shop_migrate",
        DependencyCondition::CompletedSuccessfully,
    );
    front.depends_on.push(Dependency {
        service: "shop_db".to_owned(),
        condition: DependencyCondition::Healthy.into(),
        restart: version == 2,
        ..Dependency::default()
    });
    front.gate = GateSpec {
        always: version == 3,
        ..GateSpec::default()
    };
    stack(
        "shop",
        vec![
            probed(replicated("shop_db", &image("db"), 1)),
            migrate,
            front,
        ],
    )
}
