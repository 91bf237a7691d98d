//! Which thread waits for which job, and where that is: so that a deadlock can name a circle of
//! waits, also one through several pools.

use std::collections::{BTreeMap, BTreeSet};

use pool_core::JobId;
use pool_core::machine::Point;

/// What the points have told of jobs and joins.
///
/// It is read only when nobody can go on, and may be incomplete: a wait for something else than a
/// job is not in it.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// Jobs that are not over.
    jobs: BTreeMap<JobId, Place>,
    /// Jobs that were taken before their submitter came to say that they are queued.
    early: BTreeSet<JobId>,
    /// By the simulation's numbers.
    threads: Vec<Thread>,
}

/// Where a job is that is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the queue of this pool.
    Queued(u32),
    /// On this thread's stack.
    On(usize),
}

/// What is known of one thread.
#[derive(Debug, Clone, Default)]
struct Thread {
    /// The pool whose worker it is, as far as is known.
    pool: Option<u32>,
    /// Jobs that it has begun to wait for, the last one innermost.
    joins: Vec<JobId>,
}

/// One step around a circle.
struct Wait {
    /// The thread that waits.
    thread: usize,
    /// For what.
    job: JobId,
    /// The thread that runs the job, or that would have to.
    next: usize,
    /// The job has not been taken.
    is_queued: bool,
}

impl Waits {
    /// Follows a point of `thread`: where a job is now, and for which one the thread waits.
    pub(crate) fn come_to(&mut self, thread: usize, point: Point) {
        if self.threads.len() <= thread {
            self.threads.resize(thread + 1, Thread::default());
        }
        match point {
            Point::Pushed(job, pool) if !self.early.remove(&job) => {
                self.jobs.insert(job, Place::Queued(pool));
            }
            Point::Took(job) => match self.jobs.insert(job, Place::On(thread)) {
                Some(Place::Queued(pool)) => self.threads[thread].pool = Some(pool),
                Some(Place::On(_)) => {}
                None => drop(self.early.insert(job)),
            },
            Point::Begin(job) => {
                self.jobs.insert(job, Place::On(thread));
            }
            Point::Done(job) => {
                self.jobs.remove(&job);
            }
            Point::Join(job) => self.threads[thread].joins.push(job),
            _ => {}
        }
        let (joins, jobs) = (&mut self.threads[thread].joins, &self.jobs);
        // A join of a job that is over returns, and one of a job on this very stack is what runs
        // it.
        while let Some(job) = joins.last()
            && matches!(point, Point::Done(_))
            && !jobs.contains_key(job)
        {
            joins.pop();
        }
    }

    /// The job that the thread waits for, if that is not over and does not run on the thread
    /// itself.
    pub(crate) fn join_of(&self, thread: usize) -> Option<JobId> {
        let joins = &self.threads.get(thread)?.joins;
        let is_awaited = |job: &&JobId| {
            let place = self.jobs.get(job);
            place.is_some_and(|place| *place != Place::On(thread))
        };
        joins.iter().rev().find(is_awaited).copied()
    }

    /// The circle of waits that there is, if there is one.
    pub(crate) fn circle(&self, name: impl Fn(usize) -> String) -> Option<String> {
        let path = (0..self.threads.len()).find_map(|thread| self.circle_from(thread))?;
        let steps = path.iter().map(|wait| {
            let where_ = if wait.is_queued {
                format!("which is queued for {}", name(wait.next))
            } else {
                format!("which runs on {}", name(wait.next))
            };
            format!("{} waits for job {}, {where_}", name(wait.thread), wait.job)
        });
        let steps: Vec<_> = steps.collect();
        Some(format!("a circle of waits: {}", steps.join("; ")))
    }

    /// Follows the waits from one thread on: the circle that they come to, if they do.
    fn circle_from(&self, first: usize) -> Option<Vec<Wait>> {
        let mut path: Vec<Wait> = Vec::new();
        let mut thread = first;
        loop {
            if let Some(start) = path.iter().position(|wait| wait.thread == thread) {
                return Some(path.split_off(start));
            }
            let wait = self.wait_of(thread)?;
            thread = wait.next;
            path.push(wait);
        }
    }

    /// The thread that this one waits for: the one that runs the job, or one that could take it
    /// from the queue.
    fn wait_of(&self, thread: usize) -> Option<Wait> {
        let job = self.join_of(thread)?;
        let (next, is_queued) = match self.jobs.get(&job)? {
            Place::On(next) => (*next, false),
            Place::Queued(pool) => {
                let is_worker = |&it: &usize| self.threads[it].pool == Some(*pool);
                let mut workers = (0..self.threads.len()).filter(is_worker);
                let next = workers.find(|&it| it != thread && self.join_of(it).is_some());
                (next?, true)
            }
        };
        Some(Wait {
            thread,
            job,
            next,
            is_queued,
        })
    }
}
