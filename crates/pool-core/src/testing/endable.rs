//! `Endable`: a job that others can end while its task is queued, and that does nothing else.

use std::sync::Arc;

use crate::cell::state::State;
use crate::cell::ticket::{DeadEntry, QueuedJob, Ticket};
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::task::{GivenUp, GivenUpAs, Payload, Task};
use crate::worker::Worker;

/// The job, as the side that ends it has it.
#[derive(Debug, Clone)]
pub(crate) struct Endable {
    id: JobId,
    cell: Arc<(State, Ticket)>,
}

impl Endable {
    /// A job in no queue.
    pub(crate) fn new() -> Self {
        Self {
            id: JobId::next(),
            cell: Arc::new((State::detached(), Ticket::new())),
        }
    }

    /// The job's task.
    pub(crate) fn task(&self) -> Task {
        Task::new(self.id, self.clone())
    }

    pub(crate) fn id(&self) -> JobId {
        self.id
    }

    /// Starts or ends the job. Returns true to one caller.
    pub(crate) fn start(&self) -> bool {
        self.cell.0.start().is_some()
    }

    /// The job's entry, for the caller that has ended the job.
    pub(crate) fn entry(&self) -> DeadEntry<'_> {
        DeadEntry::new(self.id, &self.cell.1)
    }
}

impl Payload for Endable {
    const IS_SHARED: bool = true;

    fn run(self, _id: JobId, _worker: &Worker) {}

    fn abandon(self) {}

    fn queued_job(&self) -> Option<QueuedJob<'_>> {
        let (state, ticket) = &*self.cell;
        Some(QueuedJob { state, ticket })
    }

    fn give_up(self, _id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        GivenUp::TakenElsewhere
    }

    fn name(&self) -> Option<&str> {
        None
    }
}
