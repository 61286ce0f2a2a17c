//! What an image is made for: an operating system and a processor, in Go's names for them.

use std::fmt;
use std::str::FromStr;

/// A platform in its usual names: `linux/amd64`, `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    /// `linux`, `windows`, ...
    pub os: String,
    /// `amd64`, `arm64`, ...
    pub architecture: String,
    /// `v7`, ...; `None` where the architecture has but one, or its lowest is meant.
    pub variant: Option<String>,
}

/// Why a text names no platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid platform {text:?}: it has to look like linux/amd64 or linux/arm/v7")]
pub struct PlatformError {
    /// What was to be read.
    pub text: String,
}

impl Platform {
    /// The platform with its names made uniform: `x86_64` becomes `amd64`, `arm64/v8` becomes `arm64`.
    pub fn new(os: &str, architecture: &str, variant: Option<&str>) -> Platform {
        let (os, architecture) = (os.to_lowercase(), architecture.to_lowercase());
        let variant = variant.unwrap_or_default().to_lowercase();
        let os = match os.as_str() {
            "macos" => "darwin",
            other => other,
        };
        let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
            ("i386" | "i486" | "i586" | "i686" | "x86", variant) => ("386", variant),
            ("x86_64" | "x86-64" | "amd64", "" | "v1") => ("amd64", ""),
            ("x86_64" | "x86-64", variant) => ("amd64", variant),
            ("aarch64" | "arm64", "" | "8" | "v8" | "v8.0") => ("arm64", ""),
            ("aarch64", variant) => ("arm64", variant),
            ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
            ("armel", _) | ("arm", "6") => ("arm", "v6"),
            ("arm", "5") => ("arm", "v5"),
            ("arm", "8") => ("arm", "v8"),
            other => other,
        };
        Platform {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: (!variant.is_empty()).then(|| variant.to_owned()),
        }
    }

    /// The platform of this machine.
    pub fn host() -> Platform {
        let architecture = match std::env::consts::ARCH {
            "powerpc64" if cfg!(target_endian = "little") => "ppc64le",
            "loongarch64" => "loong64",
            other => other,
        };
        Platform::new("linux", architecture, None)
    }

    /// How well an image made for `offered` runs here: `None` not at all; of several the highest is the best.
    pub fn rank(&self, offered: &Platform) -> Option<u32> {
        if self.os != offered.os || self.architecture != offered.architecture {
            return None;
        }
        if self.variant == offered.variant {
            return Some(u32::MAX);
        }
        let (wanted, offered) = (self.level()?, offered.level()?);
        (offered <= wanted).then_some(offered)
    }

    /// The variants of one architecture in order, each running what was made for those below it.
    fn level(&self) -> Option<u32> {
        let lowest = match self.architecture.as_str() {
            "amd64" => "v1",
            "arm64" => "v8",
            "arm" => "v7",
            _ => return None,
        };
        let variant = self
            .variant
            .as_deref()
            .unwrap_or(lowest)
            .strip_prefix('v')?;
        let (major, minor) = variant.split_once('.').unwrap_or((variant, "0"));
        let (major, minor): (u32, u32) = (major.parse().ok()?, minor.parse().ok()?);
        major.checked_mul(1000)?.checked_add(minor.min(999))
    }
}

impl Default for Platform {
    fn default() -> Platform {
        Platform::host()
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        match &self.variant {
            Some(variant) => write!(f, "/{variant}"),
            None => Ok(()),
        }
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    /// `os/architecture[/variant]`; with one part, it is the operating system if that is known, else the architecture.
    fn from_str(text: &str) -> Result<Platform, PlatformError> {
        let fail = || PlatformError {
            text: text.to_owned(),
        };
        let parts: Vec<&str> = text.split('/').collect();
        let is_word = |part: &&str| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
        };
        if !parts.iter().all(is_word) {
            return Err(fail());
        }
        let host = Platform::host();
        match parts[..] {
            [one]
                if matches!(
                    one.to_lowercase().as_str(),
                    "linux" | "windows" | "darwin" | "macos" | "freebsd"
                ) =>
            {
                Ok(Platform::new(
                    one,
                    &host.architecture,
                    host.variant.as_deref(),
                ))
            }
            [one] => Ok(Platform::new("linux", one, None)),
            [os, architecture] => Ok(Platform::new(os, architecture, None)),
            [os, architecture, variant] => Ok(Platform::new(os, architecture, Some(variant))),
            _ => Err(fail()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_platforms() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("Linux/ARM64/v8", "linux/arm64"),
            ("linux/arm64/v9", "linux/arm64/v9"),
            ("aarch64", "linux/arm64"),
            ("armhf", "linux/arm/v7"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/6", "linux/arm/v6"),
            ("linux/amd64/v1", "linux/amd64"),
            ("windows/amd64", "windows/amd64"),
            ("riscv64", "linux/riscv64"),
        ] {
            assert_eq!(
                text.parse::<Platform>().unwrap().to_string(),
                expected,
                "{text}"
            );
        }
        for text in [
            "",
            "/",
            "linux/",
            "linux//v7",
            "linux/amd64/v1/x",
            "linux/am d64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        assert_eq!("linux".parse::<Platform>().unwrap(), Platform::host());
    }

    #[test]
    fn chooses_the_nearest_variant_below() {
        for (wanted, offered, best) in [
            ("linux/amd64", vec!["linux/arm64", "linux/amd64"], Some(1)),
            (
                "linux/amd64",
                vec!["linux/amd64/v3", "linux/amd64"],
                Some(1),
            ),
            (
                "linux/amd64/v3",
                vec!["linux/amd64", "linux/amd64/v2", "linux/amd64/v4"],
                Some(1),
            ),
            (
                "linux/arm/v7",
                vec!["linux/arm/v5", "linux/arm/v6", "linux/arm/v8"],
                Some(1),
            ),
            ("linux/arm/v5", vec!["linux/arm/v6", "linux/arm/v7"], None),
            (
                "linux/arm64",
                vec!["linux/arm/v7", "linux/arm64/v8"],
                Some(1),
            ),
            (
                "linux/arm64/v9.2",
                vec!["linux/arm64", "linux/arm64/v9.1", "linux/arm64/v9.3"],
                Some(1),
            ),
            ("linux/arm64", vec!["linux/arm64/v9"], None),
            ("linux/s390x", vec!["linux/amd64"], None),
            ("linux/amd64", vec!["windows/amd64"], None),
        ] {
            let wanted: Platform = wanted.parse().unwrap();
            let found = offered
                .iter()
                .enumerate()
                .filter_map(|(place, text)| Some((wanted.rank(&text.parse().unwrap())?, place)))
                .max()
                .map(|(_, place)| place);
            assert_eq!(found, best, "{wanted} of {offered:?}");
        }
    }
}
