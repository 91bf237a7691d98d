//! `Pinned`: tasks that wait for one thread of the pool each, and run on no other: the shares of a
//! broadcast.
//!
//! # Whom a task waits for
//! A **home** is a thread that the pool has for good: it has run `on_worker_start` with an index,
//! and looks into the list of that index between two jobs. On `Threads` each worker's thread is
//! one; a rayon pool's own threads are registered as such. On borrowed threads there are none, and
//! nothing can be pinned. Threads that poll a runtime's futures are none either.
//!
//! A task is pinned for each home at once, or for none: the caller enters as many jobs in the
//! ledger as there are homes, reserves a place in each list, and only then has the tasks accepted.
//! So nothing is left to be taken back once the first of them may start. The lists are bounded, so
//! a worker that hangs costs no memory without end.
//!
//! # How a thread notices
//! Before each pop a worker tests the byte of the phase. A bit of it says that **something is
//! pinned**, in whatever list. Only then the worker looks whether that is in its own; so a pool
//! without broadcasts pays nothing, and a busy one starves none. The bit is set and cleared under
//! the lock of the lists, and stands exactly while one of them holds a task. A pause does not hold
//! pinned tasks back: they are no work, but what an operator has each worker do.
//!
//! # Why no wake is lost
//! The pinning thread fills the lists, and then resumes all that sleep, as the end of a pause does
//! (`phase`). A worker that is on the idle stack by then is resumed. One that comes to the stack
//! later has its lock after that thread, and looks at its list once more after that. Where slots
//! and threads are not one, as on rayon, the engine has each thread come by instead
//! (`Engine::visit_threads`).
//!
//! # The end of the pool
//! A pinned task is a job like any other: it is in flight from before it is pinned, so a drain, a
//! wait for quiet and a retired generation wait until its home has run it. As the grace ends, the
//! lists are taken out, and the jobs are abandoned. They are never handed back: on another pool
//! they would run on any worker. A broadcast at that moment either fills the lists before they are
//! taken out, or sees the phase after that, and takes them out itself.
//!
//! # Who must not wait
//! A share needs its worker between two jobs. A job that waited for it would keep a worker that the
//! broadcast needs: its own, or that of a job which waits for this one. So no wait without a limit
//! is offered inside the pool (`submit/broadcast`). A job that waits for its whole pool runs what
//! is pinned to its thread, as it runs what is queued.
//!
//! No user code runs, and no task is dropped, under the lock. In a forked child the lock may stay
//! taken: the child finds the pool closed before it comes here.

use std::collections::VecDeque;
use std::sync::Arc;

use crossbeam_utils::CachePadded;

use super::Lifecycle;
use super::intake::{Submission, arrived_late};
use super::phase::AtomicPhase;
use crate::submit::error::Refused;
use crate::sys::asymmetric_fence::light;
use crate::sys::machine::{self, Point};
use crate::sys::sync::{AtomicUsize, LockExt, Mutex, Ordering};
use crate::task::Task;

/// How many tasks may wait for one home.
const MAX_WAITING: usize = 64;

/// The tasks that wait for one thread each.
pub(crate) struct Pinned {
    /// For each home, how many tasks are in its list. Written under the lock, and read without it.
    waiting: Box<[CachePadded<AtomicUsize>]>,
    /// How many threads have said that they are homes.
    homes: AtomicUsize,
    lists: Mutex<Lists>,
}

/// What the lock guards.
struct Lists {
    /// For each home, by its index.
    of: Box<[List]>,
    /// How many tasks are in all of them.
    tasks: usize,
}

/// What waits for one home.
#[derive(Default)]
struct List {
    tasks: VecDeque<Task>,
    /// How many places are taken: by the tasks, and by those that are about to come.
    places: usize,
}

impl Pinned {
    /// Nothing is pinned, in a pool of that many workers, whose threads have yet to come.
    pub(super) fn none(workers: usize) -> Self {
        Self {
            waiting: (0..workers).map(|_| CachePadded::default()).collect(),
            homes: AtomicUsize::new(0),
            lists: Mutex::new(Lists {
                of: (0..workers).map(|_| List::default()).collect(),
                tasks: 0,
            }),
        }
    }

