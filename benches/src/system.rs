//! What the system says about this process: memory, CPU time, and the cores it may run on.

use std::time::Duration;

use anyhow::Result;

/// The memory that the process holds, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Now.
    pub(crate) resident: usize,
    /// The most so far.
    pub(crate) peak: usize,
}

/// What the process has used so far.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Usage {
    /// CPU time on all cores.
    pub(crate) cpu: Duration,
    /// How often a thread gave its core away to wait for something. A thread that yields or is
    /// preempted does not.
    pub(crate) sleeps: usize,
}

impl Usage {
    /// What was used since then.
    pub(crate) fn since(self, before: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(before.cpu),
            sleeps: self.sleeps.saturating_sub(before.sleeps),
        }
    }
}

/// Whether the system can be asked at all.
pub(crate) const IS_SUPPORTED: bool = cfg!(target_os = "linux");

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;
    use std::time::Duration;

    use anyhow::{Context, Result};
    use nix::sys::resource::{UsageWho, getrusage};
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
    use rustix::time::{ClockId, clock_gettime};

    use super::{Memory, Usage};

    pub(super) fn memory() -> Result<Memory> {
        let status = fs::read_to_string("/proc/self/status")?;
        let bytes = |key: &str| -> Result<usize> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let kib = line.and_then(|rest| rest.split_whitespace().next());
            let kib: usize = kib
                .with_context(|| format!("/proc/self/status has no `{key}`"))?
                .parse()?;
            Ok(kib * 1024)
        };
        Ok(Memory {
            resident: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
        })
    }

    pub(super) fn cpu_time() -> Result<Duration> {
        read(ClockId::ProcessCPUTime)
    }

    pub(super) fn thread_cpu_time() -> Result<Duration> {
        read(ClockId::ThreadCPUTime)
    }

    fn read(clock: ClockId) -> Result<Duration> {
        let time = clock_gettime(clock);
        Ok(Duration::new(
            u64::try_from(time.tv_sec)?,
            u32::try_from(time.tv_nsec)?,
        ))
    }

    pub(super) fn usage() -> Option<Usage> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        Some(Usage {
            // To the nanosecond; that of `getrusage` is to the microsecond.
            cpu: cpu_time().ok()?,
            sleeps: usize::try_from(usage.voluntary_context_switches()).ok()?,
        })
    }

    pub(super) fn pin_to_one_core() -> Result<()> {
        let allowed = sched_getaffinity(None)?;
        let core = (0..CpuSet::MAX_CPU).find(|&core| allowed.is_set(core));
        let mut one = CpuSet::new();
        one.set(core.context("the process may run on no core")?);
        Ok(sched_setaffinity(None, &one)?)
    }
}

#[cfg(not(target_os = "linux"))]
mod elsewhere {
    use std::time::Duration;

    use anyhow::{Result, bail};

    use super::{Memory, Usage};

    const WHY: &str = "this is measured on Linux alone";

    pub(super) fn memory() -> Result<Memory> {
        bail!(WHY)
    }

    pub(super) fn cpu_time() -> Result<Duration> {
        bail!(WHY)
    }

    pub(super) fn thread_cpu_time() -> Result<Duration> {
        bail!(WHY)
    }

    pub(super) fn usage() -> Option<Usage> {
        None
    }

    pub(super) fn pin_to_one_core() -> Result<()> {
        bail!(WHY)
    }
}

#[cfg(not(target_os = "linux"))]
use elsewhere as this;
#[cfg(target_os = "linux")]
use linux as this;

/// What the process holds now, and the most it has held.
///
/// # Errors
/// If the system does not say.
pub(crate) fn memory() -> Result<Memory> {
    this::memory()
}

/// The CPU time of the process on all cores.
///
/// # Errors
/// If the system does not say.
pub(crate) fn cpu_time() -> Result<Duration> {
    this::cpu_time()
}

/// The CPU time of the calling thread.
///
/// # Errors
/// If the system does not say.
pub(crate) fn thread_cpu_time() -> Result<Duration> {
    this::thread_cpu_time()
}

/// What the process has used so far; `None` if the system does not say.
pub(crate) fn usage() -> Option<Usage> {
    this::usage()
}

/// Confines the calling thread, and those that it starts from now on, to one of the cores that it
/// may use.
///
/// # Errors
/// If the system refuses.
pub(crate) fn pin_to_one_core() -> Result<()> {
    this::pin_to_one_core()
}
