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

pub(super) struct Flight<T> {
    jobs: BTreeMap<u64, Handle<T>>,
    next_number: u64,
    /// The jobs below this number have started, as far as this thread could learn.
    untried: u64,
    news: Arc<News>,
}

/// Which jobs to look at.
#[derive(Default)]
struct News(Mutex<List>);

#[derive(Default)]
struct List {
    numbers: VecDeque<u64>,
    /// Who waits while there are no numbers.
    waiter: Option<Waker>,
}

/// The waker of one job.
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
