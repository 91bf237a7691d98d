//! How many jobs go through: the wall time of many, divided by their number.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use crate::contestant::Contestant;
use crate::latch::Latch;
use crate::measure::Measure;
use crate::sample::Measures;

pub(super) fn empty<C: Contestant>(contestant: &C, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        for _ in 0..size {
            contestant.execute(|| latch.arrive());
        }
        latch.wait();
    })
}

pub(super) fn results<C: Contestant>(contestant: &C, size: usize) -> Measures {
    timed(size, || {
        let waits: Vec<_> = (0..size)
            .map(|number| contestant.submit(move || black_box(number)))
            .collect();
        let sum: usize = waits.into_iter().map(|wait| wait()).sum();
        assert_eq!(sum, (0..size).sum(), "each job gives its own value");
    })
}

pub(super) fn round_trip<C: Contestant>(contestant: &C, size: usize) -> Measures {
    timed(size, || {
        for number in 0..size {
            let wait = contestant.submit(move || black_box(number));
            assert_eq!(wait(), number, "the job gives its own value");
        }
    })
}

pub(super) fn spawn_inside<C: Contestant>(contestant: &Arc<C>, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        grow(Arc::clone(contestant), latch, size);
        latch.wait();
    })
}

/// Executes the root of a tree of `size` jobs, which executes its subtrees.
fn grow<C: Contestant>(contestant: Arc<C>, latch: &'static Latch, size: usize) {
    if size == 0 {
        return;
    }
    let left = (size - 1) / 2;
    let right = size - 1 - left;
    let inside = Arc::clone(&contestant);
    contestant.execute(move || {
        grow(Arc::clone(&inside), latch, left);
        // The job's own pointer goes before its arrival: after the last arrival the measuring thread holds the only one.
        grow(inside, latch, right);
        latch.arrive();
    });
}

/// The wall time of `work`, for each of `size` jobs.
#[expect(
    clippy::cast_precision_loss,
    reason = "a figure for people; 53 bits of it are enough"
)]
fn timed(size: usize, work: impl FnOnce()) -> Measures {
    let start = Instant::now();
    work();
    let took = start.elapsed();
    Measures::from([(
        Measure::TIME_PER_JOB.name.to_owned(),
        took.as_nanos() as f64 / size as f64,
    )])
}
