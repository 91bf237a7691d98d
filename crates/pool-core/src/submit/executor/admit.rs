//! How a task gets in: at once, past a line that it may barge into, inside a job of the same pool,
//! or after a wait.

use std::mem::MaybeUninit;
use std::time::{Duration, Instant};

use super::Executor;
use crate::submit::error::{Refused, SubmitError};
use crate::submit::refusals::{RoomWait, told, waited};
use crate::submit::room::{Room, admit_in_line};
use crate::sys::machine::{self, Point};
use crate::task::{Task, TaskRef};
use crate::worker::Worker;
use crate::worker::park::{Looks, look_between_yields};

/// When a wait of `timeout` that begins now ends. A timeout that overflows `Instant` means no
/// limit.
pub(super) fn limit_after(timeout: Duration) -> Option<Instant> {
    machine::now().checked_add(timeout)
}

/// Whether the caller may try now, before those that wait for room; see
/// [`Room::may_barge`](crate::submit::room::Room::may_barge).
#[inline]
fn may_barge<E: Executor + ?Sized>(executor: &E) -> bool {
    executor.room().may_barge(|| executor.capability())
}

/// The one way in that may wait: without end if `limit` is `None`, but never past the job's own
/// deadline (`R105`).
///
/// All of it that an accepted job passes is inlined to where its task is made, so that the task
/// stays there until it is in its queue: a copy on the way would wait for the job's own stores. For
/// the same reason results are told apart here, and not passed on.
#[inline(always)]
pub(super) fn admit<E: Executor + ?Sized>(
    executor: &E,
    task: TaskRef<'_>,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    admit_at(executor, executor.room(), task, limit)
}

/// [`admit`] where the executor's room is at hand.
#[inline(always)]
pub(super) fn admit_at<E: Executor + ?Sized>(
    executor: &E,
    room: &Room,
    task: TaskRef<'_>,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    if room.is_pressed() {
        // First, since it does not use up a pass.
        if let Some(worker) = worker_of_full(executor) {
            return admit_in_place(executor, &worker, task, limit);
        }
        if may_not_barge(executor) {
            return admit_held_up(executor, task.into_task(), limit);
        }
    }
    match executor.try_accept_ref(task) {
        Ok(()) => Ok(()),
        Err(refused) => admit_refused(executor, refused, limit),
    }
}

/// [`admit`] for a task that exists already, as one that was handed back.
pub(super) fn accept<E: Executor + ?Sized>(
    executor: &E,
    task: Task,
    limit: Option<Instant>,
) -> Result<(), SubmitError<Task>> {
    let mut place = MaybeUninit::uninit();
    admit(executor, TaskRef::new(&mut place, task), limit).map_err(SubmitError::from)
}

/// Whether the caller may not try before those in line; takes a pass if it may. This binds jobs of
/// the same pool too (`R107`).
#[inline(never)]
fn may_not_barge<E: Executor + ?Sized>(executor: &E) -> bool {
    !may_barge(executor)
}

/// The worker that the calling thread is, if it need not try: the queue seems full to the jobs of
/// its pool, has something for others to do, and no worker is idle.
///
/// A generation that was swapped out has nothing queued, so its jobs try at the newest.
#[inline(never)]
fn worker_of_full<E: Executor + ?Sized>(executor: &E) -> Option<Worker> {
    if !executor.seems_full() {
        return None;
    }
    let worker = Worker::current_of(executor)?;
    let others_have_work = !worker.life().roster.sleep.is_somebody_idle() && worker.has_queued();
    (others_have_work && !worker.is_outside()).then_some(worker)
}

/// Has a child run in place, without a try.
#[inline(never)]
fn admit_in_place<E: Executor + ?Sized>(
    executor: &E,
    worker: &Worker,
    task: TaskRef<'_>,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    match worker.run_inside(task) {
        Ok(Ok(())) => Ok(()),
        Ok(refused) => told(executor, refused),
        Err(task) => told(executor, admit_patiently(executor, task, limit)),
    }
}

/// Admits a task that may not pass the line. A job of the same pool does not wait in line: it runs
/// what it may not queue itself.
#[cold]
fn admit_held_up<E: Executor + ?Sized>(
    executor: &E,
    task: Task,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    let run = match Worker::current_of(executor) {
        Some(worker) => worker.run_inside(TaskRef::new(&mut MaybeUninit::uninit(), task)),
        None => Err(task),
    };
    let in_line = |task| timed(executor, || admit_in_line(executor, task, limit));
    told(executor, run.unwrap_or_else(in_line))
}

/// Tells those who want to know for how long a submitter waits in `wait`.
fn timed<E: Executor + ?Sized>(
    executor: &E,
    wait: impl FnOnce() -> Result<(), Refused<Task>>,
) -> Result<(), Refused<Task>> {
    let room_wait = RoomWait::begin(executor);
    let result = wait();
    waited(executor, room_wait.elapsed());
    result
}

/// Whether the refusal of a child of a job on `worker` is the answer of a decorator: the pool
/// itself refuses none as closed while it is open, whichever of its generations the worker is of.
pub(crate) fn is_a_decorators(refused: &Refused<Task>, worker: &Worker) -> bool {
    matches!(refused, Refused::Closed(_)) && !worker.executor().is_closed()
}

