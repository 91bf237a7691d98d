//! Who waits for a place in a full queue, in order of arrival.
//!
//! # Protocol
//! A submitter that was refused takes a **ticket**: it is in line. Only the first in line tries again; it leaves its waker in
//! the line and says that it is **listening** *before* it tries, and whoever takes a task out of the queue looks whether somebody listens *after* that. With a
//! fence between the two on each side (heavy for the one who waits), one of them sees the other: the try succeeds, or the waker fires. Who leaves the line,
//! admitted or not, wakes the next in it.
//!
//! # Who may pass
//! A submitter that is awake may pass those in line, but not for ever: **passes** are counted, and the leave of the first in line, admitted or not,
//! renews them. None are given where the queue is short. Else a queue that is full once would stay a chain of hand-overs: each place that comes
//! free would wait until one certain thread has been woken, two switches of context for each job, while those awake may not submit. So
//! each admission brings everybody in line one place forward, and comes after a bounded number of others (`R107`).

#[cfg(all(test, not(pool_loom)))]
mod tests;

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use crate::barrier::{heavy, light};
use crate::capability::Capability;
use crate::error::Refused;
use crate::executor::Executor;
use crate::outcome::{drop_contained, wake_contained};
use crate::sync::{AtomicBool, AtomicUsize, LockExt, Mutex, Ordering};
use crate::task::Task;
use crate::worker::Worker;

/// The most that may pass the first in line, however long the queue.
const MOST_PASSES: usize = 64;

/// How many may pass the first in line: none where a hand-over for each job is what a short queue comes to anyway.
fn passes(capability: Capability) -> usize {
    (capability.capacity.unwrap_or(0) / 2).min(MOST_PASSES)
}

/// Tells those who wait for a place in a queue that one came free.
///
/// An executor has one, calls [`freed`](Self::freed) after each task it takes out of its queue, and
/// [`wake_all`](Self::wake_all) after it has closed.
#[derive(Debug, Default)]
pub struct Room {
    waiting: AtomicUsize,
    /// The first in line has left its waker, and nobody has taken it yet.
    is_listening: AtomicBool,
    /// How many have passed the first in line.
    passed: AtomicUsize,
    line: Mutex<Line>,
}

#[derive(Debug, Default)]
struct Line {
    next_ticket: u64,
    wakers: BTreeMap<u64, Option<Waker>>,
}

impl Room {
    /// Nobody waits.
    pub fn new() -> Self {
        Self::default()
    }

    /// A place came free: the first in line tries again. Cheap while nobody waits.
    #[inline]
    pub fn freed(&self) {
        // ORDERING: partner is the heavy fence in `is_first`: this side has freed the place, that side has left its waker.
        light();
        if self.is_listening.load(Ordering::Relaxed) {
            self.wake_first();
        }
    }

    /// Everybody in line looks again: the executor has closed.
    pub fn wake_all(&self) {
        let wakers: Vec<Waker> = self
            .line
            .lock_unpoisoned()
            .wakers
            .values_mut()
            .filter_map(Option::take)
            .collect();
        wakers.into_iter().for_each(wake_contained);
    }

    /// Whether one who is awake may try before those in line; counts it as a pass if so.
    #[inline]
    pub(crate) fn may_pass(&self, capability: impl FnOnce() -> Capability) -> bool {
        !self.has_line() || self.pass(passes(capability()))
    }

    #[cold]
    fn pass(&self, most: usize) -> bool {
        // A race lets a few more pass, at most one for each thread.
        self.passed.load(Ordering::Relaxed) < most
            && self.passed.fetch_add(1, Ordering::Relaxed) < most
    }

