//! `Pair`: a pool and its model, side by side.

use std::panic::resume_unwind;
use std::thread;
use std::time::Duration;

use pool::{
    Backend, BuildError, CancelToken, Executor, JobContext, JobError, JobExt, JobHandle, Outcome,
    Pool, ShutdownPolicy, ShutdownReport, SubmitError,
};
use pool_conformance::probe::{Count, Gate, Log, PATIENCE, wait_until};

use super::model::{Carries, Ends, Intake, Model};
use super::{Becomes, Case, Ending, Operation};

type Handle = JobHandle<usize, usize>;

/// A pool and its model.
pub(crate) struct Pair {
    pool: Pool,
    model: Model,
    workers: usize,
    /// By number; removed once joined.
    handles: Vec<Option<Handle>>,
    gates: Vec<Gate>,
    started: Count,
    starts: Log<usize>,
    known_starts: usize,
}

impl Pair {
    pub(crate) fn new(backend: Backend, case: &Case) -> Self {
        let pool = Pool::builder()
            .backend(backend)
            .workers(case.workers)
            .queue_capacity(case.capacity)
            .build();
        Self {
            pool: pool.expect("a plain configuration is accepted"),
            model: Model::new(case.workers, case.capacity),
            workers: case.workers,
            handles: Vec::new(),
            gates: Vec::new(),
            started: Count::new(),
            starts: Log::new(),
            known_starts: 0,
        }
    }

    pub(crate) fn apply(&mut self, operation: &Operation, token: &CancelToken) {
        match *operation {
            Operation::TrySubmit(ends, carries) => self.submit(ends, carries, |pool, job| {
                let without_job = |refused: SubmitError<_>| refused.map(drop);
                match carries {
                    Carries::Nothing => pool.try_submit(job).map_err(without_job),
                    Carries::Token => {
                        let job = job.with_token(token);
                        pool.try_submit(job).map_err(|refused| refused.map(drop))
                    }
                    Carries::PastDeadline => {
                        let job = job.with_timeout(Duration::ZERO);
                        pool.try_submit(job).map_err(|refused| refused.map(drop))
                    }
                }
            }),
            Operation::Submit(ends) => {
                let intake = self.model.intake(Carries::Nothing);
                if matches!(intake, Intake::Accepted | Intake::Closed) {
                    self.submit(ends, Carries::Nothing, |pool, job| {
                        pool.submit(job).map_err(|refused| refused.map(drop))
                    });
                }
            }
            Operation::Cancel(index) => self.cancel(index),
            Operation::LetGo(index) => self.let_go(index),
            Operation::Swap(index) => self.swap(index),
            Operation::Close => {
                self.pool.close();
                self.model.close();
            }
            // It is for both pools.
            Operation::CancelToken => {}
        }
        self.settle();
    }

    /// The token that jobs of this pool may carry was cancelled.
    pub(crate) fn token_was_cancelled(&mut self) {
        for number in self.model.cancel_token() {
            let handle = self.handles[number].as_ref();
            assert!(handle.is_some_and(JobHandle::is_finished));
            self.join(number, Outcome::Cancelled);
        }
        self.settle();
    }

