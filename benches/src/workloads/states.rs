//! What a pool costs in its other states: full, panicking, idle, ending, and with jobs of very
//! different lengths.

use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::spin::{Draws, spin};
use crate::contestant::{Contestant, Stop};
use crate::latch::{Gate, Latch};
use crate::measure::{Measure, float, measures, nanos, per_job};
use crate::meter::Meter;
use crate::sample::Measures;
use crate::system::{self, Memory};

/// The shortest and the longest job of the heavy tail, and its index: so close to 1 that few jobs
/// make up most of the work.
const LEAST: Duration = Duration::from_micros(5);
const MOST: Duration = Duration::from_millis(5);
const ALPHA: f64 = 1.1;

/// Jobs before an idle second.
const ACTIVITY: usize = 10_000;

/// How long workers have to fall asleep before the second begins. A worker that has not by then is
/// not idle.
const TO_REST: Duration = Duration::from_millis(20);

/// Jobs whose lengths differ by three orders of magnitude: how close the end comes to the earliest
/// possible.
pub(super) fn heavy_tail<C: Contestant>(contestant: &C, size: usize, workers: usize) -> Measures {
    let mut draws = Draws::seeded();
    let lengths: Vec<Duration> = (0..size).map(|_| draws.heavy(ALPHA, LEAST, MOST)).collect();
    let total: Duration = lengths.iter().sum();
    let longest = lengths.iter().max().copied().unwrap_or_default();
    let ideal = total.div_f64(float(workers)).max(longest);
    let latch = Latch::leaked(size);
    let meter = Meter::start();
    for length in lengths {
        contestant.execute(move || {
            spin(length);
            latch.arrive();
        });
    }
    latch.wait();
    let spent = meter.stop();
    let makespan = spent.time.div_duration_f64(ideal);
    let figures = [(Measure::MAKESPAN, makespan), per_job(spent.time, size)];
    spent.with(figures, size)
}

/// Jobs that wait in the queue: how much the process grows.
///
/// From before the contestant was built, so that a ring of slots that exists from the start counts
/// like a list that grows. It is read from the resident set, not counted by an allocator: a machine
/// runs out of pages, not of requested bytes, so slack and rounding belong in the figure; and this
/// slows nothing down.
pub(super) fn memory<C: Contestant>(
    contestant: &C,
    size: usize,
    workers: usize,
    before: Memory,
) -> Result<Measures> {
    let gate = Gate::hold(contestant, workers);
    let latch = Latch::leaked(size);
    for _ in 0..size {
        contestant.execute(|| latch.arrive());
    }
    let full = system::memory()?;
    gate.open();
    latch.wait();
    let grown = |to: usize| float(to.saturating_sub(before.resident)) / float(size);
    Ok(measures([
        (Measure::BYTES_PER_JOB, grown(full.resident)),
        (Measure::PEAK_BYTES_PER_JOB, grown(full.peak)),
    ]))
}

/// Arrives when it is dropped, also by a panic.
struct Arrival(&'static Latch);

impl Drop for Arrival {
    fn drop(&mut self) {
        self.0.arrive();
    }
}

/// Jobs that all panic. The hook prints nothing meanwhile, since printing is not measured.
pub(super) fn panics<C: Contestant>(contestant: &C, size: usize) -> Measures {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let latch = Latch::leaked(size);
    let meter = Meter::start();
    for number in 0..size {
        let arrival = Arrival(latch);
        contestant.execute(move || {
            let _arrival = arrival;
            panic!("job {number}");
        });
    }
    latch.wait();
    let spent = meter.stop();
    panic::set_hook(hook);
    spent.per_job(size)
}

/// The CPU time of the process in `millis` idle milliseconds, some time after the last job.
pub(super) fn idle<C: Contestant>(contestant: &C, millis: usize) -> Result<Measures> {
    let latch = Latch::leaked(ACTIVITY);
    for _ in 0..ACTIVITY {
        contestant.execute(|| latch.arrive());
    }
    latch.wait();
    idleness(millis)
}

/// The CPU time of the process in this many milliseconds, some time from now.
pub(super) fn idleness(millis: usize) -> Result<Measures> {
    thread::sleep(TO_REST);
    let before = system::cpu_time()?;
    let start = Instant::now();
    thread::sleep(Duration::from_millis(u64::try_from(millis)?));
    let used = system::cpu_time()?.saturating_sub(before);
    let for_a_second = nanos(used) / start.elapsed().as_secs_f64();
    Ok(measures([(Measure::CPU_PER_SECOND, for_a_second)]))
}

/// Ends a pool whose queue is full and whose workers have just been released.
pub(super) fn shutdown<C: Stop>(contestant: C, size: usize, workers: usize) -> Measures {
    let gate = Gate::hold(&contestant, workers);
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..size {
        let ran = Arc::clone(&ran);
        contestant.execute(move || {
            ran.fetch_add(1, Ordering::Relaxed);
        });
    }
    gate.open();
    let meter = Meter::start();
    contestant.stop();
    let spent = meter.stop();
    let ran = Arc::into_inner(ran).expect("the jobs that did not run were dropped");
    let figures = [
        (Measure::TIME_TO_STOP, nanos(spent.time)),
        (Measure::SHARE_RUN, float(ran.into_inner()) / float(size)),
    ];
    spent.with(figures, size)
}
