//! What people are told of a cluster. Pure.

use model::Availability;

/// The command that lets a node in.
pub(crate) fn join_command(token: &str, address: &str) -> String {
    format!("    minictl cluster join --token {token} {address}\n")
}

/// What it costs to have that many managers; nothing for an odd number.
pub(crate) fn even(managers: usize) -> Option<String> {
    if managers == 0 || managers % 2 == 1 {
        return None;
    }
    let (quorum, tolerated) = (managers / 2 + 1, managers - managers / 2 - 1);
    let now = match tolerated {
        0 => "the cluster stands still when any of them is lost".to_owned(),
        lost => format!(
            "they tolerate the loss of {lost}, as {} would",
            managers - 1
        ),
    };
    Some(format!(
        "{managers} managers need {quorum} to agree: {now}; {} would tolerate the loss of {}",
        managers + 1,
        managers.div_ceil(2)
    ))
}

/// How many managers there are, and how many may be lost.
pub(crate) fn tolerance(managers: usize, reachable: usize) -> String {
    let quorum = managers / 2 + 1;
    let plural = if managers == 1 { "manager" } else { "managers" };
    let left = reachable.saturating_sub(quorum);
    let more = if reachable < managers { " more" } else { "" };
    let spare = if reachable < quorum {
        format!("has lost its quorum: {reachable} of {managers} answer")
    } else if left == 0 {
        format!("tolerates the loss of none{more}")
    } else {
        format!("tolerates the loss of {left}{more}")
    };
    format!("{managers} {plural}, quorum {quorum}, {spare}")
}

/// `active`, `pause` or `drain`, for clap.
pub(crate) fn availability(word: &str) -> Result<Availability, String> {
    word.parse()
        .map_err(|error: model::node::UnknownWord| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::{even, tolerance};

    #[test]
    fn an_even_number_of_managers_says_what_it_costs() {
        let table = [
            (1, None),
            (
                2,
                Some(
                    "2 managers need 2 to agree: the cluster stands still when any of them is lost; 3 would tolerate the loss of 1",
                ),
            ),
            (3, None),
            (
                4,
                Some(
                    "4 managers need 3 to agree: they tolerate the loss of 1, as 3 would; 5 would tolerate the loss of 2",
                ),
            ),
        ];
        for (managers, expected) in table {
            assert_eq!(even(managers).as_deref(), expected);
        }
    }

    #[test]
    fn what_may_still_be_lost_is_told() {
        let table = [
            (1, 1, "1 manager, quorum 1, tolerates the loss of none"),
            (3, 3, "3 managers, quorum 2, tolerates the loss of 1"),
            (
                3,
                2,
                "3 managers, quorum 2, tolerates the loss of none more",
            ),
            (5, 4, "5 managers, quorum 3, tolerates the loss of 1 more"),
            (
                3,
                1,
                "3 managers, quorum 2, has lost its quorum: 1 of 3 answer",
            ),
        ];
        for (managers, reachable, expected) in table {
            assert_eq!(tolerance(managers, reachable), expected);
        }
    }
}
