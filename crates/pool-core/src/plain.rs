//! Jobs without a handle: the payload is the job, and where it has options, those beside it.

use std::sync::Arc;

use crate::cell::{conclude, message_of, refuse_start};
use crate::context::JobContext;
use crate::error::{Refused, SubmitError};
use crate::id::JobId;
use crate::job::{Job, JobOptions, Terms};
use crate::lifecycle::Lifecycle;
use crate::machine::{self, Point};
use crate::outcome::{contain, drop_contained, outcome_of};
use crate::task::{Payload, Ran, Task};
use crate::worker::Worker;

/// A job as it is: nothing but its own bytes.
struct Plain<J>(J);

/// A job with a name, a deadline or a token.
struct WithTerms<J> {
    terms: Box<Terms>,
    job: J,
}

#[inline]
pub(crate) fn task<J: Job>(job: J) -> (JobId, Task) {
    let options = job.options();
    task_with(job, options)
}

/// A task for a job with these options, whatever it has of itself.
#[inline]
pub(crate) fn task_with<J: Job>(job: J, options: JobOptions) -> (JobId, Task) {
    let id = JobId::next();
    let task = match options.resolve() {
        None => Task::new(id, Plain(job)),
        Some(terms) => {
            let terms = Box::new(terms);
            Task::new(id, WithTerms { terms, job })
        }
    };
    (id, task)
}

/// The refusal of a task that [`task_with`] made, with the job itself.
pub(crate) fn give_back<J: Job>(refused: Refused<Task>) -> SubmitError<J> {
    refused.map(job_of::<J>).into()
}

fn job_of<J: Job>(task: Task) -> J {
    task.into_payload::<Plain<J>>()
        .map(|plain| plain.0)
        .or_else(|task| task.into_payload::<WithTerms<J>>().map(|with| with.job))
        .unwrap_or_else(|task| panic!("the executor handed back another task, {task:?}"))
}

/// Inlined always: else it is left to chance, as two payloads call it.
#[inline(always)]
fn run<J: Job>(job: J, terms: Option<&Terms>, id: JobId, worker: &Worker) -> Ran {
    let name = terms.and_then(|terms| terms.name.as_deref());
    let resolution = match refuse_start(terms) {
        Some(interrupted) => {
            drop_contained(job);
            Err(interrupted.into())
        }
        None => {
            let frame = worker.begin(id, name);
            let ctx = JobContext::new(id, terms, None, worker);
            let result = contain(|| {
                machine::point(Point::Begin(id));
                job.run(&ctx)
            });
            let resolution = conclude(result, ctx.reported());
            drop(frame);
            resolution
        }
    };
    let outcome = outcome_of(&resolution);
    worker
        .life()
        .observe(outcome, id, name, message_of(&resolution));
    worker.record(outcome);
    match resolution {
        Ok(value) => drop_contained(value),
        Err(error) => drop_contained(error),
    }
    Ran::Over
}

impl<J: Job> Payload for Plain<J> {
    #[inline]
    fn run(self, id: JobId, worker: &Worker) -> Ran {
        run(self.0, None, id, worker)
    }

    #[inline]
    fn abandon(self) {}

    fn sort_out(self, _life: &Arc<Lifecycle>) -> Option<Self> {
        Some(self)
    }

    fn name(&self) -> Option<&str> {
        None
    }
}

impl<J: Job> Payload for WithTerms<J> {
    #[inline]
    fn run(self, id: JobId, worker: &Worker) -> Ran {
        run(self.job, Some(&self.terms), id, worker)
    }

    #[inline]
    fn abandon(self) {}

    fn sort_out(self, _life: &Arc<Lifecycle>) -> Option<Self> {
        Some(self)
    }

    fn name(&self) -> Option<&str> {
        self.terms.name.as_deref()
    }
}
