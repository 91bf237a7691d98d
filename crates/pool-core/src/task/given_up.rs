//! Jobs that a pool gives up before they start: how they count, and what is left of them.

use std::borrow::Cow;
use std::sync::Arc;
use std::task::Waker;

use crate::job::id::JobId;
use crate::job::outcome::{Outcome, drop_contained};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::observer::KeptJob;
use crate::task::{Payload, Task};
use crate::worker::Worker;

/// The column of a job that was given up. Its handle says `Abandoned` either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GivenUpAs {
    /// A shutdown took it out before it started.
    Unstarted,
    /// Nobody is left to run it.
    Abandoned,
    /// It was counted as unstarted before, and is in no pool any more.
    OffTheBooks,
}

/// What [`Task::give_up`] leaves.
#[must_use]
#[derive(Debug)]
pub(crate) enum GivenUp {
    /// The outcome; and what is the caller's to do, where user code may run: to run or drop a task,
    /// which is in no books and drops what the job captured, and to wake one that waits for the
    /// job's end.
    Left(Outcome, Task, Option<Waker>),
    /// It is abandoned, and there is nothing to do: what it captured needs no drop.
    Bare,
    /// Nothing: the job was started elsewhere, and is accounted for there.
    TakenElsewhere,
}

/// What is left of a job that was given up: user code that is yet to be dropped.
pub(crate) struct Remains<T> {
    /// The job's name, for the report, if the drop does not return.
    name: Option<Cow<'static, str>>,
    what: T,
}

impl<T: Send + 'static> Remains<T> {
    /// A task that drops `what`, in a frame that names the job.
    pub(crate) fn task(id: JobId, name: Option<Cow<'static, str>>, what: T) -> Task {
        Task::new(id, Self { name, what })
    }
}

impl<T: Send + 'static> Payload for Remains<T> {
    /// The job's end is on record before this begins, so a report counts it once.
    fn run(self, id: JobId, worker: &Worker) {
        let frame = worker.begin(id, self.name.as_deref());
        frame.is_unstarted_on_record();
        drop_contained(self.what);
        drop(frame);
    }

    fn abandon(self) {}

    fn give_up(self, id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        GivenUp::Left(Outcome::Abandoned, Task::new(id, self), None)
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

/// A job that was given up and is yet to be told of, to the observers of its pool, by the worker
/// that drops what it left.
pub(crate) struct ToldLater {
    job: KeptJob,
    outcome: Outcome,
    life: Arc<Lifecycle>,
    /// What it captured, if that needs a drop.
    remains: Option<Task>,
}

impl ToldLater {
    pub(crate) fn task(
        id: JobId,
        job: KeptJob,
        outcome: Outcome,
        life: Arc<Lifecycle>,
        remains: Option<Task>,
    ) -> Task {
        let told_later = Self {
            job,
            outcome,
            life,
            remains,
        };
        Task::new(id, told_later)
    }
}

impl Payload for ToldLater {
    fn run(self, id: JobId, worker: &Worker) {
        let frame = worker.begin(id, self.job.name());
        frame.is_unstarted_on_record();
        self.job.ended(&self.life, self.outcome);
        drop(frame);
        if let Some(remains) = self.remains {
            remains.run(worker);
        }
    }

    /// No worker is left.
    fn abandon(self) {
        self.job.ended(&self.life, self.outcome);
    }

    fn give_up(self, id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        GivenUp::Left(self.outcome, Task::new(id, self), None)
    }

    fn name(&self) -> Option<&str> {
        self.job.name()
    }
}

/// What is left of a job that was in no pool's books, for a worker to drop.
pub(crate) struct Uncounted(Task);

impl Uncounted {
    pub(crate) fn task(remains: Task) -> Task {
        Task::new(remains.id(), Self(remains))
    }
}

impl Payload for Uncounted {
    /// In a frame, so that a report names the job if the drop does not return.
    fn run(self, id: JobId, worker: &Worker) {
        let frame = worker.begin(id, self.0.name());
        drop_contained(self.0);
        drop(frame);
    }

    fn abandon(self) {}

    fn give_up(self, id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        GivenUp::Left(Outcome::Abandoned, Task::new(id, self), None)
    }

    fn name(&self) -> Option<&str> {
        self.0.name()
    }
}
