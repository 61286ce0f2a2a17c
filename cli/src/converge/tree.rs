//! The live picture: services, their slots, and why they wait. Pure; the terminal is elsewhere.

use std::time::Duration;

use super::news::timeless;
use super::picture::{Picture, ServicePicture, SlotPicture};

/// Slots of a service that are shown one by one.
const SHOWN: usize = 6;

/// At most `rows` lines of at most `columns` characters. Where all of it does not fit, slots are left out first, then the
/// services that are as they are wanted.
pub(super) fn lines(
    picture: &Picture,
    passed: Duration,
    rows: usize,
    columns: usize,
) -> Vec<String> {
    let whole = draw(&picture.services.iter().collect::<Vec<_>>(), SHOWN);
    let head = (!picture.title.is_empty()).then(|| {
        let done = picture.services.iter().filter(|service| service.converged);
        format!(
            "{}  {}/{} services  {}",
            picture.title,
            done.count(),
            picture.services.len(),
            clock(passed)
        )
    });
    let room = rows.saturating_sub(usize::from(head.is_some())).max(1);
    let body = if whole.len() <= room {
        whole
    } else {
        short(picture, room)
    };
    let lines = head.into_iter().chain(body);
    lines.map(|line| cut(&line, columns)).collect()
}

/// One line a service, those at work first in line.
fn short(picture: &Picture, room: usize) -> Vec<String> {
    let (done, busy): (Vec<&ServicePicture>, Vec<&ServicePicture>) = picture
        .services
        .iter()
        .partition(|service| service.converged);
    let mut lines = draw(&busy, 0);
    lines.truncate(room.saturating_sub(1));
    let hidden = busy.len() - lines.len().min(busy.len());
    let more = match hidden {
        0 => String::new(),
        hidden => format!("{hidden} more at work, "),
    };
    lines.push(format!("... {more}{} as wanted", done.len()));
    lines
}

fn draw(services: &[&ServicePicture], most: usize) -> Vec<String> {
    let width = |of: &dyn Fn(&ServicePicture) -> usize| {
        let widths = services.iter().map(|service| of(service));
        widths.max().unwrap_or(0)
    };
    let names = width(&|service| service.name.chars().count());
    let counts = width(&|service| service.count().len());
    let mut lines = Vec::new();
    for service in services {
        let mark = match (service.converged, service.failed) {
            (true, _) => "+",
            (_, true) => "!",
            _ => "-",
        };
        let line = format!(
            "{mark} {:<names$}  {:>counts$}  {}",
            service.name,
            service.count(),
            service.state()
        );
        if service.converged {
            lines.push(line);
            continue;
        }
        let told = told(service);
        if most == 0 {
            let first = told.first().map(|reason| format!(": {reason}"));
            lines.push(format!("{line}{}", first.unwrap_or_default()));
            continue;
        }
        lines.push(line);
        lines.extend(told.iter().map(|reason| format!("    {reason}")));
        lines.extend(slots(service, most, &told));
    }
    lines
}

/// The reasons, and the rollout's own.
fn told(service: &ServicePicture) -> Vec<String> {
    let mut told = service.reasons.clone();
    let message = &service.message;
    if !message.is_empty() && !told.iter().any(|reason| reason.contains(message)) {
        told.push(message.clone());
    }
    told
}

/// Slots that are not there yet; what the service's reasons say already is not said again.
fn slots(service: &ServicePicture, most: usize, told: &[String]) -> Vec<String> {
    let open: Vec<&SlotPicture> = service.slots.iter().filter(|slot| !slot.settled).collect();
    let names = open.iter().map(|slot| slot.name.chars().count()).max();
    let names = names.unwrap_or(0);
    let line = |slot: &&SlotPicture| {
        let state = slot.state.to_string();
        let known = |reason: &String| timeless(reason).contains(&timeless(&slot.text));
        let text = match told.iter().any(known) {
            true => "",
            false => &slot.text,
        };
        let line = format!(
            "    {:<names$}  {state:<9}  {}  {text}",
            slot.name, slot.node
        );
        line.trim_end().to_owned()
    };
    let mut lines: Vec<String> = open.iter().take(most).map(line).collect();
    if open.len() > most {
        lines.push(format!("    ... {} more", open.len() - most));
    }
    lines
}

/// `01:05`.
fn clock(passed: Duration) -> String {
    let seconds = passed.as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

fn cut(text: &str, columns: usize) -> String {
    text.chars().take(columns).collect()
}

#[cfg(test)]
mod tests {
    use model::TaskState;

    use super::super::picture::tests::slot;
    use super::*;

    fn picture() -> Picture {
        let db = ServicePicture {
            name: "db".to_owned(),
            running: 2,
            wanted: 2,
            converged: true,
            ..ServicePicture::default()
        };
        let web = ServicePicture {
            name: "web".to_owned(),
            wanted: 10,
            reasons: vec!["db service_healthy 1/2, 00:12, deadline 04:48".to_owned()],
            slots: (1..=10)
                .map(|n| {
                    slot(
                        &format!("web.{n}"),
                        TaskState::Ready,
                        "node1",
                        "db service_healthy 1/2",
                    )
                })
                .collect(),
            ..ServicePicture::default()
        };
        Picture {
            title: "blog  deployment 3".to_owned(),
            services: vec![db, web],
            converged: false,
        }
    }

    #[test]
    fn services_slots_and_reasons_are_drawn() {
        let lines = lines(&picture(), Duration::from_secs(65), 40, 60);
        assert_eq!(
            lines[..4],
            [
                "blog  deployment 3  1/2 services  01:05",
                "+ db    2/2  running",
                "- web  0/10  waiting",
                "    db service_healthy 1/2, 00:12, deadline 04:48",
            ]
        );
        assert_eq!(lines[4], "    web.1   ready      node1");
        assert_eq!(lines.last().map(String::as_str), Some("    ... 4 more"));
        assert_eq!(lines.len(), 11);
    }

    #[test]
    fn a_small_terminal_shows_what_is_at_work() {
        fn check(rows: usize, columns: usize, expected: &[&str]) {
            assert_eq!(lines(&picture(), Duration::ZERO, rows, columns), expected);
        }
        check(
            3,
            48,
            &[
                "blog  deployment 3  1/2 services  00:00",
                "- web  0/10  waiting: db service_healthy 1/2, 00",
                "... 1 as wanted",
            ],
        );
        check(
            2,
            30,
            &[
                "blog  deployment 3  1/2 servic",
                "... 1 more at work, 1 as wanted"[..30].as_ref(),
            ],
        );
    }
}
