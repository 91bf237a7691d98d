//! `Feed`: takes the inputs of a map one by one, and submits a job for each.

use std::any::type_name;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Handle, Item};
use crate::job::Job;
use crate::job::context::JobContext;
use crate::job::handle::JobHandle;
use crate::job::outcome::{contain, drop_contained};
use crate::submit::executor::Executor;
use crate::submit::executor::admit::try_admit_uncounted;
use crate::submit::executor::into_task::closure;
use crate::submit::refusals::came_back;
use crate::submit::room::Admission;
use crate::task::{Task, TaskRef};
use crate::worker::Worker;
use crate::worker::park::{Looks, block_on, look_between_yields, spin_a_while};

/// What a queue's capacity adds to a window at most: enough for any number of workers to find a
/// next job, and no more memory than that where the queue has no bound worth the name.
const MAX_QUEUED: usize = 1024;

/// How many inputs a map takes ahead unless told otherwise: one for each worker, and as many as may
/// be queued, 1 024 at most.
pub(super) fn window_of<E: Executor + ?Sized>(executor: &E) -> usize {
    let capability = executor.capability();
    let queued = capability.capacity.unwrap_or(MAX_QUEUED).min(MAX_QUEUED);
    capability.workers.saturating_add(queued)
}

/// The jobs of a map that were accepted and whose outcomes were not given yet.
pub(super) trait InFlight<T> {
    /// How many outcomes are to come.
    fn len(&self) -> usize;

    /// Adds a job that was accepted.
    fn add(&mut self, handle: Handle<T>);

    /// Whether there may be an outcome. Cheap: asked between yields.
    fn may_have_outcome(&self) -> bool;

    /// An outcome, or the promise to wake `cx`.
    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Item<T>>;
}

/// Where a map's jobs come from. It takes one input at a time, and holds back at most one job,
/// which found no room.
pub(super) struct Feed<'a, E: ?Sized, I, F, T> {
    /// Where the jobs go.
    executor: &'a E,
    /// `None` once they have ended: by themselves, by a panic, or with the pool if their number is
    /// not known.
    inputs: Option<I>,
    /// Shared by all jobs, and dropped with the last that has it.
    f: Arc<F>,
    /// How many outcomes may be in flight: at least 1.
    window: usize,
    /// The job that found no room. It is the next to be submitted.
    refused: Option<Refused<T>>,
}

/// A job that is ready to be submitted: one that found no room, or was just made.
struct Refused<T> {
    /// Dropped, it ends the job as abandoned, and the handle says so.
    task: Task,
    /// Given to the map once the task is in, or has been dropped.
    handle: Handle<T>,
}

/// What a wait brought.
pub(super) enum Came<T> {
    /// An outcome that is to be given now.
    Outcome(Item<T>),
    /// The job that had found no room has been submitted. If the pool has closed, its outcome says
    /// so.
    Submitted(Handle<T>),
}

impl<'a, E: Executor + ?Sized, I, F, T> Feed<'a, E, I, F, T> {
    /// Takes no input yet.
    pub(super) fn new(executor: &'a E, window: usize, inputs: I, f: F) -> Self {
        Self {
            executor,
            inputs: Some(inputs),
            f: Arc::new(f),
            window: window.max(1),
            refused: None,
        }
    }

    pub(super) fn executor(&self) -> &'a E {
        self.executor
    }

    pub(super) fn window(&self) -> usize {
        self.window
    }

    /// Whether a job waits for room.
    pub(super) fn has_refused(&self) -> bool {
        self.refused.is_some()
    }
}

