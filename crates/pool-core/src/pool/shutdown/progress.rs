//! How far the shutdown of a pool has come: what its callers share.

use std::sync::{Arc, Weak};
use std::time::Instant;

use super::policy::{Limits, ShutdownPolicy};
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::report::{ReportBody, ShutdownReport, UnstartedJob};
use crate::pool::running::RunningJob;
use crate::sys::machine;
use crate::sys::sync::{LockExt, Mutex};
use crate::task::Task;

/// What the calls of a pool's shutdown share, behind one lock: the limits, what they took out, and
/// the report once it is made. No user code runs under the lock; what may drop some is moved out
/// first.
#[derive(Default)]
pub(crate) struct Progress {
    /// The earliest of all callers.
    limits: Limits,
    /// The first call.
    start: Option<Instant>,
    /// Calls under way.
    ///
    /// While there is one, a report is going to take what is kept here.
    callers: usize,
    /// One of them makes the report.
    is_reporting: bool,
    /// A caller asked for the tasks of the jobs that do not start.
    ///
    /// It stays set once one caller has asked.
    hands_back: bool,
    /// Those tasks, until the report has them.
    tasks: Vec<Task>,
    /// How many threads are taking tasks out at this moment.
    taking: usize,
    /// Somebody has seen that, and waits for the end of it.
    is_awaited: bool,
    /// How often one has taken some out.
    takings: u64,
    /// The jobs that were taken out, kept or abandoned, by name.
    unstarted: Vec<UnstartedJob>,
    /// Jobs that the end of the pool has cancelled.
    cancelled: Vec<UnstartedJob>,
    /// Set once: from then on nothing is noted any more.
    done: Option<Done>,
}

/// The report, for the one that asks again. The tasks are held by the reports given out: dropped
/// with the last of them, they resolve.
type Done = (Arc<ReportBody>, Weak<Mutex<Vec<Task>>>);

impl Progress {
    /// Whether tasks that are taken out now are kept for the report.
    fn hands_back(&self) -> bool {
        self.hands_back && self.callers > 0 && self.done.is_none()
    }

    /// A thread is about to take tasks out. No report is made until the
    /// [end](Self::end_taking) of that. Returns whether they are to be [kept](Self::keep) here.
    pub(crate) fn begin_taking(&mut self) -> bool {
        self.taking += 1;
        self.hands_back()
    }

    /// The tasks that were taken out, if there were any, are in the books. Returns whether somebody
    /// is to be told: a look that takes nothing out would otherwise wake those that watch the pool,
    /// again and again.
    pub(crate) fn end_taking(&mut self, has_taken: bool) -> bool {
        self.taking -= 1;
        self.takings += u64::from(has_taken);
        std::mem::take(&mut self.is_awaited)
    }

    /// Keeps tasks, which are off the books, for the report. What comes back is kept by nobody: the
    /// callers have gone.
    pub(crate) fn keep(&mut self, tasks: Vec<Task>) -> Vec<Task> {
        if !self.hands_back() {
            return tasks;
        }
        self.unstarted.extend(tasks.iter().map(UnstartedJob::of));
        if self.tasks.is_empty() {
            self.tasks = tasks;
        } else {
            self.tasks.extend(tasks);
        }
        Vec::new()
    }

    /// These jobs were taken out before they started.
    pub(crate) fn note_unstarted(&mut self, jobs: Vec<UnstartedJob>) {
        if self.done.is_none() {
            self.unstarted.extend(jobs);
        }
    }

    /// The end of the pool has cancelled a job that had started.
    pub(crate) fn note_cut_short(&mut self, id: JobId, name: Option<Box<str>>) {
        if self.done.is_none() {
            self.cancelled.push(UnstartedJob { id, name });
        }
    }

    /// The limits as they are now: a later caller may bring earlier ones.
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// When the first call began, from which the report's `took` counts.
    pub(super) fn start(&self) -> Instant {
        self.start.unwrap_or_else(machine::now)
    }

