//! Open-loop arrivals: each job has its moment, whether or not the pool has kept up.
//!
//! A loop that waits for one answer before it sends the next request slows down with the system
//! that it measures, and so leaves out exactly the requests that a stall would have hit
//! (*coordinated omission*). Here the moments of arrival are drawn beforehand, and every time runs
//! from the moment at which a job was **meant** to arrive. A submitter that is held up and a pool
//! that stalls both show in every job that was due meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::spin::{Draws, spin, spin_until};
use crate::contestant::Contestant;
use crate::latch::Latch;
use crate::measure::{Measure, Times, float};
use crate::meter::Meter;
use crate::sample::Measures;
use crate::system;

/// How long each job takes. A worker can do one hundred thousand of them in a second: its capacity.
const SERVICE: Duration = Duration::from_micros(10);

/// What is known about one job.
struct Slot {
    /// From the start of the run, in nanoseconds.
    due: Duration,
    started: AtomicU64,
    ended: AtomicU64,
}

/// The data of a run, which its jobs share.
struct Run {
    begin: Instant,
    slots: Vec<Slot>,
    latch: &'static Latch,
}

/// Lets `size` jobs arrive, at `load` of what the workers can do.
pub(super) fn arrivals<C: Contestant>(
    contestant: &C,
    size: usize,
    workers: usize,
    load: f64,
) -> Measures {
    let run: &'static Run = Box::leak(Box::new(Run::new(size, workers, load)));
    let meter = Meter::start();
    let spun = submit_when_due(contestant, run);
    run.latch.wait();
    let spent = meter.stop().without(spun);
    let end_to_end = Times::of(run.times(|slot| &slot.ended));
    let queue_wait = Times::of(run.times(|slot| &slot.started));
    let [e50, e99, e999] = Measure::END_TO_END;
    let [q50, q99, q999] = Measure::QUEUE_WAIT;
    let figures = [
        (e50, end_to_end.permille(500)),
        (e99, end_to_end.permille(990)),
        (e999, end_to_end.permille(999)),
        (q50, queue_wait.permille(500)),
        (q99, queue_wait.permille(990)),
        (q999, queue_wait.permille(999)),
    ];
    spent.with(figures, size)
}

/// Submits each job when it is due. Returns the processor's time that went into waiting for that:
/// all of this thread's that was not in a call of the contestant.
fn submit_when_due<C: Contestant>(contestant: &C, run: &'static Run) -> Duration {
    let used = || system::thread_cpu_time().unwrap_or_default();
    let before = used();
    let mut in_calls = Duration::ZERO;
    for index in 0..run.slots.len() {
        spin_until(run.begin + run.slots[index].due);
        let call = Instant::now();
        contestant.execute(move || run.serve(index));
        in_calls += call.elapsed();
    }
    used().saturating_sub(before).saturating_sub(in_calls)
}

impl Run {
    fn new(size: usize, workers: usize, load: f64) -> Self {
        let mean_gap = SERVICE.div_f64(load * float(workers));
        let mut draws = Draws::seeded();
        let mut due = Duration::ZERO;
        let slots = (0..size).map(|_| {
            due += draws.gap(mean_gap);
            Slot {
                due,
                started: AtomicU64::new(0),
                ended: AtomicU64::new(0),
            }
        });
        Self {
            slots: slots.collect(),
            latch: Latch::leaked(size),
            begin: Instant::now(),
        }
    }

    /// The body of a job.
    fn serve(&self, index: usize) {
        let slot = &self.slots[index];
        // ORDERING: relaxed, here and below; the latch releases both to the thread that reads them
        // after it.
        slot.started.store(self.now(), Ordering::Relaxed);
        spin(SERVICE);
        slot.ended.store(self.now(), Ordering::Relaxed);
        self.latch.arrive();
    }

    /// Nanoseconds since the run began.
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// How long after it was due each job reached `moment`.
    fn times(&self, moment: impl Fn(&Slot) -> &AtomicU64) -> Vec<Duration> {
        let since_due = |slot: &Slot| {
            let at = Duration::from_nanos(moment(slot).load(Ordering::Relaxed));
            at.saturating_sub(slot.due)
        };
        self.slots.iter().map(since_due).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::measure::nanos;

    const STALL: Duration = Duration::from_millis(20);

    /// Runs jobs on the caller's thread, and stalls once, before the first.
    #[derive(Default)]
    struct StallsOnce(AtomicBool);

    impl Contestant for StallsOnce {
        fn execute(&self, job: impl FnOnce() + Send + 'static) {
            if !self.0.swap(true, Ordering::Relaxed) {
                spin(STALL);
            }
            job();
        }

        fn finish(self) {}
    }

    #[test]
    fn a_stall_shows_in_every_job_that_was_due_meanwhile() {
        let load = 0.5;
        let run = Run::new(100, 1, load);
        let middle = run.slots[50].due;
        assert!(middle < STALL / 4, "the middle job is due during the stall");

        let measures = arrivals(&StallsOnce::default(), 100, 1, load);
        for measure in [Measure::QUEUE_WAIT[0], Measure::END_TO_END[0]] {
            let median = measures[measure.name];
            assert!(
                median > nanos(STALL - STALL / 4),
                "{}: {median}",
                measure.name
            );
        }
    }
}
