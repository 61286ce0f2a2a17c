//! What has changed since the last look, one line each, where nobody watches live. Pure.

use super::picture::{Picture, ServicePicture};

/// The lines; all that is there when there was nothing before.
pub(super) fn lines(before: Option<&Picture>, now: &Picture) -> Vec<String> {
    let mut lines = Vec::new();
    for service in &now.services {
        let known = before.and_then(|before| {
            before
                .services
                .iter()
                .find(|known| known.name == service.name)
        });
        of_slots(known, service, &mut lines);
        of_service(known, service, &mut lines);
    }
    let gone = before.into_iter().flat_map(|before| &before.services);
    for service in gone {
        if !now.services.iter().any(|known| known.name == service.name) {
            lines.push(format!("{}: gone", service.name));
        }
    }
    lines
}

fn of_service(before: Option<&ServicePicture>, now: &ServicePicture, lines: &mut Vec<String>) {
    let line = |service: &ServicePicture| {
        format!("{}: {} {}", service.name, service.count(), service.state())
    };
    if before.map(line).as_deref() != Some(line(now).as_str()) {
        lines.push(line(now));
    }
    let known = |reason: &str| {
        before.is_some_and(|before| {
            let known = before.reasons.iter().chain([&before.message]);
            known
                .into_iter()
                .any(|known| timeless(known) == timeless(reason))
        })
    };
    let told = |message: &&String| !now.reasons.iter().any(|reason| reason.contains(*message));
    for reason in now.reasons.iter().chain(Some(&now.message).filter(told)) {
        if !reason.is_empty() && !known(reason) {
            lines.push(format!("{}: {reason}", now.name));
        }
    }
}

fn of_slots(before: Option<&ServicePicture>, now: &ServicePicture, lines: &mut Vec<String>) {
    for slot in &now.slots {
        let known =
            before.and_then(|before| before.slots.iter().find(|known| known.name == slot.name));
        let same = known.is_some_and(|known| {
            (known.state, &known.node) == (slot.state, &slot.node)
                && timeless(&known.text) == timeless(&slot.text)
        });
        if same {
            continue;
        }
        let node = match slot.node.as_str() {
            "" => String::new(),
            node => format!(" on {node}"),
        };
        let text = match slot.text.as_str() {
            "" => String::new(),
            text => format!(": {text}"),
        };
        lines.push(format!("{}: {}{node}{text}", slot.name, slot.state));
    }
}

/// The text without its clocks, which go on though nothing changes.
pub(super) fn timeless(text: &str) -> String {
    let clock = |word: &&str| {
        let word = word.trim_matches([',', ')', '(']);
        !(word.contains(':') && word.chars().all(|c| c.is_ascii_digit() || c == ':'))
    };
    text.split(' ').filter(clock).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use model::TaskState;

    use super::super::picture::tests::slot;
    use super::*;

    fn picture(state: TaskState, text: &str, running: u64) -> Picture {
        Picture {
            services: vec![ServicePicture {
                name: "web".to_owned(),
                running,
                wanted: 1,
                converged: running == 1,
                reasons: match text {
                    "" => Vec::new(),
                    text => vec![text.to_owned()],
                },
                slots: vec![slot("web.1", state, "node1", text)],
                ..ServicePicture::default()
            }],
            ..Picture::default()
        }
    }

    #[test]
    fn each_change_is_one_line() {
        fn check(before: Option<&Picture>, now: &Picture, expected: &[&str]) {
            assert_eq!(lines(before, now), expected);
        }
        let waits = picture(
            TaskState::Ready,
            "db service_healthy 1/2, 00:12, deadline 04:48",
            0,
        );
        let still = picture(
            TaskState::Ready,
            "db service_healthy 1/2, 00:13, deadline 04:47",
            0,
        );
        let runs = picture(TaskState::Running, "", 1);
        check(
            None,
            &waits,
            &[
                "web.1: ready on node1: db service_healthy 1/2, 00:12, deadline 04:48",
                "web: 0/1 waiting",
                "web: db service_healthy 1/2, 00:12, deadline 04:48",
            ],
        );
        check(Some(&waits), &still, &[]);
        check(
            Some(&still),
            &runs,
            &["web.1: running on node1", "web: 1/1 running"],
        );
        check(Some(&runs), &Picture::default(), &["web: gone"]);
    }
}
