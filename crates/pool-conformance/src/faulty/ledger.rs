//! Faults in the ledger: counts that lie, and reads that wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_core::{Executor, Pools, Refused, Stats, Task};

use super::Faulty;
use super::engine::{Flaw, Inner, nap};

pub(super) fn all() -> Vec<Faulty> {
    vec![
        Faulty::new(
            "boaster",
            "counts a completed job that never was",
            &["R701"],
            || Arc::new(Boaster),
        ),
        Faulty::new(
            "optimist",
            "counts a job now and then that it refuses",
            &["R701"],
            || Arc::new(Optimist(AtomicU64::new(0))),
        ),
        Faulty::new(
            "whitewasher",
            "counts panics as completed jobs",
            &["R302", "R701"],
            || Arc::new(Whitewasher),
        ),
        Faulty::new(
            "slow reader",
            "gives its books once nothing runs",
            &["R702"],
            || Arc::new(SlowReader),
        ),
        Faulty::new(
            "forgetful clerk",
            "keeps no count of the jobs that it gives back",
            &["R1060", "R1062"],
            || Arc::new(ForgetfulClerk),
        ),
        Faulty::new(
            "pedantic clerk",
            "counts each try of a submitter that waits as a job that came back",
            &["R1060"],
            || Arc::new(PedanticClerk(AtomicU64::new(0))),
        ),
        Faulty::new(
            "early quiet",
            "says at once that it is idle",
            &["R506"],
            || Arc::new(EarlyQuiet),
        ),
    ]
}

struct Boaster;

impl Flaw for Boaster {
    fn stats(&self, pool: &Inner) -> Stats {
        let mut stats = pool.stats();
        stats.completed += 1;
        stats
    }
}

struct Optimist(AtomicU64);

impl Flaw for Optimist {
    fn stats(&self, pool: &Inner) -> Stats {
        let mut stats = pool.stats();
        stats.accepted += self.0.fetch_add(1, Ordering::Relaxed) % 2;
        stats
    }
}

struct Whitewasher;

impl Flaw for Whitewasher {
    fn stats(&self, pool: &Inner) -> Stats {
        let mut stats = pool.stats();
        stats.completed += std::mem::take(&mut stats.panicked);
        stats
    }
}

struct SlowReader;

impl Flaw for SlowReader {
    fn stats(&self, pool: &Inner) -> Stats {
        loop {
            let stats = pool.stats();
            if stats.running == 0 {
                return stats;
            }
            nap();
        }
    }
}

struct ForgetfulClerk;

impl Flaw for ForgetfulClerk {
    fn stats(&self, pool: &Inner) -> Stats {
        let mut stats = pool.stats();
        (stats.refused_full, stats.refused_closed) = (0, 0);
        stats
    }
}

struct PedanticClerk(AtomicU64);

impl Flaw for PedanticClerk {
    fn try_accept(&self, pool: &Inner, task: Task) -> Result<(), Refused<Task>> {
        let tried = pool.try_accept(task);
        let is_full = matches!(tried, Err(Refused::Full(_)));
        self.0.fetch_add(u64::from(is_full), Ordering::Relaxed);
        tried
    }

    fn stats(&self, pool: &Inner) -> Stats {
        let mut stats = pool.stats();
        stats.refused_full = self.0.load(Ordering::Relaxed);
        stats
    }
}

struct EarlyQuiet;

impl Flaw for EarlyQuiet {
    fn pools(&self, _pool: &Inner) -> Pools {
        Pools::none()
    }
}