    /// One more thread looks into the list of its index from now on, for as long as it lives.
    pub(crate) fn add_home(&self) {
        self.homes.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether each worker of the pool is a home.
    pub(crate) fn has_all_homes(&self) -> bool {
        self.homes.load(Ordering::Relaxed) >= self.waiting.len()
    }

    /// How many homes the pool has once all have come.
    pub(crate) fn homes(&self) -> usize {
        self.waiting.len()
    }

    /// Whether a task waits for this home. Out of date at once.
    #[inline]
    pub(crate) fn waits_for(&self, home: usize) -> bool {
        // ORDERING: Acquire pairs with the Release in `fill`: a worker that sees the count sees the
        // bit, and so does not come back in vain. The last look of a worker that is about to sleep
        // comes after the lock of the idle stack, see the head of this file.
        let waiting = self.waiting.get(home);
        waiting.is_some_and(|waiting| waiting.load(Ordering::Acquire) != 0)
    }

    /// How many tasks wait. Out of date at once.
    pub(crate) fn len(&self) -> usize {
        let waiting = self.waiting.iter();
        waiting.map(|it| it.load(Ordering::Relaxed)).sum()
    }

    /// Takes a place in each list, or in none, if one of them is full. Tasks whose jobs are over
    /// make way: they were cancelled while they waited.
    fn reserve(&self, phase: &AtomicPhase) -> bool {
        let mut over = Vec::new();
        let has_places = {
            let mut lists = self.lists.lock_unpoisoned();
            if lists.of.iter().any(|list| list.places >= MAX_WAITING) {
                over = self.take_those_over(&mut lists, phase);
            }
            let has_places = lists.of.iter().all(|list| list.places < MAX_WAITING);
            if has_places {
                lists.of.iter_mut().for_each(|list| list.places += 1);
            }
            has_places
        };
        drop(over);
        has_places
    }

    /// Takes the tasks out whose jobs are over.
    fn take_those_over(&self, lists: &mut Lists, phase: &AtomicPhase) -> Vec<Task> {
        let mut over = Vec::new();
        for (home, list) in lists.of.iter_mut().enumerate() {
            let (ended, left): (Vec<Task>, _) = list.tasks.drain(..).partition(Task::is_over);
            list.tasks = left.into();
            list.places -= ended.len();
            self.waiting[home].store(list.tasks.len(), Ordering::Relaxed);
            over.extend(ended);
        }
        lists.tasks -= over.len();
        if !over.is_empty() && lists.tasks == 0 {
            phase.unmark_pinned();
        }
        over
    }

    /// Fills the places that were reserved; a home whose job is over already gets none.
    fn fill(&self, tasks: Vec<Option<Task>>, phase: &AtomicPhase) {
        let mut lists = self.lists.lock_unpoisoned();
        lists.tasks += tasks.iter().flatten().count();
        if lists.tasks > 0 {
            phase.mark_pinned();
        }
        for (home, task) in tasks.into_iter().enumerate() {
            let list = &mut lists.of[home];
            match task {
                Some(task) => {
                    list.tasks.push_back(task);
                    // ORDERING: Release, see `waits_for`.
                    self.waiting[home].store(list.tasks.len(), Ordering::Release);
                }
                None => list.places -= 1,
            }
        }
    }

    /// Takes the oldest task that waits for this home.
    pub(crate) fn take(&self, home: usize, phase: &AtomicPhase) -> Option<Task> {
        if !self.waits_for(home) {
            return None;
        }
        let mut lists = self.lists.lock_unpoisoned();
        let list = &mut lists.of[home];
        let task = list.tasks.pop_front()?;
        list.places -= 1;
        self.waiting[home].store(list.tasks.len(), Ordering::Relaxed);
        lists.tasks -= 1;
        let is_last = lists.tasks == 0;
        if is_last {
            phase.unmark_pinned();
        }
        Some(task)
    }

    /// Takes all tasks out, for the end of the pool.
    pub(super) fn take_all(&self, phase: &AtomicPhase) -> Vec<Task> {
        if self.len() == 0 {
            return Vec::new();
        }
        let mut lists = self.lists.lock_unpoisoned();
        let mut all = Vec::with_capacity(lists.tasks);
        for (home, list) in lists.of.iter_mut().enumerate() {
            list.places -= list.tasks.len();
            all.extend(list.tasks.drain(..));
            self.waiting[home].store(0, Ordering::Relaxed);
        }
        lists.tasks = 0;
        phase.unmark_pinned();
        all
    }
}

impl Lifecycle {
    /// Pins one task to each home of the pool, in the order of their indices, and has the threads
    /// look. All of them, or none.
    ///
    /// # Errors
    /// The tasks: too many wait for one of the threads, or intake has ended.
    ///
    /// # Panics
    /// If there are not as many tasks as homes.
    pub(crate) fn pin(self: &Arc<Self>, tasks: Vec<Task>) -> Result<(), Refused<Vec<Task>>> {
        assert_eq!(tasks.len(), self.pinned.homes(), "one task for each thread");
        let mut submissions = Vec::with_capacity(tasks.len());
        let begun = (0..tasks.len()).map_while(|_| Submission::begin(self));
        submissions.extend(begun);
        let is_open = submissions.len() == tasks.len();
        if !is_open || !self.pinned.reserve(&self.phase) {
            submissions.into_iter().for_each(|it| it.refuse(self));
            return Err(match is_open {
                true => Refused::Full(tasks),
                false => Refused::Closed(tasks),
            });
        }
        self.pin_entered(tasks, submissions);
        Ok(())
    }

