//! Sizes in words: decimal units where Docker uses them (images, downloads), binary ones for memory.

/// `bytes` in decimal units with three figures: `7.38MB`, `132MB`, `0B`.
pub(crate) fn decimal(bytes: u64) -> String {
    with_units(bytes, 1000.0, &["B", "kB", "MB", "GB", "TB", "PB", "EB"], 3)
}

/// `bytes` in binary units with four figures: `1.953GiB`, `640KiB`.
pub(crate) fn binary(bytes: u64) -> String {
    with_units(
        bytes,
        1024.0,
        &["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"],
        4,
    )
}

fn with_units(bytes: u64, base: f64, units: &[&str], figures: usize) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= base && unit + 1 < units.len() {
        value /= base;
        unit += 1;
    }
    format!("{}{}", significant(value, figures), units[unit])
}

/// `value` with at most `figures` significant figures and no trailing zeros, as C's `%.3g` below its exponent form.
fn significant(value: f64, figures: usize) -> String {
    let whole = if value >= 1.0 {
        value.log10().floor() as usize + 1
    } else {
        1
    };
    let text = format!("{value:.*}", figures.saturating_sub(whole));
    if text.contains('.') {
        return text.trim_end_matches('0').trim_end_matches('.').to_owned();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_as_docker_writes_them() {
        fn check(bytes: u64, in_decimal: &str, in_binary: &str) {
            assert_eq!(
                (decimal(bytes).as_str(), binary(bytes).as_str()),
                (in_decimal, in_binary),
                "{bytes}"
            );
        }
        check(0, "0B", "0B");
        check(1, "1B", "1B");
        check(999, "999B", "999B");
        check(1000, "1kB", "1000B");
        check(1024, "1.02kB", "1KiB");
        check(7_380_000, "7.38MB", "7.038MiB");
        check(131_900_000, "132MB", "125.8MiB");
        check(1_240_000_000, "1.24GB", "1.155GiB");
        check(512 * 1024 * 1024, "537MB", "512MiB");
        check(u64::MAX, "18.4EB", "16EiB");
    }
}
