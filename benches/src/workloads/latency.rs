//! How long one job takes: round trips and bursts on a pool that is awake, or asleep.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use crate::contestant::Contestant;
use crate::latch::Latch;
use crate::measure::{Measure, Times, per_job};
use crate::meter::Meter;
use crate::sample::Measures;

/// Idle time before a cold round trip: long enough for the workers of every contestant to fall
/// asleep.
const COLD: Duration = Duration::from_millis(1);

/// Jobs of a burst.
const BURST: usize = 16;
/// Idle time between two bursts.
const LULL: Duration = Duration::from_micros(200);

/// Submits one job and waits for its value, `size` times.
pub(super) fn round_trip<C: Contestant>(contestant: &C, size: usize) -> Measures {
    let trips = (0..size).map(|number| one_trip(contestant, number));
    timed(trips, size)
}

/// The same on a pool that sleeps. The caller sleeps too meanwhile, so no core is in use.
pub(super) fn cold_round_trip<C: Contestant>(contestant: &C, size: usize) -> Measures {
    let trips = (0..size).map(|number| {
        thread::sleep(COLD);
        one_trip(contestant, number)
    });
    timed(trips, size)
}

fn one_trip<C: Contestant>(contestant: &C, number: usize) -> Duration {
    let start = Instant::now();
    let wait = contestant.submit(move || black_box(number));
    let value = wait();
    let took = start.elapsed();
    assert_eq!(value, number, "the job gives its own value");
    took
}

/// Small bursts of empty jobs with idle time between them; the times are those of whole bursts.
pub(super) fn bursts<C: Contestant>(contestant: &C, size: usize) -> Measures {
    let bursts = size.div_ceil(BURST);
    let times = (0..bursts).map(|_| {
        thread::sleep(LULL);
        let latch = Latch::leaked(BURST);
        let start = Instant::now();
        for _ in 0..BURST {
            contestant.execute(|| latch.arrive());
        }
        latch.wait();
        start.elapsed()
    });
    timed(times, bursts * BURST)
}

/// The times that an iterator takes and gives. What they cost includes the idle times, in which
/// only a pool that does not sleep costs anything.
fn timed(times: impl Iterator<Item = Duration>, jobs: usize) -> Measures {
    let meter = Meter::start();
    let times = Times::of(times.collect());
    let spent = meter.stop();
    let figures = [
        (Measure::MEDIAN, times.permille(500)),
        (Measure::P99, times.permille(990)),
        per_job(times.sum(), jobs),
    ];
    spent.with(figures, jobs)
}
