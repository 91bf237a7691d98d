//! A submission on its way in, through the line if need be.

use std::future::Future;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::timeouts::{Alarm, begin_rounds};
use super::{Call, Coming, Waiter};
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, is_a_decorators};
use crate::submit::refusals::{RoomWait, came_back, waited};
use crate::sys::machine;
use crate::task::{Task, TaskRef};
use crate::worker::Worker;
use crate::worker::park::block_on;

/// A submission on its way in: ready when the task is accepted; or refused, because the executor
/// closed or the job's own deadline passed.
///
/// Dropped before it is ready, it has submitted nothing (`R106`).
pub(crate) struct Admission<'a, E: Executor + ?Sized> {
    executor: &'a E,
    /// `None` while a try is under way, and once the task was accepted or given back.
    task: Option<Task>,
    /// Whether it surely comes when it is called: a thread does.
    coming: Coming,
    /// Its position in line, unless the first try was allowed and brought an answer. Given up with
    /// the answer, or at the drop.
    waiter: Option<Waiter>,
    /// The wait of a future. That of a thread is its caller's to tell, and so is a refusal.
    wait: RoomWait,
    /// It got a place that it was not called for: there may be more.
    look: Option<Call>,
    /// Wakes the future at the job's deadline, by the waker of the last poll. A thread has none.
    alarm: Option<Alarm>,
}

impl<'a, E: Executor + ?Sized> Admission<'a, E> {
    /// By a future, which need not be polled again.
    pub(crate) fn new(executor: &'a E, task: Task) -> Self {
        Self::coming(executor, task, Coming::Watched)
    }

    /// By a thread, which blocks until this is ready, or drops it.
    pub(crate) fn blocking(executor: &'a E, task: Task) -> Self {
        Self::coming(executor, task, Coming::Surely)
    }

    /// Holds the task. Nothing is tried before the first poll.
    fn coming(executor: &'a E, task: Task, coming: Coming) -> Self {
        Self {
            executor,
            task: Some(task),
            coming,
            waiter: None,
            wait: RoomWait::default(),
            look: None,
            alarm: None,
        }
    }

    /// The task, if it was not admitted.
    pub(crate) fn into_task(mut self) -> Option<Task> {
        self.task.take()
    }

    /// Takes the task out for a try. Panics if there is none: a future was polled after it was
    /// ready.
    fn take_task(&mut self) -> Task {
        self.task.take().expect("polled again after it was ready")
    }

    /// A job of the same pool does not wait for it: without a place, its child runs here and now
    /// (`R108`, `R607`). `None`: the worker has come to be outside.
    fn admit_inside(&mut self, worker: &Worker) -> Option<Result<(), Refused<Task>>> {
        let room = self.executor.room();
        let mut task = self.take_task();
        if room.may_barge(|| self.executor.capability()) {
            match self.executor.try_accept(task) {
                Ok(()) => return Some(Ok(())),
                Err(refused) if is_a_decorators(&refused, worker) => return Some(Err(refused)),
                Err(refused) => task = refused.into_inner(),
            }
        }
        let run = worker.run_inside(TaskRef::new(&mut MaybeUninit::uninit(), task));
        run.map_err(|task| self.task = Some(task)).ok()
    }

    /// One look of a submitter that is not inside a job of the pool: the first try past the line,
    /// if it may pass, then from within the line. `Pending` leaves the waker there.
    fn admit_outside(&mut self, waker: &Waker) -> Poll<Result<(), Refused<Task>>> {
        let room = self.executor.room();
        let mut waiter = match self.waiter.take() {
            Some(waiter) => waiter,
            None => {
                // A closed executor refuses at once, without the line, whose lock is nobody's to
                // take in a forked child.
                let may_try = room.may_barge(|| self.executor.capability());
                if (may_try || self.executor.is_closed())
                    && let Poll::Ready(result) = self.attempt()
                {
                    return Poll::Ready(result);
                }
                if self.is_future() {
                    self.wait = RoomWait::begin(self.executor);
                }
                room.enter(self.coming)
            }
        };
        let state = room.listen(&mut waiter, waker);
        if let Some(watch) = state.needs_watch
            && !begin_rounds(self.executor, watch)
        {
            room.unwatch(&mut waiter);
        }
        self.waiter = Some(waiter);
        // A closed executor refuses everybody, whatever the order.
        if !state.may_try && !self.executor.is_closed() {
            return Poll::Pending;
        }
        let attempted = self.attempt();
        match (&attempted, &self.waiter) {
            (Poll::Pending, Some(waiter)) => room.found_full(waiter),
            (Poll::Ready(Ok(())), _) if state.call != Some(Call::Place) => {
                self.look = Some(Call::Look);
            }
            _ => {}
        }
        attempted
    }

