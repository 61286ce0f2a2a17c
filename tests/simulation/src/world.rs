//! The world: one clock, its members, its clients, its misfortunes, and what came of it all.

mod strike;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use consensus::{Standing, Status};

use crate::admin::Admin;
use crate::clients::{Client, End, History};
use crate::dice::{Dice, Digest};
use crate::faults::Storm;
use crate::host::{Birth, Habits, Life, Stillborn};
use crate::journal::Slowness;
use crate::judge::{Judge, Oracle};
use crate::network::{Network, QUICKEST, Time};
use crate::panics;
use crate::plan::{Plan, Report};
use crate::power::{Disks, lock};
use crate::registers::Published;
use crate::wire::{Address, Body, Errand, Message, Outbox, leading_term};

/// Runs the world of a seed.
pub fn run(seed: u64, plan: &Plan) -> Report {
    consensus::seed_simulation(seed);
    let _quiet = panics::collect(!plan.verbose);
    let mut world = World::new(seed, *plan);
    world.live();
    world.report
}

/// How long one step of the world takes: nothing that is sent in it arrives in it.
const TICK: Time = QUICKEST;
/// How long a group may take to gather: the network loses messages already, and each lost errand costs the administrator three seconds.
const GATHERING: Time = 60_000;
/// How long a healthy group may take until it is well again.
const RECOVERY: Time = 10_000;
/// How long clients go on after the storm.
const AFTERMATH: Time = 800;

struct Host {
    life: Option<Life>,
    disks: Disks,
    /// When it starts again.
    up_at: Time,
    /// Until when it is stopped, since when, and whether its clock goes on meanwhile.
    frozen: Option<(Time, Time, bool)>,
    slow: Slowness,
    dice: Dice,
    lives: u64,
    /// When it is switched off, after it was removed.
    retires: Option<Time>,
    cut_in: Option<u64>,
}

struct World {
    plan: Plan,
    now: Time,
    dice: Dice,
    habits: Habits,
    slow: Slowness,
    network: Network,
    hosts: BTreeMap<u64, Host>,
    clients: Vec<Client>,
    history: History,
    admin: Admin,
    storm: Storm,
    judge: Judge,
    digest: Digest,
    next_id: u64,
    removed: BTreeSet<u64>,
    report: Report,
}

impl World {
    fn new(seed: u64, plan: Plan) -> Self {
        let mut dice = Dice::new(seed);
        let ms = Duration::from_millis;
        let slow = dice.pick(&[
            None,
            Some((ms(0), ms(3))),
            Some((ms(1), ms(15))),
            Some((ms(5), ms(60))),
        ]);
        let habits = Habits {
            outbox: Outbox::default(),
            planted: plan.planted,
            snapshot_every: dice.between(20, 50),
        };
        let clients = dice.between(3, 6);
        let keys = dice.between(2, 4);
        let rest = dice.pick(&[30, 80, 200]);
        World {
            now: 0,
            network: Network::new(dice.split()),
            clients: (1..=clients)
                .map(|id| Client::new(id, keys, rest, dice.split()))
                .collect(),
            admin: Admin::new(dice.split()),
            storm: Storm::new(dice.split()),
            plan,
            dice,
            habits,
            slow,
            hosts: BTreeMap::new(),
            history: History::default(),
            judge: Judge::default(),
            digest: Digest::default(),
            next_id: 1,
            removed: BTreeSet::new(),
            report: Report {
                seed,
                ..Report::default()
            },
        }
    }

    fn say(&self, what: impl FnOnce() -> String) {
        if self.plan.verbose {
            println!("{:>7} {}", self.now, what());
        }
    }

    fn live(&mut self) {
        let stages = [World::gather, World::weather_the_storm, World::recover];
        for stage in stages {
            stage(self);
            if !self.judge.failures.is_empty() {
                break;
            }
        }
        let records = &self.history.records;
        if self.judge.failures.is_empty() {
            self.report.undecided = self.judge.outcomes(records);
        }
        for record in records {
            let at = match record.end {
                End::Written(..) | End::Value(_) => 0,
                End::Refused => 1,
                End::Unknown => 2,
            };
            self.report.operations[at] += 1;
            self.digest.bytes(format!("{record:?}").as_bytes());
        }
        self.report.history = self.digest.value();
        self.report.simulated = self.now;
        self.report.elections = self.judge.elections();
        self.report.failures = std::mem::take(&mut self.judge.failures);
    }