    /// Does the part of that which nothing can refuse. Jobs that an observer has given a deadline
    /// or a token may be over on arrival: those end last, since their ends run user code.
    fn pin_entered(self: &Arc<Self>, tasks: Vec<Task>, submissions: Vec<Submission<'_>>) {
        let mut over = Vec::new();
        let mut accepted = Vec::with_capacity(tasks.len());
        let mut pinned = Vec::with_capacity(tasks.len());
        let ids: Vec<_> = tasks.iter().map(Task::id).collect();
        for (task, submission) in tasks.into_iter().zip(submissions) {
            machine::point(Point::Submit(task.id()));
            let ends = task.accept(self);
            if let Ok(None) = ends {
                if let Some(job) = task.queued_job() {
                    job.takes_no_place();
                }
                pinned.push(Some(task));
                accepted.push(submission);
            } else {
                pinned.push(None);
                over.push((ends, task, submission));
            }
        }
        self.pinned.fill(pinned, &self.phase);
        for id in ids {
            machine::point(Point::Pushed(id, self.id.as_u32()));
        }
        accepted.into_iter().for_each(Submission::accept);
        if let Some(engine) = self.owners.engine() {
            engine.visit_threads();
        }
        for (ends, task, submission) in over {
            match ends {
                Ok(Some(due)) => submission.ends_on_arrival(due, task, None),
                Ok(None) => unreachable!("it is pinned"),
                Err(outcome) => submission.over_on_arrival(self, &task, outcome, None),
            }
        }
        // Pairs with the heavy fence between the phase of an end and its look at the lists: that
        // look finds what was filled, or this one finds the phase.
        light();
        if self.phase.is_closed() {
            arrived_late(self, Vec::new);
        }
    }

    /// Takes out all that is pinned, for the end of the pool.
    pub(super) fn take_pinned(&self) -> Vec<Task> {
        self.pinned.take_all(&self.phase)
    }

    /// Resumes all workers that sleep, since something may be pinned to them.
    ///
    /// What [`Engine::visit_threads`](crate::backend::Engine::visit_threads) does by default. A
    /// worker that finds nothing sleeps again.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::Capability;
    /// # use pool_core::backend::{Lifecycle, PoolConfig};
    /// # let config = PoolConfig::default();
    /// # let life = Lifecycle::new(&config, Capability::new("own", &config));
    /// life.resume_for_pinned(); // nobody sleeps: it does nothing
    /// assert_eq!(life.stats().workers, 0);
    /// ```
    pub fn resume_for_pinned(&self) {
        self.roster.resume_sleepers();
    }
}
