//! Limits as the cgroups take them.

use oci_spec::runtime::{
    LinuxBlockIo, LinuxBlockIoBuilder, LinuxCpu, LinuxMemory, LinuxPids, LinuxResources,
    LinuxThrottleDevice, LinuxThrottleDeviceBuilder,
};

use super::devices::{Device, rules};
use crate::error::{Error, Result};
use crate::parse::size::SwapLimit;
use crate::request::{Resources, RunSpec};

/// Rates with the numbers of their devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct BlockDevices {
    pub(crate) read_bps: Vec<Rate>,
    pub(crate) write_bps: Vec<Rate>,
    pub(crate) read_iops: Vec<Rate>,
    pub(crate) write_iops: Vec<Rate>,
}

/// A rate of one block device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    pub(crate) major: u32,
    pub(crate) minor: u32,
    pub(crate) rate: u64,
}

const CPU_PERIOD: u64 = 100_000;

/// Everything for the cgroups.
pub(crate) fn resources(
    spec: &RunSpec,
    cpus: u32,
    devices: &[Device],
    block: &BlockDevices,
) -> Result<LinuxResources> {
    let asked = &spec.resources;
    let mut result = LinuxResources::default();
    result.set_devices(Some(rules(
        spec.privileged,
        devices,
        &spec.device_cgroup_rules,
    )?));
    result.set_memory(memory(asked)?);
    result.set_cpu(cpu(asked, cpus)?);
    result.set_pids(asked.pids_limit.map(|limit| {
        let mut pids = LinuxPids::default();
        pids.set_limit(
            limit
                .0
                .and_then(|limit| i64::try_from(limit).ok())
                .unwrap_or(-1),
        );
        pids
    }));
    result.set_block_io(block_io(asked, block)?);
    Ok(result)
}

fn memory(asked: &Resources) -> Result<Option<LinuxMemory>> {
    let limit = asked.memory.filter(|size| size.0 > 0);
    let swap = match (limit, asked.memory_swap) {
        (_, Some(SwapLimit::Total(total))) if total.0 == 0 => None,
        (None, Some(SwapLimit::Total(_))) => {
            return Err(Error::Invalid(
                "--memory-swap needs --memory: give both".to_owned(),
            ));
        }
        (Some(limit), Some(SwapLimit::Total(total))) if total < limit => {
            return Err(Error::Invalid(format!(
                "--memory-swap {total} is less than --memory {limit}: it is memory and swap together"
            )));
        }
        (_, swap) => swap,
    };
    let signed = |bytes: u64| i64::try_from(bytes).unwrap_or(i64::MAX);
    let swap = match (limit, swap) {
        (None, _) => None,
        (Some(_), Some(SwapLimit::Unlimited)) => Some(-1),
        (Some(_), Some(SwapLimit::Total(total))) => Some(signed(total.0)),
        (Some(limit), None) => Some(signed(limit.0.saturating_mul(2))),
    };
    if let (Some(limit), Some(reservation)) = (limit, asked.memory_reservation)
        && reservation > limit
    {
        return Err(Error::Invalid(format!(
            "--memory-reservation {reservation} is more than --memory {limit}"
        )));
    }
    let reservation = asked.memory_reservation.filter(|size| size.0 > 0);
    if limit.is_none()
        && reservation.is_none()
        && asked.memory_swappiness.is_none()
        && !asked.oom_kill_disable
    {
        return Ok(None);
    }
    let mut memory = LinuxMemory::default();
    memory.set_limit(limit.map(|size| signed(size.0)));
    memory.set_swap(swap);
    memory.set_reservation(reservation.map(|size| signed(size.0)));
    memory.set_swappiness(asked.memory_swappiness);
    memory.set_disable_oom_killer(asked.oom_kill_disable.then_some(true));
    Ok(Some(memory))
}

fn cpu(asked: &Resources, host_cpus: u32) -> Result<Option<LinuxCpu>> {
    let mut cpu = LinuxCpu::default();
    if let Some(cpus) = asked.cpus.filter(|cpus| cpus.0 > 0) {
        if asked.cpu_quota.is_some() || asked.cpu_period.is_some() {
            return Err(Error::Invalid(
                "--cpus and --cpu-quota or --cpu-period say the same thing: give one of them"
                    .to_owned(),
            ));
        }
        if cpus.0 > u64::from(host_cpus) * 1_000_000_000 || cpus.0 < 10_000_000 {
            return Err(Error::Invalid(format!(
                "--cpus {}: this host has {host_cpus} processors; give a number from 0.01 to {host_cpus}",
                cpus.0 as f64 / 1e9
            )));
        }
        cpu.set_period(Some(CPU_PERIOD));
        cpu.set_quota(Some((cpus.0 / (1_000_000_000 / CPU_PERIOD)) as i64));
    } else {
        cpu.set_period(asked.cpu_period);
        cpu.set_quota(asked.cpu_quota);
    }
    cpu.set_shares(
        asked
            .cpu_shares
            .map(|shares| shares.0)
            .filter(|shares| *shares > 0),
    );
    cpu.set_cpus(asked.cpuset_cpus.as_ref().map(|list| list.0.clone()));
    cpu.set_mems(asked.cpuset_mems.as_ref().map(|list| list.0.clone()));
    Ok((cpu != LinuxCpu::default()).then_some(cpu))
}