    /// A group is founded and grows.
    fn gather(&mut self) {
        let size = self.dice.between(3, 5);
        let first = self.new_host();
        let founded = self.hosts[&first]
            .life
            .as_ref()
            .map(|life| life.found(first));
        if !matches!(founded, Some(Ok(()))) {
            let story = format!("a group cannot be founded: {founded:?}");
            self.judge.fail(Oracle::Alive, story);
        }
        for _ in 1..size {
            self.add();
        }
        let all = |world: &World| world.admin.is_idle();
        if !self.until(GATHERING, all) {
            self.judge.fail(
                Oracle::Alive,
                format!("{size} members do not come together"),
            );
        }
    }

    fn weather_the_storm(&mut self) {
        let end = self.now + self.plan.storm;
        while self.now < end && self.judge.failures.is_empty() {
            if let Some(fault) = self.storm.strikes(self.now) {
                self.strike(fault);
            }
            self.step(true);
        }
    }

    /// Everything is healed; the group must be well soon, and agree.
    fn recover(&mut self) {
        self.heal();
        let aftermath = self.now + AFTERMATH;
        let deadline = self.now + RECOVERY;
        while self.now < aftermath && self.judge.failures.is_empty() {
            self.step(true);
        }
        let mut prober = Client::new(99, 1, 1, self.dice.split());
        let mut why = "no write succeeds".to_owned();
        let mut written = false;
        while self.judge.failures.is_empty() {
            if self.now > deadline {
                let lines: Vec<String> = self
                    .living()
                    .map(|(id, life)| format!("{id}: {}", brief(&life.node.status())))
                    .collect();
                let story = format!(
                    "not well {RECOVERY} ms after everything was healed: {why}\n    {}",
                    lines.join("\n    ")
                );
                self.judge.fail(Oracle::Alive, story);
                return;
            }
            if !written && !prober.is_waiting() {
                written = prober.last_written(&self.history);
                if !written {
                    let members = self.addresses();
                    prober.write(self.now, &members, &mut self.history, &self.habits.outbox);
                }
            }
            self.clients.push(prober);
            self.step(false);
            prober = self.clients.pop().expect("it was put there");
            let resting = self.clients.iter().all(|client| !client.is_waiting());
            if written && resting {
                match self.agreed() {
                    Ok(()) => return,
                    Err(reason) => why = reason,
                }
            }
        }
    }

    /// Whether all members of the group hold the state that the log leads to.
    fn agreed(&mut self) -> Result<(), String> {
        let leader = self
            .living()
            .find(|(_, life)| life.leadership.borrow().is_self);
        let Some((leader, life)) = leader else {
            return Err("nobody leads".to_owned());
        };
        let status = life.node.status();
        let state = lock(&life.window.published).clone();
        let ids: Vec<u64> = status.members.iter().map(|member| member.id).collect();
        for id in &ids {
            let Some(life) = self.hosts.get(id).and_then(|host| host.life.as_ref()) else {
                return Err(format!("member {id} of the group is off"));
            };
            let theirs: Published = lock(&life.window.published).clone();
            if (theirs.at, theirs.chain) != (state.at, state.chain) {
                return Err(format!(
                    "member {id} is at {:?}, the leader {leader} at {:?}",
                    theirs.at, state.at
                ));
            }
        }
        let expected = self.judge.expected_state();
        for id in &ids {
            let registers = lock(
                &self.hosts[id]
                    .life
                    .as_ref()
                    .expect("seen above")
                    .window
                    .published,
            )
            .registers
            .clone();
            if registers != expected {
                let story =
                    format!("member {id} holds {registers:?}, the log leads to {expected:?}");
                self.judge.fail(Oracle::SameState, story);
            }
        }
        if let Some(id) = ids.iter().find(|id| self.removed.contains(id)) {
            let story = format!("the removal of {id} was acknowledged, and the group is {ids:?}");
            self.judge.fail(Oracle::RemovedIsGone, story);
        }
        Ok(())
    }

