//! Carries out what the orchestrator decides: what happens makes services dirty, a round plans for those that are, the plans are
//! committed, and what that leads to makes services dirty again, until nothing changes.
//!
//! All that it keeps in memory follows from the view: it is built when this manager begins to lead, and gone when it leads no
//! more. A round's plans are committed, or given up, before the next round looks at the state.

mod dirty;
mod pack;
mod round;
mod timers;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use store::transaction::RefusalKind;

use crate::clock::now_ms;
use crate::manager::Manager;
use pack::Pack;
use round::{Planner, Round};
use timers::Key;

/// How often automatic scaling is looked at.
const SCALE: Duration = Duration::from_secs(5);
/// A plan that was refused is made again at once, then after this, doubled each time.
const FIRST_PAUSE_MS: i64 = 10;
const LONGEST_PAUSE_MS: i64 = 1000;
/// After a round that took long the others get their turn: for as long as it took, up to this.
const LONGEST_REST: Duration = Duration::from_millis(25);
/// A round that took less is followed by the next at once.
const SHORT: Duration = Duration::from_millis(2);

/// Orchestrates for as long as it is not stopped. On the leader of that term.
pub(super) async fn orchestrate(manager: Manager, term: u64) {
    let mut follower = manager.replica().follow();
    let mut version = manager.replica().version();
    let mut planner = Planner::new(manager.clone());
    let mut refused = BTreeMap::<Key, u32>::new();
    let mut next_scale = Instant::now() + SCALE;
    loop {
        version.borrow_and_update();
        let (view, happened) = follower.take();
        let scale = Instant::now() >= next_scale;
        if scale {
            next_scale = Instant::now() + SCALE;
        }
        let begun = Instant::now();
        let planning = tokio::task::spawn_blocking(move || {
            let round = planner.round(&view, happened, now_ms(), scale);
            (planner, round)
        });
        let round;
        (planner, round) = match planning.await {
            Ok(planned) => planned,
            Err(error) => {
                // A decision that cannot be made must not stop all others: everything is looked at anew.
                tracing::error!(%error, "the orchestrator failed; it begins anew");
                tokio::time::sleep(Duration::from_secs(1)).await;
                follower = manager.replica().follow();
                planner = Planner::new(manager.clone());
                continue;
            }
        };
        let took = begun.elapsed();
        manager.counters().round(took);
        let Round { packs, quiet, more } = round;
        let nothing = packs.is_empty() && quiet.is_empty() && !more;
        if !packs.is_empty() {
            let committed = join_all(packs.into_iter().map(|pack| commit(&manager, term, pack)));
            for (keys, outcome) in committed.await {
                for key in keys {
                    settle(&mut planner, &mut refused, key, outcome);
                }
            }
        }
        // Reports that were on their way are written, and the plans made anew on what they say.
        join_all(quiet).await;
        if took > SHORT {
            tokio::time::sleep(took.min(LONGEST_REST)).await;
        }
        if nothing {
            let scale = next_scale.saturating_duration_since(Instant::now());
            let due = until(planner.next_due()).min(scale);
            tokio::select! {
                changed = version.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(due) => {}
            }
        }
    }
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// Something else changed first: it is made anew.
    Overtaken,
    /// It could not be committed, or made no sense: it is made anew after a pause.
    Failed,
}

fn settle(planner: &mut Planner, refused: &mut BTreeMap<Key, u32>, key: Key, outcome: Outcome) {
    if outcome == Outcome::Done {
        refused.remove(&key);
        planner.look_again(key);
        return;
    }
    let times = refused.entry(key.clone()).or_default();
    *times += 1;
    if outcome == Outcome::Overtaken && *times == 1 {
        planner.look_again(key);
    } else {
        let pause = FIRST_PAUSE_MS << (*times).min(10);
        planner.look_again_at(key, now_ms() + pause.min(LONGEST_PAUSE_MS));
    }
}

/// Commits a pack step by step: a later step counts on the earlier ones.
async fn commit(manager: &Manager, term: u64, pack: Pack) -> (Vec<Key>, Outcome) {
    let begun = Instant::now();
    for changes in pack.steps {
        let count = changes.len();
        match manager.propose(term, changes).await {
            Ok(reply) => {
                let Some(refusal) = reply.refusal else {
                    manager.counters().committed(count, begun.elapsed());
                    continue;
                };
                manager.counters().refused();
                let outcome = match refusal.kind() {
                    RefusalKind::Overtaken | RefusalKind::Missing => {
                        tracing::debug!(%refusal, "a plan was overtaken");
                        Outcome::Overtaken
                    }
                    RefusalKind::Fenced => Outcome::Failed,
                    RefusalKind::Exists | RefusalKind::Invalid => {
                        tracing::warn!(%refusal, "a plan was refused; it is made anew");
                        Outcome::Failed
                    }
                };
                return (pack.keys, outcome);
            }
            Err(status) => {
                tracing::debug!(error = status.message(), "a plan was not committed");
                return (pack.keys, Outcome::Failed);
            }
        }
    }
    (pack.keys, Outcome::Done)
}

/// How long until a time of the clock.
fn until(at_ms: Option<i64>) -> Duration {
    const LONG: Duration = Duration::from_secs(3600);
    at_ms.map_or(LONG, |at_ms| {
        let wait = u64::try_from(at_ms - now_ms()).unwrap_or(0);
        Duration::from_millis(wait).min(LONG)
    })
}
