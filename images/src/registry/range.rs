//! Whether an answer to a request for the rest of a blob is that rest (RFC 9110, 14.4 and 15.3.7). Pure.

/// What an answer brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brings {
    /// The bytes from the offset on.
    Rest,
    /// The blob from its start.
    Whole,
    /// Something that can't be used; asking from the start may help.
    Nothing,
}

/// Judges an answer to a request for the bytes from `offset` on (0: all) of a blob of `size` bytes.
pub(super) fn judge(status: u16, content_range: Option<&str>, offset: u64, size: u64) -> Brings {
    match status {
        200 => Brings::Whole,
        206 if offset > 0 => match content_range.and_then(parse) {
            Some((first, last, total))
                if first == offset
                    && last < size
                    && first <= last
                    && total.is_none_or(|total| total == size) =>
            {
                Brings::Rest
            }
            _ => Brings::Nothing,
        },
        _ => Brings::Nothing,
    }
}

/// First byte, last byte, and the whole's length unless that is `*`.
fn parse(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (unit, rest) = text.trim().split_once(' ')?;
    if !unit.eq_ignore_ascii_case("bytes") {
        return None;
    }
    let (range, total) = rest.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let total = match total {
        "*" => None,
        total => Some(total.parse().ok()?),
    };
    Some((first.parse().ok()?, last.parse().ok()?, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_only_the_range_that_was_asked_for() {
        for (status, header, offset, expected) in [
            (200, None, 0, Brings::Whole),
            (200, None, 40, Brings::Whole),
            (206, Some("bytes 40-99/100"), 40, Brings::Rest),
            (206, Some("bytes 40-59/100"), 40, Brings::Rest),
            (206, Some("Bytes 40-99/*"), 40, Brings::Rest),
            (206, Some("bytes 0-99/100"), 40, Brings::Nothing),
            (206, Some("bytes 41-99/100"), 40, Brings::Nothing),
            (206, Some("bytes 40-99/101"), 40, Brings::Nothing),
            (206, Some("bytes 40-100/*"), 40, Brings::Nothing),
            (206, Some("bytes 40-39/100"), 40, Brings::Nothing),
            (206, Some("items 40-99/100"), 40, Brings::Nothing),
            (206, Some("bytes 40-99"), 40, Brings::Nothing),
            (206, None, 40, Brings::Nothing),
            (206, Some("bytes 0-99/100"), 0, Brings::Nothing),
            (416, Some("bytes */100"), 40, Brings::Nothing),
        ] {
            assert_eq!(
                judge(status, header, offset, 100),
                expected,
                "{status} {header:?} {offset}"
            );
        }
    }
}
