//! Whether there is anything left to wait for. Pure.

use model::RolloutState;

use super::picture::{Picture, ServicePicture};

/// What a picture means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It goes on.
    Open,
    Converged,
    Failed,
    RolledBack,
}

/// What it means, and why it is not as it is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) reasons: Vec<String>,
}

/// Judges. A service that went back to what it was before the change that is waited for is no
/// failure of that.
pub(super) fn of(picture: &Picture) -> Judgement {
    let failed = |service: &&ServicePicture| service.failed && !went_back_before(service);
    let broken: Vec<&ServicePicture> = picture.services.iter().filter(failed).collect();
    let verdict = match broken.as_slice() {
        [] if picture.converged || picture.services.iter().all(settled) => Verdict::Converged,
        [] => Verdict::Open,
        broken if broken.iter().all(|service| rolled_back(service)) => Verdict::RolledBack,
        _ => Verdict::Failed,
    };
    Judgement {
        verdict,
        reasons: match verdict {
            Verdict::Converged => Vec::new(),
            _ => reasons(picture),
        },
    }
}

fn settled(service: &ServicePicture) -> bool {
    service.converged || lives_on(service)
}

fn rolled_back(service: &ServicePicture) -> bool {
    service.rollout == Some(RolloutState::RolledBack)
}

/// Whether it went back to what it was before the change that is waited for.
fn went_back_before(service: &ServicePicture) -> bool {
    !service.concerned && rolled_back(service)
}

fn lives_on(service: &ServicePicture) -> bool {
    went_back_before(service) && service.running >= service.wanted
}

fn reasons(picture: &Picture) -> Vec<String> {
    let mut reasons = Vec::new();
    for service in picture.services.iter().filter(|service| !settled(service)) {
        let mut own = service.reasons.clone();
        if !service.message.is_empty() && !own.iter().any(|text| text.contains(&service.message)) {
            own.push(service.message.clone());
        }
        if own.is_empty() {
            own.push(format!("{}, {}", service.count(), service.state()));
        }
        reasons.extend(
            own.iter()
                .map(|reason| format!("{}: {reason}", service.name)),
        );
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_to_wait_for_decides() {
        fn service(
            converged: bool,
            failed: bool,
            rollout: Option<RolloutState>,
            concerned: bool,
        ) -> ServicePicture {
            ServicePicture {
                name: "web".to_owned(),
                running: 1,
                wanted: 1,
                converged,
                failed,
                concerned,
                rollout,
                ..ServicePicture::default()
            }
        }
        fn check(services: &[ServicePicture], expected: Verdict) {
            let picture = Picture {
                services: services.to_vec(),
                ..Picture::default()
            };
            assert_eq!(of(&picture).verdict, expected, "{services:?}");
        }
        let well = service(true, false, None, true);
        let busy = service(false, false, Some(RolloutState::Updating), true);
        let paused = service(false, true, Some(RolloutState::Paused), true);
        let back = service(false, true, Some(RolloutState::RolledBack), true);
        let back_before = service(false, true, Some(RolloutState::RolledBack), false);
        let paused_before = service(false, true, Some(RolloutState::Paused), false);
        check(&[], Verdict::Converged);
        check(std::slice::from_ref(&well), Verdict::Converged);
        check(&[well.clone(), busy.clone()], Verdict::Open);
        check(&[busy.clone(), paused.clone()], Verdict::Failed);
        check(&[well.clone(), back.clone()], Verdict::RolledBack);
        check(&[back.clone(), paused.clone()], Verdict::Failed);
        check(&[well.clone(), back_before.clone()], Verdict::Converged);
        check(&[busy, back_before.clone()], Verdict::Open);
        let grows = ServicePicture {
            wanted: 3,
            ..back_before
        };
        check(&[grows], Verdict::Open);
        check(&[well, paused_before], Verdict::Failed);
        let told = of(&Picture {
            services: vec![ServicePicture {
                reasons: vec!["no suitable node".to_owned()],
                message: "2 of 3 tasks failed".to_owned(),
                ..paused
            }],
            ..Picture::default()
        });
        assert_eq!(
            told.reasons,
            ["web: no suitable node", "web: 2 of 3 tasks failed"]
        );
        let told = of(&Picture {
            services: vec![back],
            ..Picture::default()
        });
        assert_eq!(told.reasons, ["web: 1/1, rolled back"]);
    }
}
