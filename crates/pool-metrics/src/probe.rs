//! The probe: a job that does nothing, whose delay is the wait of the queue.
//!
//! # When one is sent
//! At a report, if the one before was answered, and jobs wait or have arrived since the last
//! report. Probes are jobs of the pool, and are counted among those that it accepted. So the number
//! of those sent is taken off: an answered probe is no arrival, and an idle pool stays asleep.
//!
//! A closed pool gets none: it would count it as refused. How long its queue has been full is
//! counted on.
//!
//! It is no job that waits, either. The counts may have it as queued, since they were read before
//! the answer, or as the probe ended. So one queued job is no reason in a report that takes an
//! answer.
//!
//! # How it is answered
//! By a channel of its own. The worker that runs the probe sends the delay, and wakes nobody. The
//! next report takes it. A probe that is dropped unrun, by a shutdown or a task that was handed
//! back, drops the sender: it counts as never sent.
//!
//! # A full queue
//! A probe is never waited for, so where there is no room none is sent. Where the queue is full, or
//! submitters wait in line, none is tried: it would take a place that is theirs, or be refused. One
//! that is refused nevertheless, since the queue filled up meanwhile, is no user's job that came
//! back, and is taken off that count. A queue that stays full may
//! be busy, or its workers may hang, and that is told apart by the counts. What is accepted and not
//! queued has left the queue. Suppose that a report finds it full, with a number of jobs queued. As
//! long as fewer have left it since, at least one of them still waits, whatever the order. So there
//! is an age, counted from that report. Once that number has left it, the age begins anew.

#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::{Duration, Instant};

use pool_core::{Executor, ExecutorExt, Job, JobContext, JobOptions, Refusal, Stats};

/// The job.
pub(crate) struct Probe {
    sent: Instant,
    answer: SyncSender<Duration>,
}

impl Job for Probe {
    type Output = ();
    type Error = Infallible;

    fn run(self, _: &JobContext<'_>) -> Result<(), Infallible> {
        let _reporter_is_gone = self.answer.try_send(self.sent.elapsed());
        Ok(())
    }

    fn options(&self) -> JobOptions {
        JobOptions::new().named("pool-metrics probe")
    }
}

/// A probe that was sent.
struct Waiting {
    sent: Instant,
    answer: Receiver<Duration>,
}

/// A queue that was full.
struct Full {
    since: Instant,
    /// Until that many jobs have left it in all, one that was queued then still waits.
    until_left: u64,
}

/// What a look tells.
#[derive(Default)]
pub(crate) struct Seen {
    /// The delay of a probe that was answered since the last look.
    pub(crate) delay: Option<Duration>,
    /// For how long a job has waited that still waits.
    pub(crate) oldest_age: Duration,
}

/// Sends the probes of one pool, one at a time.
pub(crate) struct Prober {
    waiting: Option<Waiting>,
    full: Option<Full>,
    /// How many the pool accepted.
    sent: u64,
    /// How many jobs other than probes it had accepted by the last look.
    accepted: u64,
    refusals: Arc<ProbeRefusals>,
}

/// How many probes were refused, by all reporters of the same settings.
#[derive(Debug, Default)]
pub(crate) struct ProbeRefusals {
    full: AtomicU64,
    closed: AtomicU64,
}

impl ProbeRefusals {
    /// Returns how many of `refused` jobs are not probes.
    pub(crate) fn without(&self, reason: Refusal, refused: u64) -> u64 {
        refused.saturating_sub(self.of(reason).load(Ordering::Relaxed))
    }

    fn add(&self, reason: Refusal) {
        self.of(reason).fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, reason: Refusal) -> &AtomicU64 {
        match reason {
            Refusal::Full => &self.full,
            Refusal::Closed => &self.closed,
        }
    }
}

impl Prober {
    pub(crate) fn new(stats: &Stats, refusals: Arc<ProbeRefusals>) -> Self {
        Self {
            waiting: None,
            full: None,
            sent: 0,
            accepted: stats.accepted,
            refusals,
        }
    }

    /// Takes the answer, and sends the next probe if there is a reason to. Never blocks.
    pub(crate) fn look<E: Executor + ?Sized>(&mut self, pool: &E, stats: &Stats) -> Seen {
        let was_waiting = self.waiting.is_some();
        let delay = self.take_answer();
        let accepted = stats.accepted.saturating_sub(self.sent);
        let has_arrivals = accepted > self.accepted;
        self.accepted = accepted;
        if self.waiting.is_none() {
            if stats.queued > u64::from(was_waiting) || has_arrivals {
                self.send(pool, stats);
            } else {
                self.full = None;
            }
        }
        let since = self.waiting.as_ref().map(|it| it.sent);
        let since = since.or(self.full.as_ref().map(|it| it.since));
        Seen {
            delay,
            oldest_age: since.map_or(Duration::ZERO, |since| since.elapsed()),
        }
    }

    fn take_answer(&mut self) -> Option<Duration> {
        let answer = self.waiting.as_ref()?.answer.try_recv();
        if answer != Err(TryRecvError::Empty) {
            self.waiting = None;
        }
        answer.ok()
    }

    fn send<E: Executor + ?Sized>(&mut self, pool: &E, stats: &Stats) {
        let sent = Instant::now();
        let capacity = pool.capability().capacity;
        let is_full = capacity.is_some_and(|most| stats.queued >= most as u64);
        if is_full || pool.room().has_line() {
            return self.note_full(sent, stats);
        }
        if pool.is_closed() {
            self.full = None;
            return;
        }
        let (sender, answer) = sync_channel(1);
        let probe = Probe {
            sent,
            answer: sender,
        };
        match pool.try_execute(probe) {
            Ok(_) => {
                self.sent += 1;
                self.full = None;
                self.waiting = Some(Waiting { sent, answer });
            }
            Err(refused) if refused.is_full() => {
                self.refusals.add(Refusal::Full);
                self.note_full(sent, stats);
            }
            Err(_closed) => {
                self.refusals.add(Refusal::Closed);
                self.full = None;
            }
        }
    }

    fn note_full(&mut self, now: Instant, stats: &Stats) {
        let left = stats.accepted.saturating_sub(stats.queued);
        let is_as_before = |full: &Full| left < full.until_left;
        if !self.full.as_ref().is_some_and(is_as_before) {
            self.full = (stats.queued > 0).then(|| Full {
                since: now,
                until_left: left + stats.queued,
            });
        }
    }
}