    /// One try. `Pending`: the queue is full, and the task is back.
    fn attempt(&mut self) -> Poll<Result<(), Refused<Task>>> {
        let task = self.take_task();
        match self.executor.try_accept(task) {
            Err(Refused::Full(task)) => {
                self.task = Some(task);
                Poll::Pending
            }
            result => Poll::Ready(result),
        }
    }

    fn is_future(&self) -> bool {
        self.coming != Coming::Surely
    }

    /// Leaves the line: a call that was not followed goes to the next.
    fn leave_line(&mut self) {
        if let Some(waiter) = self.waiter.take() {
            self.executor.room().leave(&waiter, self.look);
        }
    }

    /// One look, of a job of the pool or of another submitter.
    fn look(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Refused<Task>>> {
        let worker = Worker::current_of(self.executor).filter(|worker| !worker.is_outside());
        if let Some(admitted) = worker.and_then(|worker| self.admit_inside(&worker)) {
            return Poll::Ready(admitted);
        }
        // Before the try: a job that is submitted past its deadline is accepted, and expires.
        if self.is_too_late() {
            return Poll::Ready(Err(Refused::Full(self.take_task())));
        }
        let polled = self.admit_outside(cx.waker());
        if polled.is_pending() {
            self.set_alarm(cx.waker());
        }
        polled
    }

    /// Whether the wait is over because the job's own deadline has passed (`R105`). A first try is
    /// no wait; a thread has had it before.
    fn is_too_late(&self) -> bool {
        let has_tried = self.waiter.is_some() || !self.is_future();
        let deadline = self.task.as_ref().and_then(Task::deadline);
        has_tried && deadline.is_some_and(|deadline| machine::now() >= deadline)
    }

    /// Sees to it that the wait ends at the job's own deadline.
    fn set_alarm(&mut self, waker: &Waker) {
        let deadline = self.task.as_ref().and_then(Task::deadline);
        // A thread that blocks has the deadline for its limit.
        if let Some(deadline) = deadline.filter(|_| self.is_future()) {
            self.alarm = Alarm::set(self.executor, deadline, waker);
        }
    }
}

impl<E: Executor + ?Sized> Future for Admission<'_, E> {
    type Output = Result<(), Refused<Task>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        // Before the look, which may run the job in place.
        let has_waited = this.wait.elapsed();
        let polled = this.look(cx);
        if let Poll::Ready(result) = &polled
            && this.is_future()
        {
            this.leave_line();
            waited(this.executor, has_waited);
            if let Err(refused) = result {
                came_back(this.executor, refused);
            }
        }
        polled
    }
}

impl<E: Executor + ?Sized> Drop for Admission<'_, E> {
    fn drop(&mut self) {
        self.leave_line();
    }
}

/// Blocks in line until the task is in, or refused: because the executor closed, or at `limit` or
/// the job's own deadline.
#[cold]
pub(crate) fn admit_in_line<E: Executor + ?Sized>(
    executor: &E,
    task: Task,
    limit: Option<Instant>,
) -> Result<(), Refused<Task>> {
    let limit = [limit, task.deadline()].into_iter().flatten().min();
    let mut admission = Admission::blocking(executor, task);
    match block_on(&mut admission, limit) {
        Some(result) => result,
        None => match admission.into_task() {
            Some(task) => Err(Refused::Full(task)),
            None => Ok(()),
        },
    }
}
