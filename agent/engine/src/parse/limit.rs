//! Limits: processors, processes, rlimits, rates of block devices.

use std::path::PathBuf;
use std::str::FromStr;

use oci_spec::runtime::PosixRlimitType;
use serde::{Deserialize, Serialize};

use super::ParseError;
use super::size::ByteSize;

/// An amount of processor time, in billionths of a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cpus(pub u64);

impl FromStr for Cpus {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail = |why: &str| ParseError::new("number of processors", text, why, "1.5 or 2");
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
            return Err(fail("it is not a decimal number"));
        }
        if fraction.len() > 9 {
            return Err(fail("it has more than nine decimals"));
        }
        let whole: u64 = if whole.is_empty() {
            0
        } else {
            whole.parse().map_err(|_| fail("it is too large"))?
        };
        let fraction: u64 = format!("{fraction:0<9}")
            .parse()
            .map_err(|_| fail("it is too large"))?;
        whole
            .checked_mul(1_000_000_000)
            .and_then(|n| n.checked_add(fraction))
            .filter(|n| *n <= 1_000_000 * 1_000_000_000)
            .map(Cpus)
            .ok_or_else(|| fail("it is too large"))
    }
}

/// A weight for processor time: 2 to 262144, 1024 is usual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuShares(pub u64);

impl FromStr for CpuShares {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse::<u64>() {
            Ok(shares) => Ok(CpuShares(shares)),
            Err(_) => Err(ParseError::new(
                "processor weight",
                text,
                "it is not a whole number",
                "512 or 1024",
            )),
        }
    }
}

/// Processors or memory nodes: `0-3,6`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CpuList(pub String);

impl FromStr for CpuList {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let valid = text.split(',').all(|part| match part.split_once('-') {
            None => part.parse::<u16>().is_ok(),
            Some((first, last)) => match (first.parse::<u16>(), last.parse::<u16>()) {
                (Ok(first), Ok(last)) => first <= last,
                _ => false,
            },
        });
        match valid {
            true => Ok(CpuList(text.to_owned())),
            false => Err(ParseError::new(
                "list of numbers",
                text,
                "it is not a list of numbers and ranges",
                "0-3 or 0,2",
            )),
        }
    }
}

/// The most processes and threads; `None` for any number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PidsLimit(pub Option<u64>);

impl FromStr for PidsLimit {
    type Err = ParseError;

    /// As in Docker 0 and -1 mean any number.
    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.parse::<i64>() {
            Ok(-1 | 0) => Ok(PidsLimit(None)),
            Ok(limit @ 1..) => Ok(PidsLimit(Some(limit as u64))),
            _ => Err(ParseError::new(
                "limit of processes",
                text,
                "it is neither a positive number nor -1",
                "100 or -1",
            )),
        }
    }
}

/// A limit of each process: `nofile=1024:2048`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ulimit {
    /// Its name, such as `nofile`.
    pub name: String,
    /// What the process may raise to `hard`; `u64::MAX` is unlimited.
    pub soft: u64,
    /// The most; `u64::MAX` is unlimited.
    pub hard: u64,
}

const ULIMITS: [(&str, PosixRlimitType); 16] = [
    ("as", PosixRlimitType::RlimitAs),
    ("core", PosixRlimitType::RlimitCore),
    ("cpu", PosixRlimitType::RlimitCpu),
    ("data", PosixRlimitType::RlimitData),
    ("fsize", PosixRlimitType::RlimitFsize),
    ("locks", PosixRlimitType::RlimitLocks),
    ("memlock", PosixRlimitType::RlimitMemlock),
    ("msgqueue", PosixRlimitType::RlimitMsgqueue),
    ("nice", PosixRlimitType::RlimitNice),
    ("nofile", PosixRlimitType::RlimitNofile),
    ("nproc", PosixRlimitType::RlimitNproc),
    ("rss", PosixRlimitType::RlimitRss),
    ("rtprio", PosixRlimitType::RlimitRtprio),
    ("rttime", PosixRlimitType::RlimitRttime),
    ("sigpending", PosixRlimitType::RlimitSigpending),
    ("stack", PosixRlimitType::RlimitStack),
];

impl Ulimit {
    pub(crate) fn kind(&self) -> Option<PosixRlimitType> {
        ULIMITS
            .iter()
            .find(|(name, _)| *name == self.name)
            .map(|(_, kind)| *kind)
    }
}

