//! What each misfortune does to the world, and how all of them end.

use super::World;
use crate::faults::Fault;
use crate::network::{Burst, Cut, partition};
use crate::wire::Errand;

impl World {
    /// Lets a misfortune happen.
    pub(super) fn strike(&mut self, fault: Fault) {
        let all = self.addresses();
        let up: Vec<u64> = self.living().map(|(id, _)| id).collect();
        let leader = self
            .living()
            .find(|(_, life)| life.leadership.borrow().is_self)
            .map(|(id, _)| id);
        if up.is_empty() {
            return;
        }
        let victim = match leader {
            Some(leader) if self.dice.permille(400) => leader,
            _ => self.dice.pick(&up),
        };
        self.say(|| format!("{fault:?}, {victim}"));
        match fault {
            Fault::Crash => {
                let absence = self.storm.absence();
                self.crash(victim, Some(absence));
            }
            Fault::Flicker => {
                let absence = self.dice.between(2, 40);
                self.crash(leader.unwrap_or(victim), Some(absence));
            }
            Fault::CrashAll => {
                let together = self.dice.permille(500).then(|| self.dice.between(2, 500));
                for id in up {
                    let absence = together.unwrap_or_else(|| self.storm.absence());
                    self.crash(id, Some(absence));
                }
            }
            Fault::CrashWithin(operations) => {
                if self.dice.permille(300) {
                    // Once more while it starts.
                    self.crash(victim, Some(10));
                    let host = self.hosts.get_mut(&victim).expect("it is up");
                    host.cut_in = Some(operations);
                } else {
                    let seed = self.dice.roll();
                    let life = self.hosts[&victim].life.as_ref().expect("it is up");
                    life.power.cut_in(operations, seed);
                }
            }
            Fault::SyncFails => self.hosts[&victim]
                .life
                .as_ref()
                .expect("it is up")
                .power
                .fail_sync(),
            Fault::Partition { holds } => {
                if all.len() < 2 {
                    return;
                }
                let (shape, pairs) = partition(&mut self.dice, &all);
                self.say(|| format!("{shape}: {pairs:?}"));
                let until = self.now + self.storm.duration();
                self.network.cut(Cut {
                    until,
                    pairs,
                    holds,
                });
                self.report.partitions += 1;
            }
            Fault::Burst => {
                let loss = self.dice.pick(&[0, 50, 300]);
                let delay = self.dice.pick(&[10, 80, 400]);
                let until = self.now + self.storm.duration();
                self.network.burst(Burst { until, loss, delay });
            }
            Fault::Freeze { clock_goes_on } => {
                let until = self.now + self.storm.duration();
                let host = self.hosts.get_mut(&victim).expect("it is up");
                host.frozen = host.frozen.or(Some((until, self.now, clock_goes_on)));
            }
            Fault::Membership if self.admin.is_idle() => {
                if all.len() < 4 || (all.len() < 6 && self.dice.permille(500)) {
                    self.add();
                } else {
                    let leaves = self.dice.pick(&all);
                    self.admin.queue(Errand::Remove(leaves));
                }
            }
            Fault::HandOver if self.admin.is_idle() => self.admin.queue(Errand::HandOver),
            Fault::Snapshot if self.admin.is_idle() => self.admin.queue(Errand::Snapshot),
            Fault::Membership | Fault::HandOver | Fault::Snapshot => {}
        }
    }

    /// Ends every misfortune.
    pub(super) fn heal(&mut self) {
        self.say(|| "all is healed".to_owned());
        self.network.heal();
        self.admin.stop();
        for host in self.hosts.values_mut() {
            host.up_at = host.up_at.min(self.now);
            host.cut_in = None;
            if let Some((until, since, clock_goes_on)) = host.frozen {
                host.frozen = Some((until.min(self.now), since, clock_goes_on));
            }
        }
    }
}
