//! `Timeout`: a job's timeout, and a mark where a [`Duration`] has padding.

use std::fmt;
use std::time::Duration;

/// The shortest timeout that a job was given, if it was given one.
///
/// Options lie in the error that gives a job back, so their size matters: hence the parts of a
/// [`Duration`], and the mark next to them.
#[derive(Clone, Copy)]
pub(super) struct Timeout {
    seconds: u64,
    /// Below a billion, or [`NONE`].
    nanos: u32,
    /// Whether the job is submitted by `execute`, for observers.
    pub(super) is_detached: bool,
}

/// In the place of nanoseconds: there is no timeout.
const NONE: u32 = u32::MAX;

impl Timeout {
    #[inline(always)]
    pub(super) fn get(self) -> Option<Duration> {
        (!self.is_none()).then(|| Duration::new(self.seconds, self.nanos))
    }

    pub(super) fn set(&mut self, timeout: Duration) {
        self.seconds = timeout.as_secs();
        self.nanos = timeout.subsec_nanos();
    }

    /// Whether there is no timeout, marked or not.
    #[inline(always)]
    pub(super) fn is_none(self) -> bool {
        self.nanos == NONE
    }
}

impl Default for Timeout {
    #[inline(always)]
    fn default() -> Self {
        Self {
            seconds: 0,
            nanos: NONE,
            is_detached: false,
        }
    }
}

impl fmt::Debug for Timeout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::mem::size_of;
    use std::time::Duration;

    use super::Timeout;

    #[test]
    fn every_timeout_is_kept_in_the_space_of_a_duration() {
        assert_eq!(Timeout::default().get(), None);
        let parts = Duration::new(3, 999_999_999);
        for timeout in [Duration::ZERO, parts, Duration::MAX] {
            let mut kept = Timeout::default();
            kept.set(timeout);
            assert_eq!(kept.get(), Some(timeout));
        }
        assert_eq!(size_of::<Timeout>(), size_of::<Duration>());
    }
}