/// Admits a task that found no room at its first try, or tells of its refusal.
#[cold]
fn admit_refused<E: Executor + ?Sized>(
    executor: &E,
    refused: Refused<Task>,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    told(executor, admit_otherwise(executor, refused, limit))
}

/// A job of the same pool runs the task itself; others wait, unless the executor is closed.
fn admit_otherwise<E: Executor + ?Sized>(
    executor: &E,
    refused: Refused<Task>,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    let is_closed = matches!(refused, Refused::Closed(_));
    let worker = Worker::current_of(executor);
    let asks_a_decorator = |worker: &Worker| is_a_decorators(&refused, worker);
    if worker.as_ref().is_some_and(asks_a_decorator) {
        return Err(refused);
    }
    let task = refused.into_inner();
    let task = match worker {
        Some(worker) => match worker.run_inside(TaskRef::new(&mut MaybeUninit::uninit(), task)) {
            Ok(run) => return run,
            Err(outside) => outside,
        },
        None => task,
    };
    if is_closed {
        return Err(Refused::Closed(task));
    }
    admit_patiently(executor, task, limit)
}

/// Waits for a place: between tries at first, then in line.
#[cold]
fn admit_patiently<E: Executor + ?Sized>(
    executor: &E,
    task: Task,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    timed(executor, || admit_between_yields(executor, task, limit))
}

/// Tries again for a while, as long as those in line may be passed and there is time left, then
/// goes there. One that sleeps at once is woken for each single place: two switches of context a
/// job.
fn admit_between_yields<E: Executor + ?Sized>(
    executor: &E,
    task: Task,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    let deadline = [limit, task.deadline()].into_iter().flatten().min();
    let mut tried = Err(Refused::Full(task));
    look_between_yields(Looks::SUBMITTER, || {
        // A yield may last for long.
        let is_too_late = deadline.is_some_and(|deadline| machine::now() >= deadline);
        if is_too_late || !may_barge(executor) {
            return true;
        }
        if let Err(Refused::Full(task)) = std::mem::replace(&mut tried, Ok(())) {
            tried = executor.try_accept(task);
        }
        !matches!(tried, Err(Refused::Full(_)))
    });
    match tried {
        Err(Refused::Full(task)) => admit_in_line(executor, task, limit),
        result => result,
    }
}

/// The one way in that never waits. A job that is refused comes back to its submitter.
///
/// Inlined, so that the look at the answer is the caller's own.
#[inline(always)]
pub(super) fn try_admit<E: Executor + ?Sized>(
    executor: &E,
    task: TaskRef<'_>,
) -> Result<(), Refused<Task>> {
    told(executor, try_admit_uncounted(executor, task))
}

/// [`try_admit`] for a submitter that keeps a refused task, to try again. It passes those in line
/// no more often than others may.
///
/// A refusal by the line says `Full`, although there may be a place: it is kept for another. A
/// closed executor is asked all the same, so that it can say `Closed`.
pub(crate) fn try_admit_uncounted<E: Executor + ?Sized>(
    executor: &E,
    task: TaskRef<'_>,
) -> Result<(), Refused<Task>> {
    if !may_barge(executor) && !executor.is_closed() {
        machine::point(Point::Refused(task.id()));
        return Err(Refused::Full(task.into_task()));
    }
    executor.try_accept_ref(task)
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use crate::backend::SpawnPool;
    use crate::{CancelToken, Executor, JobContext, JobError, JobExt, infallible_fn, job_fn};

    /// A mark that was set too late to be taken away keeps no child from an empty queue.
    #[test]
    fn a_queue_seems_full_only_while_something_is_queued() {
        let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        let pool = SpawnPool::builder().workers(1).queue_capacity(8);
        let pool = pool.adopt(spawner).build().expect("it starts");
        let room = pool.clone();
        let parent = job_fn(move |ctx: &JobContext<'_>| {
            let submit = || ctx.submit(infallible_fn(|| ())).map_err(|_| "refused");
            room.room().note_full();
            let queued = submit()?;
            let in_place = submit()?;
            Ok::<_, &str>((queued.is_finished(), in_place.is_finished()))
        });
        let seen = pool.submit(parent).expect("there is room").join();
        assert_eq!(seen.expect("it completes"), (false, true));
    }

    /// No place was kept for it, so none came free.
    #[test]
    fn a_child_in_place_that_is_over_on_arrival_frees_no_place() {
        let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
        let pool = SpawnPool::builder().workers(1).queue_capacity(8);
        let pool = pool.adopt(spawner).build().expect("it starts");
        let room = pool.clone();
        let parent = job_fn(move |ctx: &JobContext<'_>| {
            let queued = ctx.submit(infallible_fn(|| ()));
            queued.map_err(|_| "refused")?.detach();
            room.room().note_full();
            let cancelled = CancelToken::new();
            cancelled.cancel();
            let dead = infallible_fn(|| ()).with_token(&cancelled);
            let dead = ctx.submit(dead).map_err(|_| "refused")?;
            let is_cancelled = matches!(dead.join(), Err(JobError::Cancelled));
            Ok::<_, &str>((is_cancelled, room.room().seems_full()))
        });
        let seen = pool.submit(parent).expect("there is room").join();
        assert_eq!(seen.expect("it completes"), (true, true));
    }
}
