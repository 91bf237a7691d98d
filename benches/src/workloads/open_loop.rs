//! Open-loop arrivals: each job has its moment, whether or not the pool has kept up.
//!
//! A loop that waits for one answer before it sends the next request slows down with the system
//! that it measures, and so leaves out exactly the requests that a stall would have hit
//! (*coordinated omission*). Here the moments of arrival are drawn beforehand, and every time runs
//! from the moment at which a job was **meant** to arrive. A submitter that is held up and a pool
//! that stalls both show in every job that was due meanwhile.

use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::spin::{Draws, spin, spin_until};
use crate::contestant::Contestant;
use crate::latch::Latch;
use crate::measure::{Measure, Times, float};
use crate::meter::{Meter, Spent};
use crate::sample::Measures;
use crate::system;

/// What each job does. A worker can do one hundred thousand of the busy ones in a second, and a
/// little fewer than one thousand of those that sleep, since a sleep lasts a little longer than was
/// asked for: its capacity.
#[derive(Debug, Clone, Copy)]
enum Service {
    Busy(Duration),
    Sleep(Duration),
}

const BUSY: Service = Service::Busy(Duration::from_micros(10));
const SLEEP: Service = Service::Sleep(Duration::from_millis(1));

impl Service {
    fn serve(self) {
        match self {
            Self::Busy(length) => spin(length),
            Self::Sleep(length) => thread::sleep(length),
        }
    }

    /// Between two arrivals, on average, at `load` of what the workers can do.
    fn gap(self, workers: usize, load: f64) -> Duration {
        let (Self::Busy(length) | Self::Sleep(length)) = self;
        length.div_f64(load * float(workers))
    }
}

/// What is known about one job.
struct Slot {
    /// From the start of the run, in nanoseconds.
    due: Duration,
    started: AtomicU64,
    ended: AtomicU64,
}

/// The data of a run, which its jobs share.
struct Run {
    service: Service,
    begin: Instant,
    slots: Vec<Slot>,
    latch: &'static Latch,
}

/// Lets `size` jobs arrive that keep a core busy, at `load` of what the workers can do.
pub(super) fn busy<C: Contestant>(
    contestant: &C,
    size: usize,
    workers: usize,
    load: f64,
) -> Measures {
    let (run, spent) = arrivals(contestant, BUSY, size, BUSY.gap(workers, load));
    let [e50, e99, e999] = run.percentiles(Measure::END_TO_END, |slot| &slot.ended);
    let [q50, q99, q999] = run.percentiles(Measure::QUEUE_WAIT, |slot| &slot.started);
    spent.with([e50, e99, e999, q50, q99, q999], size)
}

/// The same with jobs that sleep, for more workers than there are cores.
pub(super) fn sleeping<C: Contestant>(
    contestant: &C,
    size: usize,
    workers: usize,
    load: f64,
) -> Measures {
    let (run, spent) = arrivals(contestant, SLEEP, size, SLEEP.gap(workers, load));
    let waits = run.percentiles(Measure::QUEUE_WAIT, |slot| &slot.started);
    spent.with(waits, size)
}

/// Lets `size` jobs arrive, `gap` apart on average.
fn arrivals<C: Contestant>(
    contestant: &C,
    service: Service,
    size: usize,
    gap: Duration,
) -> (&'static Run, Spent) {
    let run: &'static Run = Box::leak(Box::new(Run::new(service, size, gap)));
    let meter = Meter::start();
    let spun = submit_when_due(contestant, run);
    run.latch.wait();
    (run, meter.stop().without(spun))
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
    fn new(service: Service, size: usize, mean_gap: Duration) -> Self {
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
            service,
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
        self.service.serve();
        slot.ended.store(self.now(), Ordering::Relaxed);
        self.latch.arrive();
    }

    /// Nanoseconds since the run began.
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The median, and what 99 and 99.9 % do not exceed, of how long after they were due jobs
    /// reached `moment`.
    fn percentiles(
        &self,
        measures: [Measure; 3],
        moment: impl Fn(&Slot) -> &AtomicU64,
    ) -> [(Measure, f64); 3] {
        let times = Times::of(self.times(moment));
        let [p50, p99, p999] = measures;
        [(p50, 500), (p99, 990), (p999, 999)].map(|(it, share)| (it, times.permille(share)))
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
    fn sleeping_jobs_arrive_as_often_as_many_workers_can_do_them() {
        assert_eq!(SLEEP.gap(10, 0.5), Duration::from_micros(200));
        let measures = sleeping(&StallsOnce::default(), 5, 10, 0.5);
        assert!(measures[Measure::QUEUE_WAIT[0].name] > nanos(STALL / 2));
        assert!(!measures.contains_key(Measure::END_TO_END[0].name));
    }

    #[test]
    fn a_stall_shows_in_every_job_that_was_due_meanwhile() {
        let load = 0.5;
        let run = Run::new(BUSY, 100, BUSY.gap(1, load));
        let middle = run.slots[50].due;
        assert!(middle < STALL / 4, "the middle job is due during the stall");

        let measures = busy(&StallsOnce::default(), 100, 1, load);
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
