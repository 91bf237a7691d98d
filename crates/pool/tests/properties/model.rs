//! The reference: what a pool promises its user, in plain sequential code.

use pool::Outcome;

/// How a job ends once it is released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    Completes,
    Fails,
    Panics,
    /// It completes, unless it was asked to stop.
    Heeds,
}

/// What may end a job before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Nothing,
    /// The token of both pools.
    Token,
    /// It ends when it is submitted.
    PastDeadline,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Queued,
    Running,
    Ended(Outcome),
}

#[derive(Debug)]
struct Job {
    ends: Ends,
    life: Life,
    is_asked_to_stop: bool,
    /// It carries the token that is not cancelled yet.
    has_token: bool,
    /// In the generation that accepts jobs, whose workers take the next from the queue.
    is_newest: bool,
    /// A swap has handed it over, maybe past the bound of the queue.
    was_handed_over: bool,
}

/// What the model expects of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Intake {
    Accepted,
    Full,
    Closed,
    /// Jobs that were handed over past the bound may or may not take a slot.
    Unsure,
}

/// A pool as its user sees it.
#[derive(Debug)]
pub(crate) struct Model {
    workers: usize,
    capacity: usize,
    is_open: bool,
    jobs: Vec<Job>,
    /// In order.
    queue: Vec<usize>,
    /// It is not known how many of the queued jobs take a slot.
    is_unsure: bool,
}

impl Model {
    pub(crate) fn new(workers: usize, capacity: usize) -> Self {
        Self {
            workers,
            capacity,
            is_open: true,
            jobs: Vec::new(),
            queue: Vec::new(),
            is_unsure: false,
        }
    }

    /// What happens to a job that carries this. One that ends when it is submitted takes no slot.
    pub(crate) fn intake(&self, carries: Carries) -> Intake {
        if !self.is_open {
            Intake::Closed
        } else if carries == Carries::PastDeadline {
            Intake::Accepted
        } else if self.is_unsure {
            Intake::Unsure
        } else if self.queue.len() >= self.capacity {
            Intake::Full
        } else {
            Intake::Accepted
        }
    }

    /// Jobs are numbered in the order in which they were accepted.
    pub(crate) fn accept(&mut self, ends: Ends, carries: Carries) {
        let life = match carries {
            Carries::PastDeadline => Life::Ended(Outcome::Expired),
            Carries::Nothing | Carries::Token => Life::Queued,
        };
        if life == Life::Queued {
            self.queue.push(self.jobs.len());
        }
        self.jobs.push(Job {
            ends,
            life,
            is_asked_to_stop: false,
            has_token: carries == Carries::Token,
            is_newest: true,
            was_handed_over: false,
        });
    }

    /// How many jobs must start, since this many workers are free.
    pub(crate) fn due(&self) -> usize {
        let is_busy = |job: &&Job| job.is_newest && job.life == Life::Running;
        let busy = self.jobs.iter().filter(is_busy).count();
        self.queue.len().min(self.workers - busy)
    }

    /// Records that a job has started. Returns an error if it must not have.
    pub(crate) fn start(&mut self, job: usize, is_in_order: bool) -> Result<(), String> {
        if !self.jobs.get(job).is_some_and(|it| it.life == Life::Queued) {
            return Err(format!("job {job} starts and is not queued: {self:?}"));
        }
        let first = self.queue.first().copied();
        if is_in_order && first != Some(job) {
            return Err(format!("job {job} starts before {first:?}: {self:?}"));
        }
        self.jobs[job].life = Life::Running;
        self.leave_queue(job);
        if is_in_order {
            self.is_unsure = self.queue.iter().any(|&it| self.jobs[it].was_handed_over);
        }
        Ok(())
    }

    /// The job has started or ended: its slot is free.
    fn leave_queue(&mut self, job: usize) {
        self.queue.retain(|&it| it != job);
    }

