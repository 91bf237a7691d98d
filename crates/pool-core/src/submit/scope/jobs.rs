//! The jobs of a scope that are not over yet, and what became of the others.
//!
//! # What may add a job
//! The scope's own closure, and a job's closure, which is not over meanwhile. So a thread that has
//! ended all jobs that it found, and then finds none, knows that nobody is left to add one. Pruning
//! keeps to that: a job leaves the list only when its closure is over.

use std::convert::Infallible;
use std::sync::Arc;

use super::{Lent, ScopeError};
use crate::job::handle::JobHandle;
use crate::job::outcome::{JobError, PanicInfo, contain};
use crate::sys::sync::{LockExt, Mutex};

/// A list as short as this is not worth a look for jobs that are over.
const WORTH_A_LOOK: usize = 64;

/// The jobs of one scope. Jobs of the scope add further ones from their own threads.
#[derive(Default)]
pub(super) struct Jobs(Mutex<List>);

/// What is under the lock. No user code runs with it held.
#[derive(Default)]
struct List {
    /// Those that are not known to be over, and that no thread waits for in [`end`](Jobs::end).
    live: Vec<Live>,
    /// At this length the list is pruned: twice what the last pruning left, so that it costs each
    /// job no more than a few looks.
    prune_at: usize,
    /// How many were added, and so the number of the next.
    added: usize,
    /// Sums up those that have left `live`.
    ends: Ends,
}

/// A job that was accepted.
struct Live {
    /// Its place in the order of submission.
    number: usize,
    /// Says how the job ended.
    handle: JobHandle<(), Infallible>,
    /// Says whether what it borrows is free, which the handle alone does not.
    closure: Arc<dyn Lent>,
}

/// What became of jobs that are over.
#[derive(Default)]
struct Ends {
    /// The panic of the job that was submitted first among those that panicked.
    panic: Option<(usize, PanicInfo)>,
    /// How many did not run.
    unfinished: usize,
}

impl Jobs {
    /// Adds a job that was accepted. Now and then it takes out those that are over, so that memory
    /// follows those that are not (`R507`).
    pub(super) fn add(&self, handle: JobHandle<(), Infallible>, closure: Arc<dyn Lent>) {
        let over = {
            let mut list = self.0.lock_unpoisoned();
            let number = list.added;
            list.added += 1;
            list.live.push(Live {
                number,
                handle,
                closure,
            });
            list.prune()
        };
        if !over.is_empty() {
            self.end(over);
        }
    }

    /// Waits for all jobs, those included that others of them have added meanwhile.
    pub(super) fn join_all(&self) -> Result<(), ScopeError> {
        loop {
            let live = std::mem::take(&mut self.0.lock_unpoisoned().live);
            if live.is_empty() {
                break;
            }
            self.end(live);
        }
        let ends = std::mem::take(&mut self.0.lock_unpoisoned().ends);
        match (ends.panic, ends.unfinished) {
            (Some((_, info)), _) => Err(ScopeError::Panicked(info)),
            (None, 0) => Ok(()),
            (None, count) => Err(ScopeError::Unfinished(count)),
        }
    }

    /// How many there are that are not known to be over.
    pub(super) fn len(&self) -> usize {
        self.0.lock_unpoisoned().live.len()
    }

    /// Waits for these, which nobody else has, and notes their ends.
    fn end(&self, jobs: Vec<Live>) {
        let mut ends = Ends::default();
        jobs.into_iter().for_each(|job| ends.note(job));
        let former = {
            let all = &mut self.0.lock_unpoisoned().ends;
            all.unfinished += ends.unfinished;
            all.keep_first(ends.panic)
        };
        // A payload is the user's to drop: not under the lock.
        drop(former);
    }
}

impl List {
    /// Takes out the jobs that are over, if there may be many.
    fn prune(&mut self) -> Vec<Live> {
        if self.live.len() < self.prune_at.max(WORTH_A_LOOK) {
            return Vec::new();
        }
        let all = std::mem::take(&mut self.live).into_iter();
        let (over, live) = all.partition(Live::is_over);
        self.live = live;
        self.prune_at = 2 * self.live.len();
        over
    }
}

impl Live {
    /// Whether its end would not be waited for.
    fn is_over(&self) -> bool {
        self.closure.is_over() && self.handle.is_finished()
    }
}

impl Ends {
    /// Waits for the job, on a worker of its pool by running it, and then until its closure is
    /// gone.
    fn note(&mut self, job: Live) {
        // Contained: whatever the wait runs into, the closure is ended.
        let joined = contain(|| job.handle.join());
        job.closure.end();
        match joined {
            Ok(Ok(())) => {}
            Ok(Err(JobError::Panicked(info))) | Err(info) => {
                drop(self.keep_first(Some((job.number, info))));
            }
            Ok(Err(_)) => self.unfinished += 1,
        }
    }

    /// Keeps the panic of the job that was submitted first, and gives back the other.
    fn keep_first(&mut self, panic: Option<(usize, PanicInfo)>) -> Option<(usize, PanicInfo)> {
        let number = |panic: &Option<(usize, PanicInfo)>| panic.as_ref().map(|panic| panic.0);
        let is_first = match (number(&self.panic), number(&panic)) {
            (Some(kept), Some(new)) => new < kept,
            (None, Some(_)) => true,
            (_, None) => false,
        };
        if is_first {
            std::mem::replace(&mut self.panic, panic)
        } else {
            panic
        }
    }
}