impl<E, I, F, T> Feed<'_, E, I, F, T>
where
    E: Executor + ?Sized,
    I: Iterator<Item: Send + 'static>,
    F: Fn(I::Item) -> T + Send + Sync + 'static,
    T: Send + 'static,
{
    /// Submits as many inputs as the window and the queue have room for, without waiting.
    pub(super) fn fill(&mut self, flight: &mut impl InFlight<T>) {
        while flight.len() < self.window
            && let Some(handle) = self.try_submit()
        {
            flight.add(handle);
        }
    }

    /// Submits one more job, without waiting: the one that was held back first. `None` if there is
    /// no input, or no room; then the job is held back.
    pub(super) fn try_submit(&mut self) -> Option<Handle<T>> {
        let Refused { task, handle } = match self.refused.take() {
            Some(refused) => refused,
            None => self.next_job()?,
        };
        let mut place = MaybeUninit::uninit();
        match try_admit_uncounted(self.executor, TaskRef::new(&mut place, task)) {
            Ok(()) => Some(handle),
            Err(refused) => {
                let task = refused.into_inner();
                self.refused = Some(Refused { task, handle });
                None
            }
        }
    }

    /// Waits for an outcome, and for a place if a job found no room: whichever comes first. Inside
    /// a job of the same pool, a job that finds no room runs here and now. Where the pool is
    /// closed, that job's task is dropped, and its handle says that it is abandoned.
    pub(super) fn wait(&mut self, flight: &mut impl InFlight<T>) -> Came<T> {
        const NO_LIMIT: &str = "a wait without a limit ends";
        if !self.needs_no_room()
            && let Some(handle) = self.look_a_while(flight)
        {
            return Came::Submitted(handle);
        }
        let Some(Refused { task, handle }) = self.refused.take() else {
            let outcome = poll_fn(|cx| flight.poll_outcome(cx));
            return Came::Outcome(block_on(outcome, None).expect(NO_LIMIT));
        };
        let mut admission = Admission::blocking(self.executor, task);
        let first = poll_fn(|cx| match flight.poll_outcome(cx) {
            Poll::Ready(outcome) => Poll::Ready(Ok(outcome)),
            Poll::Pending => Pin::new(&mut admission).poll(cx).map(Err),
        });
        match block_on(first, None).expect(NO_LIMIT) {
            Ok(outcome) => {
                // The place in line is given up: the caller may be busy with the outcome for long.
                let task = admission.into_task();
                let task = task.expect("what was not admitted is there");
                self.refused = Some(Refused { task, handle });
                Came::Outcome(outcome)
            }
            Err(Ok(())) => Came::Submitted(handle),
            Err(Err(closed)) => {
                drop(admission);
                came_back(self.executor, &closed);
                drop(closed);
                self.end_if_endless();
                Came::Submitted(handle)
            }
        }
    }

    /// Looks a while for an outcome, and tries again to submit the job that found no room. Returns
    /// the job's handle if that succeeded.
    ///
    /// Each look costs a yield, which may last for milliseconds on a busy machine. So the looks end
    /// with the first of the two. They also end when neither can come: nothing is in flight, and
    /// free places go to those in line.
    fn look_a_while(&mut self, flight: &impl InFlight<T>) -> Option<Handle<T>> {
        let executor = self.executor;
        let is_in_vain = || flight.len() == 0 && executor.room().has_line();
        let may_have_outcome = || flight.may_have_outcome();
        if may_have_outcome() || is_in_vain() {
            return None;
        }
        if flight.len() > 0 && spin_a_while(may_have_outcome) {
            return None;
        }
        let mut submitted = None;
        look_between_yields(Looks::JOINER, || {
            if may_have_outcome() {
                return true;
            }
            if self.has_refused() {
                submitted = self.try_submit();
            }
            submitted.is_some() || is_in_vain()
        });
        submitted
    }

    /// Whether there is a job that found no room and need not wait for any: it runs here, or never.
    fn needs_no_room(&self) -> bool {
        let is_inside = || Worker::current_of(self.executor).is_some();
        self.has_refused() && (self.executor.is_closed() || is_inside())
    }

    /// How many outcomes are left, `in_flight` among them.
    pub(super) fn size_hint(&self, in_flight: usize) -> (usize, Option<usize>) {
        let taken = in_flight + usize::from(self.refused.is_some());
        let inputs = self.inputs.as_ref();
        match inputs.map_or((0, Some(0)), Iterator::size_hint) {
            (least, Some(most)) => (taken.saturating_add(least), taken.checked_add(most)),
            // These end with the pool.
            (_, None) => (taken, None),
        }
    }

    /// Takes an input and makes a job of it. `None` once there are no more. A panic of the iterator
    /// ends the inputs and goes on to the caller.
    fn next_job(&mut self) -> Option<Refused<T>> {
        let inputs = self.inputs.as_mut()?;
        let input = match contain(|| inputs.next()) {
            Ok(input) => input,
            Err(panic) => {
                drop_contained(self.inputs.take());
                resume_unwind(panic.into_payload())
            }
        };
        let Some(input) = input else {
            drop(self.inputs.take());
            return None;
        };
        let f = Arc::clone(&self.f);
        let (task, handle) = closure(self.executor, Applied { f, input }).made();
        Some(Refused {
            task,
            handle: JobHandle::new(handle.into_raw()),
        })
    }

    /// The pool has closed: ends the inputs if nobody knows how many there are, since each would
    /// give an outcome that says so, without end.
    fn end_if_endless(&mut self) {
        let inputs = self.inputs.as_ref();
        if inputs.is_some_and(|inputs| inputs.size_hint().1.is_none()) {
            drop(self.inputs.take());
        }
    }
}

/// The job of one input.
struct Applied<F, N> {
    f: Arc<F>,
    input: N,
}

impl<F, N, T> Job for Applied<F, N>
where
    F: Fn(N) -> T + Send + Sync + 'static,
    N: Send + 'static,
    T: Send + 'static,
{
    type Output = T;
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<T, Infallible> {
        Ok((self.f)(self.input))
    }

    /// Returns that of the closure which is mapped.
    fn kind() -> &'static str {
        type_name::<F>()
    }
}