    fn is_queued(&self, job: usize) -> bool {
        self.jobs[job].life == Life::Queued
    }

    /// How many jobs are queued.
    pub(crate) fn queued(&self) -> usize {
        (0..self.jobs.len())
            .filter(|&it| self.is_queued(it))
            .count()
    }

    pub(crate) fn jobs(&self) -> usize {
        self.jobs.len()
    }

    pub(crate) fn running(&self) -> Vec<usize> {
        let is_running = |&job: &usize| self.jobs[job].life == Life::Running;
        (0..self.jobs.len()).filter(is_running).collect()
    }

    /// The handle asks a job to stop. Returns its outcome, if that ends it.
    pub(crate) fn cancel(&mut self, job: usize) -> Option<Outcome> {
        self.leave_queue(job);
        let job = &mut self.jobs[job];
        match job.life {
            Life::Queued => {
                job.life = Life::Ended(Outcome::Cancelled);
                Some(Outcome::Cancelled)
            }
            Life::Running => {
                job.is_asked_to_stop = true;
                None
            }
            Life::Ended(_) => None,
        }
    }

    /// The token asks the jobs that carry it to stop. Returns those that this ends.
    pub(crate) fn cancel_token(&mut self) -> Vec<usize> {
        let carriers = (0..self.jobs.len()).filter(|&job| self.jobs[job].has_token);
        let carriers: Vec<usize> = carriers.collect();
        let mut ended = Vec::new();
        for job in carriers {
            self.jobs[job].has_token = false;
            if self.cancel(job).is_some() {
                ended.push(job);
            }
        }
        ended
    }

    /// A running job is released. Returns its outcome.
    pub(crate) fn let_go(&mut self, job: usize) -> Outcome {
        let job = &mut self.jobs[job];
        let outcome = match job.ends {
            Ends::Heeds if job.is_asked_to_stop => Outcome::Cancelled,
            Ends::Completes | Ends::Heeds => Outcome::Completed,
            Ends::Fails => Outcome::Failed,
            Ends::Panics => Outcome::Panicked,
        };
        job.life = Life::Ended(outcome);
        outcome
    }

    pub(crate) fn close(&mut self) {
        self.is_open = false;
    }

    /// Whether the pool can be swapped. If so, the next generation has taken over what is queued.
    pub(crate) fn swap(&mut self) -> bool {
        if !self.is_open {
            return false;
        }
        for job in &mut self.jobs {
            job.is_newest = job.life == Life::Queued;
            job.was_handed_over |= job.is_newest;
        }
        self.is_unsure = self.queue.len() > self.workers;
        true
    }

    /// All accepted jobs run to their end.
    pub(crate) fn drain(&mut self) {
        for job in 0..self.jobs.len() {
            if !matches!(self.jobs[job].life, Life::Ended(_)) {
                self.let_go(job);
            }
        }
    }

    /// Running jobs are asked to stop; queued jobs are handed back. Returns these jobs.
    pub(crate) fn give_back(&mut self) -> Vec<usize> {
        for job in &mut self.jobs {
            job.is_asked_to_stop |= job.life == Life::Running;
        }
        let unstarted = |&job: &usize| self.is_queued(job);
        (0..self.jobs.len()).filter(unstarted).collect()
    }

    /// How a job has ended.
    pub(crate) fn outcome(&self, job: usize) -> Option<Outcome> {
        match self.jobs[job].life {
            Life::Ended(outcome) => Some(outcome),
            Life::Queued | Life::Running => None,
        }
    }

    pub(crate) fn set_outcome(&mut self, job: usize, outcome: Outcome) {
        self.leave_queue(job);
        self.jobs[job].life = Life::Ended(outcome);
    }

    /// How many have ended with this outcome.
    pub(crate) fn ended(&self, outcome: Outcome) -> u64 {
        let has_it = |job: &&Job| job.life == Life::Ended(outcome);
        self.jobs.iter().filter(has_it).count() as u64
    }
}
