//! `Flight`: jobs whose outcomes are taken as they come, each at a cost that does not depend on how
//! many there are.
//!
//! Each job has a number. Its handle's waker puts the number into a list, and so does its
//! submission: a number in the list says that its job is to be looked at. A job that has not ended
//! then leaves its waker. So a job is looked at twice, however many there are.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use super::feed::InFlight;
use super::{Handle, Item};
use crate::sys::sync::{LockExt, Mutex};

/// The jobs of an unordered map that were accepted, and whose outcomes were not given.
pub(super) struct Flight<T> {
    /// By number, and so in the order of submission.
    jobs: BTreeMap<u64, Handle<T>>,
    /// The number of the next job. None is given twice, so a late wake of a job that has gone finds
    /// nothing.
    next_number: u64,
    /// The jobs below this number have started, as far as this thread could learn: to run one here
    /// is not tried twice.
    untried: u64,
    /// Shared with the wakers of the jobs, which may outlive the map.
    news: Arc<News>,
}

/// Which jobs to look at, told by their wakers on any thread.
#[derive(Default)]
struct News(Mutex<List>);

/// What is under the lock of the news. No user code runs with it held: the only waker in it is that
/// of the thread that blocks in `next`.
#[derive(Default)]
struct List {
    /// Oldest news first. A number may be there twice.
    numbers: VecDeque<u64>,
    /// The map's own waker, while it waits since there are no numbers.
    waiter: Option<Waker>,
}

/// The waker of one job: called when the job has ended.
struct Bell {
    number: u64,
    news: Arc<News>,
}

impl<T> Flight<T> {
    pub(super) fn new() -> Self {
        Self {
            jobs: BTreeMap::new(),
            next_number: 0,
            untried: 0,
            news: Arc::default(),
        }
    }

    /// The handles, for a drop that cancels what has not started.
    pub(super) fn handles(&self) -> impl Iterator<Item = &Handle<T>> {
        self.jobs.values()
    }

    /// An outcome, if one is there.
    pub(super) fn take_arrived(&mut self) -> Option<Item<T>> {
        loop {
            let number = self.news.0.lock_unpoisoned().numbers.pop_front()?;
            if let Poll::Ready(outcome) = self.look_at(number) {
                return Some(outcome);
            }
        }
    }

    /// Runs the oldest job that has not started on the calling worker. `None` if there is none.
    pub(super) fn run_here(&mut self) -> Option<Item<T>> {
        while let Some((&number, _)) = self.jobs.range(self.untried..).next() {
            self.untried = number + 1;
            let handle = self.jobs.remove(&number)?;
            match handle.try_run_here() {
                Ok(outcome) => return Some(outcome),
                Err(handle) => _ = self.jobs.insert(number, handle),
            }
        }
        None
    }

    /// Takes the job's outcome if it has ended, and otherwise leaves a bell with it. `Pending` as
    /// well for a number whose job has gone.
    fn look_at(&mut self, number: u64) -> Poll<Item<T>> {
        let Some(handle) = self.jobs.get_mut(&number) else {
            return Poll::Pending;
        };
        let news = Arc::clone(&self.news);
        let bell = Waker::from(Arc::new(Bell { number, news }));
        let outcome = handle.poll_elsewhere(&mut Context::from_waker(&bell));
        if outcome.is_ready() {
            self.jobs.remove(&number);
        }
        outcome
    }
}

impl<T> InFlight<T> for Flight<T> {
    fn len(&self) -> usize {
        self.jobs.len()
    }

    /// It is looked at once, since it may have ended by now.
    fn add(&mut self, handle: Handle<T>) {
        let number = self.next_number;
        self.next_number += 1;
        self.jobs.insert(number, handle);
        self.news.tell(number);
    }

    fn may_have_outcome(&self) -> bool {
        !self.news.0.lock_unpoisoned().numbers.is_empty()
    }

    fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Item<T>> {
        loop {
            let Some(number) = self.news.next_or_wait(cx) else {
                return Poll::Pending;
            };
            let outcome = self.look_at(number);
            if outcome.is_ready() {
                return outcome;
            }
        }
    }
}

impl News {
    /// Adds a number, and wakes the map if it waits.
    fn tell(&self, number: u64) {
        let waiter = {
            let mut list = self.0.lock_unpoisoned();
            list.numbers.push_back(number);
            list.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Takes the next number. Without one, leaves the waker: both under one lock, so no number is
    /// missed.
    fn next_or_wait(&self, cx: &Context<'_>) -> Option<u64> {
        let mut list = self.0.lock_unpoisoned();
        let number = list.numbers.pop_front();
        if number.is_none() {
            list.waiter = Some(cx.waker().clone());
        }
        number
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.news.tell(self.number);
    }
}
