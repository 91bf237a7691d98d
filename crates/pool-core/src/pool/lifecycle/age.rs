//! `Age`: how long a pool has been there, for the starts of jobs.

use std::time::Instant;

use crate::sys::machine;

/// The age of a pool in nanoseconds: one word, which is enough for some centuries.
pub(crate) struct Age {
    born: Instant,
}

impl Age {
    pub(super) fn begin() -> Self {
        Self {
            born: machine::now(),
        }
    }

    /// Nanoseconds since the pool was made.
    pub(crate) fn nanos(&self) -> u64 {
        u64::try_from(machine::since(self.born).as_nanos()).unwrap_or(u64::MAX)
    }
}