    fn until(&mut self, within: Time, holds: impl Fn(&World) -> bool) -> bool {
        let end = self.now + within;
        while self.now < end && self.judge.failures.is_empty() {
            if holds(self) {
                return true;
            }
            self.step(false);
        }
        !self.judge.failures.is_empty()
    }

    /// One tick of the world.
    fn step(&mut self, clients_ask: bool) {
        self.now += TICK;
        self.judge.now = self.now;
        while let Some(message) = self.network.arrived(self.now) {
            self.deliver(message);
        }
        let ids: Vec<u64> = self.hosts.keys().copied().collect();
        for id in ids {
            self.tick_host(id);
            self.collect();
        }
        let members = self.addresses();
        for client in &mut self.clients {
            client.act(
                self.now,
                &members,
                clients_ask,
                &mut self.history,
                &self.habits.outbox,
            );
        }
        self.admin.act(self.now, &members, &self.habits.outbox);
        self.collect();
    }

    fn collect(&mut self) {
        for message in self.habits.outbox.drain() {
            message.digest(&mut self.digest);
            if let (Body::Raft(consensus::Rpc::Append, bytes), Address::Member(from)) =
                (&message.body, message.from)
                && let Some(term) = leading_term(bytes)
            {
                self.judge.leads(term, from);
            }
            self.network.send(self.now, message);
        }
    }

    fn deliver(&mut self, message: Message) {
        match message.to {
            Address::Client(id) => {
                self.say(|| format!("client {id} hears {:?}", message.body));
                // The prober is the last one.
                let at = if id == 99 {
                    self.clients.len()
                } else {
                    usize::try_from(id).unwrap_or(0)
                };
                if let Some(client) = self.clients.get_mut(at - 1) {
                    client.hear(self.now, message, &mut self.history);
                }
            }
            Address::Admin => {
                self.say(|| format!("the administrator hears {:?}", message.body));
                if let Some(done) = self.admin.hear(self.now, &message) {
                    self.report.changes += 1;
                    self.acknowledged(done);
                }
            }
            Address::Member(id) => {
                let Some(host) = self.hosts.get(&id) else {
                    return;
                };
                match &host.life {
                    Some(life) => life.receive(message),
                    None if !message.is_answer() && self.dice.permille(700) => {
                        self.network.send(self.now, message.answer(Body::Closed));
                    }
                    None => {}
                }
            }
        }
    }

    fn acknowledged(&mut self, errand: Errand) {
        self.say(|| format!("done: {errand:?}"));
        if let Errand::Remove(id) = errand {
            self.removed.insert(id);
            let later = self.now + self.dice.between(0, 2000);
            if let Some(host) = self.hosts.get_mut(&id) {
                host.retires = Some(later);
            }
        }
    }

    fn tick_host(&mut self, id: u64) {
        let now = self.now;
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        if host.retires.is_some_and(|at| now >= at) {
            self.crash(id, None);
            self.hosts.remove(&id);
            return;
        }
        if host.life.is_none() {
            if now >= host.up_at {
                self.start(id);
            }
            return;
        }
        let Some(life) = &host.life else { return };
        if let Some((until, since, clock_goes_on)) = host.frozen {
            if now < until {
                return;
            }
            host.frozen = None;
            if clock_goes_on {
                life.jump(Duration::from_millis(now - since));
            }
        }
        life.tick(Duration::from_millis(TICK));
        self.observe(id);
    }