    fn submit<F>(&mut self, ends: Ends, carries: Carries, by: F)
    where
        F: FnOnce(&Pool, GatedJob) -> Result<Handle, SubmitError<()>>,
    {
        let gate = Gate::new();
        let number = self.handles.len();
        let (starts, started, pass) = (self.starts.clone(), self.started.clone(), gate.pass());
        let job = move |ctx: &JobContext<'_>| {
            starts.note(number);
            started.add();
            pass.wait();
            match ends {
                Ends::Completes => Ok(number),
                Ends::Fails => Err(number),
                // A panic, but the process's hook prints nothing.
                Ends::Panics => resume_unwind(Box::new(number)),
                Ends::Heeds => ctx.check().map(|()| number).map_err(|_| number),
            }
        };
        let submitted = by(&self.pool, Box::new(job));
        let expected = self.model.intake(carries);
        let seen = match submitted {
            Ok(handle) => {
                self.handles.push(Some(handle));
                self.gates.push(gate);
                self.model.accept(ends, carries);
                if carries == Carries::PastDeadline {
                    self.join(number, Outcome::Expired);
                }
                Intake::Accepted
            }
            Err(SubmitError::Full(_)) => Intake::Full,
            Err(SubmitError::Closed(_)) => Intake::Closed,
        };
        let is_either = expected == Intake::Unsure && seen != Intake::Closed;
        assert!(
            is_either || seen == expected,
            "{seen:?}, not {expected:?}: {:?}",
            self.model
        );
    }

    fn cancel(&mut self, index: usize) {
        if self.handles.is_empty() {
            return;
        }
        let number = index % self.handles.len();
        let Some(handle) = &self.handles[number] else {
            return;
        };
        handle.cancel();
        if let Some(outcome) = self.model.cancel(number) {
            assert!(
                self.handles[number]
                    .as_ref()
                    .is_some_and(JobHandle::is_finished)
            );
            self.join(number, outcome);
        }
    }

    fn let_go(&mut self, index: usize) {
        let running = self.model.running();
        if running.is_empty() {
            return;
        }
        let number = running[index % running.len()];
        self.gates[number].open();
        let outcome = self.model.let_go(number);
        self.join(number, outcome);
    }

    fn swap(&mut self, index: usize) {
        let backends = Backend::available();
        let swapped = self.pool.swap(backends[index % backends.len()]);
        if self.model.swap() {
            swapped.expect("an open pool can be swapped");
        } else {
            assert!(matches!(swapped, Err(BuildError::Closed)), "{swapped:?}");
        }
    }

    /// Waits until every job that must start has started, and no other.
    fn settle(&mut self) {
        let due = self.model.due();
        self.started.wait_for(self.known_starts + due);
        let starts = self.starts.take();
        assert_eq!(starts.len(), due, "{starts:?} started: {:?}", self.model);
        self.known_starts += due;
        let is_in_order = self.workers == 1 && self.pool.capability().fifo;
        for number in starts {
            self.model
                .start(number, is_in_order)
                .unwrap_or_else(|wrong| panic!("{wrong}"));
        }
        let (queued, running) = (
            self.model.queued() as u64,
            self.model.running().len() as u64,
        );
        wait_until("the books to say what the model says", &self.pool, || {
            let stats = self.pool.stats();
            stats.queued == queued && stats.running == running
        });
    }

    fn join(&mut self, number: usize, expected: Outcome) {
        let handle = self.handles[number].take().expect("it is joined once");
        let Ok(said) = handle.join_timeout(PATIENCE) else {
            panic!("job {number} has no outcome: {:?}", self.model);
        };
        assert_eq!(
            outcome_of(number, &said),
            expected,
            "job {number}: {:?}",
            self.model
        );
    }

    pub(crate) fn end(mut self, ending: Ending) {
        match ending {
            Ending::Drains => {
                self.gates.iter().for_each(Gate::open);
                self.model.drain();
                let report = self.pool.shutdown(ShutdownPolicy::drain());
                self.check(&report, 0, 0);
            }
            Ending::GivesBackAndDrops => self.give_back(Becomes::Abandoned, drop),
            Ending::GivesBackAndRunsElsewhere => self.give_back(Becomes::Run, |tasks| {
                let next = Pool::builder()
                    .workers(1)
                    .queue_capacity(tasks.len() + 1)
                    .build();
                let next = next.expect("a plain configuration is accepted");
                for task in tasks {
                    next.try_accept(task).expect("there is room");
                }
                let report = next.shutdown(ShutdownPolicy::drain());
                assert!(report.is_clean(), "{report}");
            }),
        }
        for number in 0..self.model.jobs() {
            if self.handles[number].is_some() {
                let outcome = self.model.outcome(number).expect("all have ended");
                self.join(number, outcome);
            }
        }
    }

    /// Ends the pool with its running jobs held: they are named, and what is queued comes back for
    /// `take`.
    fn give_back(&mut self, becomes: Becomes, take: impl FnOnce(Vec<pool::Task>)) {
        let running = self.model.running();
        let unstarted = self.model.give_back();
        let report = self.pool.shutdown(ShutdownPolicy::now().hand_back());
        self.check(&report, unstarted.len(), running.len());
        let mut named: Vec<_> = report.still_running().iter().map(|job| job.id).collect();
        let id = |&number: &usize| self.handles[number].as_ref().map(JobHandle::id);
        let mut expected: Vec<_> = running.iter().filter_map(id).collect();
        named.sort_unstable();
        expected.sort_unstable();
        assert_eq!(named, expected, "those that still run are named");
        self.gates.iter().for_each(Gate::open);
        for number in running {
            self.model.let_go(number);
        }
        let tasks = report.take_unstarted();
        let given: Vec<_> = tasks.iter().map(pool::Task::id).collect();
        let ids: Vec<_> = unstarted.iter().filter_map(id).collect();
        if self.pool.capability().fifo && self.workers == 1 {
            assert_eq!(given, ids, "what is given back is in order");
        }
        take(tasks);
        for number in unstarted {
            match becomes {
                Becomes::Abandoned => self.model.set_outcome(number, Outcome::Abandoned),
                Becomes::Run => {
                    self.model.let_go(number);
                }
            }
        }
    }

    fn check(&self, report: &ShutdownReport, unstarted: usize, running: usize) {
        assert!(report.balances(), "{report}");
        let model = &self.model;
        let expected = [
            model.jobs() as u64,
            model.ended(Outcome::Completed),
            model.ended(Outcome::Failed),
            model.ended(Outcome::Panicked),
            model.ended(Outcome::Cancelled),
            model.ended(Outcome::Expired),
            unstarted as u64,
            running as u64,
        ];
        let seen = [
            report.accepted(),
            report.completed(),
            report.failed(),
            report.panicked(),
            report.cancelled(),
            report.expired(),
            report.unstarted(),
            report.still_running().len() as u64,
        ];
        assert_eq!(seen, expected, "{report}\n{model:?}");
    }
}

impl Drop for Pair {
    /// A failed case leaves nothing behind that the next would wait for: a drop alone drains the
    /// pool without a limit.
    fn drop(&mut self) {
        self.gates.iter().for_each(Gate::open);
        if thread::panicking() {
            self.pool.shutdown(ShutdownPolicy::now());
        }
    }
}

type GatedJob = Box<dyn FnOnce(&JobContext<'_>) -> Result<usize, usize> + Send>;

/// The outcome that a handle gives; its value is the job's own number.
fn outcome_of(number: usize, said: &Result<usize, JobError<usize>>) -> Outcome {
    match said {
        Ok(value) => {
            assert_eq!(*value, number, "the value of another job");
            Outcome::Completed
        }
        Err(JobError::Failed(error)) => {
            assert_eq!(*error, number, "the error of another job");
            Outcome::Failed
        }
        Err(error) => error.outcome(),
    }
}