    /// Whether somebody waits. Out of date at once.
    #[inline]
    pub fn has_line(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) != 0
    }

    #[cold]
    fn wake_first(&self) {
        let first = {
            let mut line = self.line.lock_unpoisoned();
            self.is_listening.store(false, Ordering::Relaxed);
            line.wakers
                .first_entry()
                .and_then(|mut entry| entry.get_mut().take())
        };
        if let Some(waker) = first {
            wake_contained(waker);
        }
    }

    fn enter(&self) -> u64 {
        let mut line = self.line.lock_unpoisoned();
        let ticket = line.next_ticket;
        line.next_ticket += 1;
        line.wakers.insert(ticket, None);
        self.waiting.store(line.wakers.len(), Ordering::Relaxed);
        ticket
    }

    /// Leaves the waker in line. True for the first, who may try.
    fn is_first(&self, ticket: u64, waker: &Waker) -> bool {
        // A waker's clone and drop are the user's code: not under the lock.
        let waker = Some(waker.clone());
        let (former, is_first) = {
            let mut line = self.line.lock_unpoisoned();
            let former = line.wakers.insert(ticket, waker);
            let is_first = line.is_first(ticket);
            if is_first {
                self.is_listening.store(true, Ordering::Relaxed);
            }
            (former, is_first)
        };
        drop_contained(former);
        // ORDERING: partner is the light fence in `freed`.
        heavy();
        is_first
    }

    fn leave(&self, ticket: u64) {
        let left = {
            let mut line = self.line.lock_unpoisoned();
            // One who gives up further back brings the first no nearer, so it renews nothing.
            if line.is_first(ticket) {
                self.passed.store(0, Ordering::Relaxed);
            }
            let left = line.wakers.remove(&ticket);
            self.waiting.store(line.wakers.len(), Ordering::Relaxed);
            left
        };
        drop_contained(left);
        self.wake_first();
    }
}

impl Line {
    fn is_first(&self, ticket: u64) -> bool {
        let first = self.wakers.first_key_value();
        first.is_some_and(|(first, _)| *first == ticket)
    }
}

/// A submission on its way in: ready when the task is accepted, or refused because the executor closed.
///
/// Dropped before it is ready, it has submitted nothing (`R106`).
pub(crate) struct Admission<'a, E: Executor + ?Sized> {
    executor: &'a E,
    task: Option<Task>,
    ticket: Option<u64>,
}

impl<'a, E: Executor + ?Sized> Admission<'a, E> {
    pub(crate) fn new(executor: &'a E, task: Task) -> Self {
        Self {
            executor,
            task: Some(task),
            ticket: None,
        }
    }

    /// The task, if it was not admitted.
    pub(crate) fn into_task(mut self) -> Option<Task> {
        self.task.take()
    }

    fn attempt(&mut self) -> Poll<Result<(), Refused<Task>>> {
        let task = self.task.take().expect("polled again after it was ready");
        let refused = match self.executor.try_execute(task) {
            Ok(()) => return Poll::Ready(Ok(())),
            Err(refused) => refused,
        };
        // A job of the same pool does not wait for it: its child runs here and now (`R108`, `R607`).
        if let Some(worker) = Worker::current_of(self.executor) {
            let ran = worker.run_inline(refused.into_inner());
            return Poll::Ready(ran.map_err(Refused::Closed));
        }
        match refused {
            Refused::Closed(task) => Poll::Ready(Err(Refused::Closed(task))),
            Refused::Full(task) => {
                self.task = Some(task);
                Poll::Pending
            }
        }
    }
}

impl<E: Executor + ?Sized> Future for Admission<'_, E> {
    type Output = Result<(), Refused<Task>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let room = this.executor.room();
        let ticket = match this.ticket {
            Some(ticket) => ticket,
            None => {
                let is_inside = Worker::current_of(this.executor).is_some();
                let capability = || this.executor.capability();
                // A closed executor refuses at once, without the line, whose lock is nobody's to take in a forked child.
                if (is_inside || room.may_pass(capability) || this.executor.is_closed())
                    && let Poll::Ready(result) = this.attempt()
                {
                    return Poll::Ready(result);
                }
                *this.ticket.insert(room.enter())
            }
        };
        // A closed executor refuses everybody, whatever the order.
        if !room.is_first(ticket, cx.waker()) && !this.executor.is_closed() {
            return Poll::Pending;
        }
        this.attempt()
    }
}

impl<E: Executor + ?Sized> Drop for Admission<'_, E> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.executor.room().leave(ticket);
        }
    }
}
