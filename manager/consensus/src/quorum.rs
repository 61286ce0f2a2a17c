//! How many members it takes, and how many may be lost.

/// The number of members out of `members` voters that make a majority: n/2 + 1.
pub fn quorum(members: usize) -> usize {
    members / 2 + 1
}

/// How many of `members` voters may be lost while the rest still decide: n minus quorum.
pub fn tolerance(members: usize) -> usize {
    members.saturating_sub(quorum(members))
}

#[cfg(test)]
mod tests {
    use super::{quorum, tolerance};

    #[test]
    fn an_even_member_adds_no_tolerance() {
        let table = [
            (1, 1, 0),
            (2, 2, 0),
            (3, 2, 1),
            (4, 3, 1),
            (5, 3, 2),
            (6, 4, 2),
            (7, 4, 3),
        ];
        for (members, needed, lost) in table {
            assert_eq!(
                (quorum(members), tolerance(members)),
                (needed, lost),
                "of {members}"
            );
        }
        assert_eq!(tolerance(0), 0);
    }
}