    /// Hands the judge what a member did.
    fn observe(&mut self, id: u64) {
        let Some(life) = self.hosts.get(&id).and_then(|host| host.life.as_ref()) else {
            return;
        };
        let leadership = *life.leadership.borrow();
        if leadership.is_self {
            self.judge.leads(leadership.term, id);
        }
        let deeds = std::mem::take(&mut *lock(&life.window.deeds));
        let off = life.power.is_off();
        let failed = life.power.has_failed();
        let stopped = (self.now % 50 < TICK)
            .then(|| life.node.status())
            .filter(|status| status.standing == Standing::Stopped || status.failure.is_some());
        for deed in deeds {
            self.digest.word(id);
            self.digest.bytes(format!("{deed:?}").as_bytes());
            self.report.snapshots +=
                u64::from(matches!(deed, crate::registers::Deed::Restored(..)));
            self.say(|| format!("member {id}: {deed:?}"));
            self.judge.deed(id, deed);
        }
        if off || (failed && stopped.is_some()) {
            let absence = self.storm.absence();
            self.crash(id, Some(absence));
        } else if let Some(status) = stopped {
            let panics = panics::last().unwrap_or_default();
            let story = format!(
                "member {id} has stopped by itself: {:?}; {panics}",
                status.failure
            );
            self.judge.fail(Oracle::Starts, story);
        }
    }

    fn start(&mut self, id: u64) {
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let birth = Birth {
            id,
            disks: host.disks.clone(),
            slow: host.slow,
            dice: host.dice.split(),
            again: host.lives > 0,
            cut_in: host.cut_in.take(),
        };
        host.lives += 1;
        host.frozen = None;
        self.judge.born(id);
        match Life::begin(birth, &self.habits) {
            Ok(life) => {
                self.hosts.get_mut(&id).expect("seen above").life = Some(life);
                self.say(|| format!("member {id} is up"));
                self.observe(id);
            }
            Err(Stillborn::PowerCut(left)) => {
                let absence = self.storm.absence();
                let host = self.hosts.get_mut(&id).expect("seen above");
                (host.disks, host.up_at) = (left, self.now + absence);
                self.report.crashes += 1;
                self.say(|| format!("member {id} loses power while it starts"));
            }
            Err(Stillborn::Refused(reason)) => {
                let panics = panics::last().unwrap_or_default();
                self.judge.fail(
                    Oracle::Starts,
                    format!("member {id} does not start: {reason}; {panics}"),
                );
            }
        }
    }

    fn crash(&mut self, id: u64, absence: Option<Time>) {
        let seed = self.dice.roll();
        let Some(host) = self.hosts.get_mut(&id) else {
            return;
        };
        let Some(life) = host.life.take() else { return };
        host.disks = life.crash(seed);
        host.up_at = self.now + absence.unwrap_or(Time::MAX / 2);
        host.frozen = None;
        self.report.crashes += 1;
        self.say(|| format!("member {id} loses power, back in {absence:?}"));
    }

    fn new_host(&mut self) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        let host = Host {
            life: None,
            disks: Disks::default(),
            up_at: 0,
            frozen: None,
            slow: self.slow,
            dice: self.dice.split(),
            lives: 0,
            retires: None,
            cut_in: None,
        };
        self.hosts.insert(id, host);
        self.start(id);
        id
    }

    fn add(&mut self) {
        let id = self.new_host();
        self.admin.queue(Errand::Learner(id));
        self.admin.queue(Errand::Promote(id));
    }

    fn living(&self) -> impl Iterator<Item = (u64, &Life)> {
        self.hosts
            .iter()
            .filter_map(|(id, host)| Some((*id, host.life.as_ref()?)))
    }

    /// Members that clients know.
    fn addresses(&self) -> Vec<u64> {
        let here = |(_, host): &(&u64, &Host)| host.retires.is_none();
        self.hosts.iter().filter(here).map(|(id, _)| *id).collect()
    }
}

fn brief(status: &Status) -> String {
    let voters = |voter| {
        let ids = status
            .members
            .iter()
            .filter(move |member| member.voter == voter);
        ids.map(|member| member.id).collect::<Vec<u64>>()
    };
    format!(
        "{:?}, {:?}, last {:?}, applied {:?}, voters {:?}, learners {:?}",
        status.standing,
        status.leadership,
        status.last_index,
        status.applied,
        voters(true),
        voters(false)
    )
}