fn block_io(asked: &Resources, block: &BlockDevices) -> Result<Option<LinuxBlockIo>> {
    if let Some(weight) = asked
        .blkio_weight
        .filter(|weight| !(10..=1000).contains(weight) && *weight != 0)
    {
        return Err(Error::Invalid(format!(
            "--blkio-weight {weight}: give a number from 10 to 1000"
        )));
    }
    let weight = asked.blkio_weight.filter(|weight| *weight > 0);
    if weight.is_none() && *block == BlockDevices::default() {
        return Ok(None);
    }
    let throttle = |rates: &[Rate]| -> Result<Vec<LinuxThrottleDevice>> {
        rates
            .iter()
            .map(|rate| {
                LinuxThrottleDeviceBuilder::default()
                    .major(rate.major)
                    .minor(rate.minor)
                    .rate(rate.rate)
                    .build()
                    .map_err(super::refused)
            })
            .collect()
    };
    let mut io = LinuxBlockIoBuilder::default()
        .throttle_read_bps_device(throttle(&block.read_bps)?)
        .throttle_write_bps_device(throttle(&block.write_bps)?)
        .throttle_read_iops_device(throttle(&block.read_iops)?)
        .throttle_write_iops_device(throttle(&block.write_iops)?);
    if let Some(weight) = weight {
        io = io.weight(weight);
    }
    io.build().map(Some).map_err(super::refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    const G: i64 = 1 << 30;

    #[test]
    fn memory_and_swap() {
        fn check(
            memory_: Option<&str>,
            swap: Option<&str>,
            expected: Option<(Option<i64>, Option<i64>)>,
        ) {
            let asked = Resources {
                memory: memory_.map(|text| text.parse().unwrap()),
                memory_swap: swap.map(|text| text.parse().unwrap()),
                ..Resources::default()
            };
            let got = memory(&asked)
                .ok()
                .map(|m| m.map_or((None, None), |m| (m.limit(), m.swap())));
            assert_eq!(got, expected, "{memory_:?} {swap:?}");
        }
        check(None, None, Some((None, None)));
        check(Some("1g"), None, Some((Some(G), Some(2 * G))));
        check(Some("1g"), Some("3g"), Some((Some(G), Some(3 * G))));
        check(Some("1g"), Some("1g"), Some((Some(G), Some(G))));
        check(Some("1g"), Some("-1"), Some((Some(G), Some(-1))));
        check(Some("1g"), Some("0"), Some((Some(G), Some(2 * G))));
        check(Some("0"), None, Some((None, None)));
        check(Some("2g"), Some("1g"), None);
        check(None, Some("1g"), None);
        check(None, Some("-1"), Some((None, None)));
    }

    #[test]
    fn processors() {
        fn check(
            cpus: Option<&str>,
            quota: Option<i64>,
            expected: Option<Option<(Option<u64>, Option<i64>)>>,
        ) {
            let asked = Resources {
                cpus: cpus.map(|text| text.parse().unwrap()),
                cpu_quota: quota,
                ..Resources::default()
            };
            let got = cpu(&asked, 2)
                .ok()
                .map(|c| c.map(|c| (c.period(), c.quota())));
            assert_eq!(got, expected, "{cpus:?} {quota:?}");
        }
        check(None, None, Some(None));
        check(
            Some("1.5"),
            None,
            Some(Some((Some(100_000), Some(150_000)))),
        );
        check(Some("0.01"), None, Some(Some((Some(100_000), Some(1000)))));
        check(Some("0"), None, Some(None));
        check(None, Some(50_000), Some(Some((None, Some(50_000)))));
        check(Some("1"), Some(50_000), None);
        check(Some("2.1"), None, None);
        check(Some("0.001"), None, None);
    }

    #[test]
    fn block_devices() {
        let rate = Rate {
            major: 8,
            minor: 0,
            rate: 100,
        };
        let block = BlockDevices {
            read_bps: vec![rate],
            ..BlockDevices::default()
        };
        let io = block_io(&Resources::default(), &block).unwrap().unwrap();
        assert_eq!(
            io.throttle_read_bps_device().as_ref().unwrap()[0].rate(),
            100
        );
        let heavy = Resources {
            blkio_weight: Some(5),
            ..Resources::default()
        };
        assert!(block_io(&heavy, &BlockDevices::default()).is_err());
    }

    #[test]
    fn processes() {
        let mut spec = RunSpec::new("i");
        spec.resources.pids_limit = Some("100".parse().unwrap());
        let got = resources(&spec, 1, &[], &BlockDevices::default()).unwrap();
        assert_eq!(got.pids().as_ref().unwrap().limit(), 100);
    }
}
