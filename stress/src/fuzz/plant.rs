//! Planted faults: pools that break a promise, to check that the oracle finds each of them.

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use pool::{
    Backend, Capability, Executor, Pool, Pools, Refused, Room, ShutdownPolicy, Stats, Task,
};

use super::pools::AnyPool;

/// A fault strikes once in this many tasks.
const EVERY: usize = 5;

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// Forgets a task: its handle never resolves.
    LosesJob,
    /// Drops a task unrun: its job is abandoned, although the pool goes on.
    DropsJob,
    /// Lets another pool run a task.
    RunsElsewhere,
    /// Counts a job twice.
    CountsTwice,
    /// Makes `wait_idle` return at once.
    NeverWaits,
}

impl Plant {
    pub(super) const ALL: [Self; 5] = [
        Self::LosesJob,
        Self::DropsJob,
        Self::RunsElsewhere,
        Self::CountsTwice,
        Self::NeverWaits,
    ];
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LosesJob => "lose-job",
            Self::DropsJob => "drop-job",
            Self::RunsElsewhere => "run-elsewhere",
            Self::CountsTwice => "count-twice",
            Self::NeverWaits => "never-wait",
        })
    }
}

impl FromStr for Plant {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|it| it.to_string() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(Self::to_string).collect();
            format!("no fault is named `{name}`; there are {}", names.join(", "))
        })
    }
}

/// A pool with a fault.
#[derive(Debug)]
pub(super) struct Planted {
    inner: AnyPool,
    plant: Plant,
    tasks: AtomicUsize,
    elsewhere: Option<Pool>,
}

impl Planted {
    pub(super) fn new(inner: AnyPool, plant: Plant) -> Self {
        let elsewhere = (plant == Plant::RunsElsewhere).then(|| {
            let builder = Pool::builder().backend(Backend::Channel).workers(1);
            builder.thread_name("elsewhere").build()
        });
        Self {
            inner,
            plant,
            tasks: AtomicUsize::new(0),
            elsewhere: elsewhere.and_then(Result::ok),
        }
    }

    pub(super) fn inner(&self) -> &AnyPool {
        &self.inner
    }
}

impl Executor for Planted {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        let strikes = self.tasks.fetch_add(1, SeqCst) % EVERY == EVERY - 1;
        match (self.plant, &self.elsewhere) {
            (Plant::LosesJob, _) if strikes => std::mem::forget(task),
            (Plant::DropsJob, _) if strikes => drop(task),
            (Plant::RunsElsewhere, Some(pool)) if strikes => return pool.try_accept(task),
            _ => return self.inner.executor().try_accept(task),
        }
        Ok(())
    }

    fn room(&self) -> &Room {
        self.inner.executor().room()
    }

    fn capability(&self) -> Capability {
        self.inner.executor().capability()
    }

    fn stats(&self) -> Stats {
        let mut stats = self.inner.stats();
        if self.plant == Plant::CountsTwice && stats.completed > 2 {
            stats.completed += 1;
            stats.accepted += 1;
        }
        stats
    }

    fn is_closed(&self) -> bool {
        self.inner.executor().is_closed()
    }

    fn pools(&self) -> Pools {
        if self.plant == Plant::NeverWaits {
            return Pools::none();
        }
        self.inner.executor().pools()
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        if let Some(pool) = &self.elsewhere {
            drop(pool.shutdown(ShutdownPolicy::drain()));
        }
    }
}