    pub(super) fn is_done(&self) -> bool {
        self.done.is_some()
    }

    /// Whether somebody else makes the report now.
    pub(super) fn is_reporting(&self) -> bool {
        self.is_reporting
    }

    /// The report, if it was made.
    pub(super) fn report(&self) -> Option<ShutdownReport> {
        let (body, tasks) = self.done.as_ref()?;
        let tasks = tasks.upgrade().unwrap_or_default();
        Some(ShutdownReport::new(Arc::clone(body), tasks))
    }

    /// Whether some thread takes tasks out now. If so, the caller is going to be told of the end.
    pub(crate) fn is_taking(&mut self) -> bool {
        self.is_awaited |= self.taking > 0;
        self.taking > 0
    }

    /// How often tasks were taken out so far; `None`: some are being taken out at this moment.
    pub(super) fn takings(&self) -> Option<u64> {
        (self.taking == 0).then_some(self.takings)
    }

    /// Adds what was noted to the books, and makes them the report of all callers.
    pub(super) fn finish(&mut self, mut body: ReportBody) -> ShutdownReport {
        // They come first. Those that sleep may be millions, and are not looked at.
        let on_stacks = |job: &RunningJob| job.worker.map(|_| job.id);
        let on_stacks: Vec<JobId> = body.still_running.iter().map_while(on_stacks).collect();
        let is_running = |id: JobId| on_stacks.contains(&id);
        let mut unstarted = std::mem::take(&mut self.unstarted);
        let mut cancelled = std::mem::take(&mut self.cancelled);
        if !on_stacks.is_empty() {
            unstarted.retain(|job| !is_running(job.id));
            cancelled.retain(|job| !is_running(job.id));
        }
        body.unstarted = unstarted;
        body.cancelled = cancelled;
        let body = Arc::new(body);
        let tasks = Arc::new(Mutex::new(std::mem::take(&mut self.tasks)));
        self.done = Some((Arc::clone(&body), Arc::downgrade(&tasks)));
        ShutdownReport::new(body, tasks)
    }
}

/// A call under way, also where its future is dropped half-way: its limits hold, and what does not
/// start is kept for its report if the policy says so.
pub(super) struct Calling(Arc<Lifecycle>);

impl Calling {
    /// The limits begin `now`.
    pub(super) fn begin(life: &Arc<Lifecycle>, policy: ShutdownPolicy, now: Instant) -> Self {
        let mut ending = life.ending.progress.lock_unpoisoned();
        ending.start.get_or_insert(now);
        ending.limits.shorten(Limits::of(policy, now));
        ending.hands_back |= policy.hands_back();
        ending.callers += 1;
        Self(Arc::clone(life))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        if self.0.is_forked() {
            return;
        }
        let kept = {
            let mut ending = self.0.ending.progress.lock_unpoisoned();
            ending.callers -= 1;
            if ending.callers > 0 || ending.is_done() {
                return;
            }
            std::mem::take(&mut ending.tasks)
        };
        // No caller is left to report these tasks. They go with the call, as they would with its
        // report, and their jobs resolve.
        drop(kept);
    }
}

/// The one caller that makes the report.
pub(super) struct Reporting<'a>(&'a Arc<Lifecycle>);

impl<'a> Reporting<'a> {
    /// `None`: somebody else makes the report, or has made it.
    pub(super) fn begin(life: &'a Arc<Lifecycle>) -> Option<Self> {
        let mut ending = life.ending.progress.lock_unpoisoned();
        if ending.is_done() || std::mem::replace(&mut ending.is_reporting, true) {
            return None;
        }
        Some(Self(life))
    }
}

impl Drop for Reporting<'_> {
    fn drop(&mut self) {
        self.0.ending.progress.lock_unpoisoned().is_reporting = false;
        self.0.quiescence.wake_watchers(&self.0.phase);
    }
}
