//! What this host says of itself.

use model::{FEATURE_LEVEL, NodeDescription, Platform, Resources};

use crate::options::Options;

pub(crate) fn describe(options: &Options) -> NodeDescription {
    let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    NodeDescription {
        hostname: hostname(options),
        platform: Platform {
            os: "linux".to_owned(),
            architecture: architecture().to_owned(),
        },
        resources: Resources {
            nano_cpus: i64::try_from(cpus).unwrap_or(1) * 1_000_000_000,
            memory_bytes: std::fs::read_to_string("/proc/meminfo")
                .ok()
                .and_then(|text| memory(&text))
                .unwrap_or(0),
        },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        labels: options.labels.clone(),
        feature_level: FEATURE_LEVEL,
    }
}

pub(crate) fn hostname(options: &Options) -> String {
    let of_host = || {
        nix::unistd::gethostname()
            .ok()
            .and_then(|name| name.into_string().ok())
    };
    options
        .name
        .clone()
        .or_else(of_host)
        .unwrap_or_else(|| "localhost".to_owned())
}

/// As the OCI image specification names it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn memory(meminfo: &str) -> Option<i64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: i64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read_in_bytes() {
        assert_eq!(
            super::memory("MemTotal:       24689284 kB\nMemFree: 1 kB"),
            Some(24_689_284 * 1024)
        );
        assert_eq!(super::memory("MemTotal: much"), None);
    }
}