impl FromStr for Ulimit {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail =
            |why: String| ParseError::new("ulimit", text, why, "nofile=1024:2048 or core=-1");
        let (name, values) = text
            .split_once('=')
            .ok_or_else(|| fail("there is no =".to_owned()))?;
        if !ULIMITS.iter().any(|(known, _)| *known == name) {
            return Err(fail(format!(
                "the name is not one of {}",
                ULIMITS.map(|(known, _)| known).join(", ")
            )));
        }
        let number = |value: &str| match value {
            "-1" | "unlimited" => Ok(u64::MAX),
            _ => value
                .parse::<u64>()
                .map_err(|_| fail(format!("{value:?} is not a number"))),
        };
        let (soft, hard) = match values.split_once(':') {
            Some((soft, hard)) => (number(soft)?, number(hard)?),
            None => (number(values)?, number(values)?),
        };
        if soft > hard {
            return Err(fail("the soft limit is above the hard limit".to_owned()));
        }
        Ok(Ulimit {
            name: name.to_owned(),
            soft,
            hard,
        })
    }
}

/// A rate for one block device: `/dev/sda:1mb` (bytes per second) or `/dev/sda:100` (operations per second).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The device on the host.
    pub device: PathBuf,
    /// Bytes or operations per second, or a weight.
    pub rate: u64,
}

impl FromStr for DeviceRate {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let fail =
            |why: &str| ParseError::new("device rate", text, why, "/dev/sda:1mb or /dev/sda:100");
        let (device, rate) = text
            .rsplit_once(':')
            .ok_or_else(|| fail("there is no rate after a colon"))?;
        if !device.starts_with("/dev/") {
            return Err(fail("the device is not below /dev"));
        }
        let rate: ByteSize = rate.parse().map_err(|_| fail("the rate is not a number"))?;
        Ok(DeviceRate {
            device: device.into(),
            rate: rate.0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_are_read() {
        fn check(text: &str, expected: Option<u64>) {
            assert_eq!(text.parse::<Cpus>().ok().map(|c| c.0), expected, "{text:?}");
        }
        check("1.5", Some(1_500_000_000));
        check("2", Some(2_000_000_000));
        check(".5", Some(500_000_000));
        check("0.000000001", Some(1));
        check("0", Some(0));
        check("", None);
        check(".", None);
        check("-1", None);
        check("1e3", None);
        check("0.0000000001", None);
        check("99999999999999999999", None);
    }

    #[test]
    fn lists_are_read() {
        fn check(text: &str, valid: bool) {
            assert_eq!(text.parse::<CpuList>().is_ok(), valid, "{text:?}");
        }
        check("0", true);
        check("0-3", true);
        check("0,2,4-5", true);
        check("", false);
        check("3-1", false);
        check("a", false);
        check("0,", false);
        check("0 1", false);
    }

    #[test]
    fn limits_of_processes_are_read() {
        fn check(text: &str, expected: Option<Option<u64>>) {
            assert_eq!(
                text.parse::<PidsLimit>().ok().map(|p| p.0),
                expected,
                "{text:?}"
            );
        }
        check("100", Some(Some(100)));
        check("-1", Some(None));
        check("0", Some(None));
        check("-2", None);
        check("many", None);
    }

    #[test]
    fn ulimits_are_read() {
        fn check(text: &str, expected: Option<(&str, u64, u64)>) {
            let read = text.parse::<Ulimit>().ok();
            let read = read.as_ref().map(|u| (u.name.as_str(), u.soft, u.hard));
            assert_eq!(read, expected, "{text:?}");
        }
        check("nofile=1024:2048", Some(("nofile", 1024, 2048)));
        check("nofile=1024", Some(("nofile", 1024, 1024)));
        check("core=-1", Some(("core", u64::MAX, u64::MAX)));
        check("core=0:-1", Some(("core", 0, u64::MAX)));
        check("nofile=2:1", None);
        check("nofile", None);
        check("files=1", None);
        check("nofile=a", None);
        check("nofile=1:2:3", None);
    }

    #[test]
    fn device_rates_are_read() {
        fn check(text: &str, expected: Option<(&str, u64)>) {
            let read = text.parse::<DeviceRate>().ok();
            assert_eq!(
                read.as_ref().map(|r| (r.device.to_str().unwrap(), r.rate)),
                expected,
                "{text:?}"
            );
        }
        check("/dev/sda:1mb", Some(("/dev/sda", 1 << 20)));
        check("/dev/sda:100", Some(("/dev/sda", 100)));
        check("sda:100", None);
        check("/dev/sda", None);
    }
}
