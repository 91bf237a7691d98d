//! Jobs without a handle: the payload is the job, and its options if it has any. A job that its
//! token or its deadline may end while it is queued has a cell all the same, through which they
//! reach it.

use crate::cell::closure::{CellEntry, watched_task};
use crate::job::context::JobContext;
use crate::job::id::JobId;
use crate::job::outcome::{
    Concluded, Interrupted, Outcome, conclude, contain, drop_contained, outcome_of,
};
use crate::job::{Job, JobOptions, Terms, kind_of};
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::{Refused, SubmitError};
use crate::sys::machine::{self, Point};
use crate::task::slab_box::SlabBox;
use crate::task::{GivenUp, GivenUpAs, Payload, Remains, Task};
use crate::worker::Worker;

/// A job without options: only its own bytes.
struct Plain<J>(J);

/// A job with options (a name, values, a time for observers) that cannot end it while it is queued.
struct WithOptions<J> {
    /// Boxed, which is two words: a small job still lies in its task with its options.
    terms: SlabBox<Terms>,
    job: J,
}

#[cfg(test)]
pub(crate) fn task<J: Job>(job: J) -> (JobId, Task) {
    let options = job.options();
    task_with(job, options)
}

/// A task for a job with these options, whatever it has of itself.
///
/// Which of the three payloads it is depends on the options: none, some that cannot end the job
/// before it starts, or some that can, for which it gets a cell.
///
/// Inlined always: then a job that has no options is known not to have any.
#[inline(always)]
pub(crate) fn task_with<J: Job>(job: J, options: JobOptions) -> (JobId, Task) {
    if options.is_none() {
        // They own nothing, and the drop would be a call for each job.
        std::mem::forget(options);
        let id = JobId::next();
        return (id, Task::new(id, Plain(job)));
    }
    task_with_options(job, options)
}

/// The part of [`task_with`] for a job with options.
#[inline(never)]
fn task_with_options<J: Job>(job: J, options: JobOptions) -> (JobId, Task) {
    let id = JobId::next();
    let task = match options.resolve() {
        None => Task::new(id, Plain(job)),
        Some(terms) if terms.may_end() => watched_task(id, job, terms),
        Some(terms) => {
            let terms = SlabBox::new(terms);
            Task::new(id, WithOptions { terms, job })
        }
    };
    (id, task)
}

/// The refusal of a task that [`task_with`] made, with the job itself.
pub(crate) fn give_back<J: Job>(refused: Refused<Task>) -> SubmitError<J> {
    refused.map(job_of::<J>).into()
}

/// Takes the job out of whichever payload it was made into.
///
/// # Panics
/// If the task was not made of a `J` by [`task_with`], or has been started.
fn job_of<J: Job>(task: Task) -> J {
    let plain = task.into_payload::<Plain<J>>().map(|plain| plain.0);
    let named = plain.or_else(|task| task.into_payload::<WithOptions<J>>().map(|it| it.job));
    named
        .map_err(Task::into_payload::<CellEntry<J>>)
        .unwrap_or_else(|entry| {
            let job = entry.ok().and_then(CellEntry::reclaim);
            job.expect("an executor hands back the task that it was given, unrun")
        })
}

/// Inlined always: otherwise it is left to chance, as two payloads call it.
///
/// The order is that of every job: run contained, record the outcome and tell the observer, put the
/// end on record for a report if what follows is user code, drop what the job returned, leave the
/// frame, and count the job as over.
#[inline(always)]
fn run<J: Job>(job: J, terms: Option<&Terms>, id: JobId, worker: &Worker) {
    let name = terms.and_then(|terms| terms.name.as_deref());
    let frame = worker.begin(id, name);
    let ctx = JobContext::new(id, terms, None, worker);
    let job_here = worker.job(id, terms, || kind_of::<J>(J::kind));
    job_here.enters();
    let result = contain(|| {
        machine::point(Point::Begin(id));
        job.run(&ctx)
    });
    job_here.exits();
    let (resolution, leftover) = match conclude(result, ctx.reported()) {
        Concluded::Ends(resolution) => (resolution, None),
        Concluded::GaveUp(interrupted, error) => {
            if interrupted == Interrupted::Cancelled {
                // There is neither a handle nor a token that could have asked.
                let life = worker.life();
                life.ending.note_if_cut_short(id, name, false, &life.phase);
            }
            (Err(interrupted.into()), Some(error))
        }
    };
    job_here.record_and_tell(&frame, &resolution, J::error_text);
    let extensions = Terms::take_values(terms);
    if std::mem::needs_drop::<Result<J::Output, J::Error>>() || !extensions.is_empty() {
        frame.is_on_record(outcome_of(&resolution));
    }
    match resolution {
        Ok(value) => drop_contained(value),
        Err(error) => drop_contained(error),
    }
    drop_contained(leftover);
    drop(extensions);
    drop(frame);
    worker.over();
}

impl<J: Job> Payload for Plain<J> {
    #[inline]
    fn run(self, id: JobId, worker: &Worker) {
        run(self.0, None, id, worker);
    }

    #[inline]
    fn abandon(self) {}

    fn give_up(self, id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        life.ledger.record_given_up(ends);
        life.given_up_over(ends);
        if !std::mem::needs_drop::<J>() {
            return GivenUp::Bare;
        }
        GivenUp::Left(Outcome::Abandoned, Remains::task(id, None, self.0), None)
    }

    fn name(&self) -> Option<&str> {
        None
    }

    fn kind(&self) -> &'static str {
        kind_of::<J>(J::kind)
    }
}

impl<J: Job> Payload for WithOptions<J> {
    #[inline]
    fn run(self, id: JobId, worker: &Worker) {
        run(self.job, Some(&self.terms), id, worker);
    }

    #[inline]
    fn abandon(self) {}

    fn give_up(self, id: JobId, life: &Lifecycle, ends: GivenUpAs) -> GivenUp {
        life.ledger.record_given_up(ends);
        life.given_up_over(ends);
        let terms = self.terms.into_inner();
        let captured = (self.job, terms.carried.take());
        GivenUp::Left(
            Outcome::Abandoned,
            Remains::task(id, terms.name, captured),
            None,
        )
    }

    fn name(&self) -> Option<&str> {
        self.terms.name.as_deref()
    }

    fn kind(&self) -> &'static str {
        kind_of::<J>(J::kind)
    }

    fn terms(&self) -> Option<&Terms> {
        Some(&self.terms)
    }
}
