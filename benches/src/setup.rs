//! `Setup`: one sample to take, and the face that a workload needs from a contestant.

use anyhow::{Context, Result};

use crate::contestant::{Contestant, ForkJoin, Futures, Stop};
use crate::counted::counted;
use crate::measure::Measure;
use crate::sample::Measures;
use crate::system::Memory;
use crate::workload::Workload;
use crate::workloads;

/// What a workload needs from a contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// Runs closures: a [`Contestant`].
    Jobs,
    /// Ends without running what is queued: a [`Stop`].
    Stop,
    /// Runs futures: a [`Futures`].
    Futures,
    /// Runs futures that sleep on tokio's timer, as many at once as it has workers: a [`Futures`].
    Sleepers,
    /// Its jobs fork and join: a [`ForkJoin`].
    ForkJoin,
    /// Is not a pool: what the machine charges.
    Floor,
}

impl Face {
    pub(crate) const COUNT: usize = 6;
}

/// One sample to take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) workload: Workload,
    /// How many jobs are measured.
    pub(crate) size: usize,
    pub(crate) workers: usize,
    /// The queue that a bounded contestant gets; `usize::MAX`: one without a bound.
    pub(crate) capacity: usize,
    /// What the process held before the contestant was built, if the workload asks for it.
    pub(crate) before: Option<Memory>,
}

/// The part of a sample's jobs that run before the clock starts, to warm up threads, caches and the
/// allocator.
const WARM_UP_PART: usize = 16;

impl Setup {
    /// Runs a workload of closures: warms `contestant` up, measures, ends it.
    pub(crate) fn jobs<C: Contestant>(&self, contestant: C) -> Result<Measures> {
        if matches!(self.workload, Workload::SpawnInside | Workload::Chain) {
            return self.inside(contestant);
        }
        if self.workload.warms_up() {
            workloads::jobs(&self.warm_up(), &contestant)?;
        }
        let measures = self.rounds(|| workloads::jobs(self, &contestant))?;
        contestant.finish();
        Ok(measures)
    }

    /// Runs a workload whose jobs submit jobs. The contestant is leaked, so that a job holds it
    /// without a reference count, which would cost more than many pools; a process measures one
    /// sample.
    fn inside<C: Contestant>(&self, contestant: C) -> Result<Measures> {
        let contestant = Box::leak(Box::new(contestant));
        workloads::inside(&self.warm_up(), contestant);
        self.rounds(|| Ok(workloads::inside(self, contestant)))
    }

    /// The round that counts; and for workloads that measure it, a second one.
    fn rounds(&self, mut round: impl FnMut() -> Result<Measures>) -> Result<Measures> {
        let mut measures = counted(&mut round)??;
        if self.workload.has_warm_round() {
            let (first, warm) = (Measure::TIME_PER_JOB, Measure::TIME_PER_JOB_WARM);
            let figure = round()?.get(first.name).copied();
            let figure = figure.context("the second round has no time")?;
            measures.insert(warm.name.to_owned(), figure);
        }
        Ok(measures)
    }

    /// Fills the queue of `contestant` and stops it.
    pub(crate) fn stop<C: Stop>(&self, contestant: C) -> Result<Measures> {
        counted(|| workloads::stop(self, contestant))
    }

    /// Runs a workload of futures in the same way.
    pub(crate) fn futures<C: Futures>(&self, contestant: C) -> Result<Measures> {
        workloads::futures(&self.warm_up(), &contestant);
        let measures = counted(|| workloads::futures(self, &contestant))?;
        contestant.finish();
        Ok(measures)
    }

    /// Runs a workload of nested joins in the same way.
    pub(crate) fn fork_join<C: ForkJoin>(&self, contestant: C) -> Result<Measures> {
        workloads::fork_join(&self.warm_up(), &contestant);
        let measures = counted(|| workloads::fork_join(self, &contestant))?;
        contestant.finish();
        Ok(measures)
    }

    /// Runs a floor.
    pub(crate) fn floor(&self) -> Result<Measures> {
        workloads::floor(&self.warm_up())?;
        workloads::floor(self)
    }

    /// The bound, for contestants that reserve room for as much. `None`: no bound, and they are
    /// built without one.
    #[cfg(feature = "peers")]
    pub(crate) fn bound(&self) -> Option<usize> {
        (self.capacity < usize::MAX).then_some(self.capacity)
    }

    fn warm_up(&self) -> Self {
        Self {
            size: (self.size / WARM_UP_PART).max(1),
            ..*self
        }
    }
}
