//! Jobs without a handle: the payload is the job, and its options if it has any. A job that its
//! token or its deadline may end while it is queued has a cell all the same, through which they
//! reach it.

use crate::cell::closure::{CellEntry, watched_task};
use crate::job::context::JobContext;
use crate::job::id::JobId;
use crate::job::outcome::{
    Concluded, Interrupted, Outcome, Returned, completed, conclude, contain, drop_contained,
    outcome_of,
};
use crate::job::{Job, Terms, kind_of};
use crate::pool::lifecycle::Lifecycle;
use crate::submit::error::{Refused, SubmitError};
use crate::sys::machine::{self, Point};
use crate::task::slab_box::SlabBox;
use crate::task::{GivenUp, GivenUpAs, Payload, Remains, Task};
use crate::worker::{Frame, Worker};

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
    let terms = job.options().resolve();
    task_with(job, terms)
}

/// A task for a job with these options, whatever it has of itself.
///
/// Which of the three payloads it is depends on the options: none, some that cannot end the job
/// before it starts, or some that can, for which it gets a cell.
///
/// Inlined always: then a job that has no options is known not to have any.
#[inline(always)]
pub(crate) fn task_with<J: Job>(job: J, terms: Option<Terms>) -> (JobId, Task) {
    let id = JobId::next();
    let task = if terms.is_none() {
        std::mem::forget(terms); // owns nothing, and its drop would be a call for each job
        Task::new(id, Plain(job))
    } else {
        task_with_terms(id, job, terms)
    };
    (id, task)
}

/// The part of [`task_with`] for a job with options. They are passed on as they were made, in their
/// `Option`: to take them out of it would be a copy.
#[inline(never)]
fn task_with_terms<J: Job>(id: JobId, job: J, terms: Option<Terms>) -> Task {
    match terms {
        None => Task::new(id, Plain(job)),
        Some(terms) if terms.may_end() => watched_task(id, job, terms),
        Some(terms) => {
            let terms = SlabBox::new(terms);
            Task::new(id, WithOptions { terms, job })
        }
    }
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
    let returned = contain(|| {
        machine::point(Point::Begin(id));
        job.run(&ctx)
    });
    let is_plain = job_here.completes_unheard() && Terms::have_no_values(terms);
    match completed(returned, is_plain) {
        Ok(value) => {
            worker.record(Outcome::Completed);
            if std::mem::needs_drop::<J::Output>() {
                frame.is_on_record(Outcome::Completed);
                drop_contained(value);
            }
        }
        Err(returned) => end::<J>(returned, ctx.reported(), id, terms, &frame),
    }
    drop(frame);
    worker.over();
}

/// Ends a job that has not completed, or whose end somebody hears of, or that has values.
#[cold]
#[inline(never)]
fn end<J: Job>(
    returned: Returned<J::Output, J::Error>,
    reported: Option<Interrupted>,
    id: JobId,
    terms: Option<&Terms>,
    frame: &Frame<'_>,
) {
    let job_here = frame.worker().job(id, terms, || kind_of::<J>(J::kind));
    job_here.exits();
    let (resolution, leftover) = match conclude(returned, reported) {
        Concluded::Ends(resolution) => (resolution, None),
        Concluded::GaveUp(interrupted, error) => {
            if interrupted == Interrupted::Cancelled {
                // There is neither a handle nor a token that could have asked.
                job_here.note_if_cut_short(false);
            }
            (Err(interrupted.into()), Some(error))
        }
    };
    job_here.record_and_tell(frame, &resolution, J::error_text);
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
