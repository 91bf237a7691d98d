//! Throughput: the wall time of many jobs, divided by their number.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::Duration;

use super::spin::spin;
use crate::contestant::Contestant;
use crate::latch::{Gate, Latch};
use crate::meter::Meter;
use crate::sample::Measures;

/// Threads that submit at once.
const OUTSIDERS: usize = 4;

pub(super) fn empty<C: Contestant>(contestant: &C, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        for _ in 0..size {
            contestant.execute(|| latch.arrive());
        }
        latch.wait();
    })
}

pub(super) fn empty_from_four<C: Contestant>(contestant: &C, size: usize) -> Measures {
    let latch = Latch::leaked(size);
    let ready = Barrier::new(OUTSIDERS + 1);
    thread::scope(|scope| {
        for outsider in 0..OUTSIDERS {
            let ready = &ready;
            let share = size / OUTSIDERS + usize::from(outsider < size % OUTSIDERS);
            scope.spawn(move || {
                ready.wait();
                for _ in 0..share {
                    contestant.execute(|| latch.arrive());
                }
            });
        }
        ready.wait();
        timed(size, || latch.wait())
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

pub(super) fn spawn_inside<C: Contestant>(contestant: &'static C, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        grow(contestant, latch, size);
        latch.wait();
    })
}

/// Executes the root of a tree of `size` jobs, which executes its subtrees.
fn grow<C: Contestant>(contestant: &'static C, latch: &'static Latch, size: usize) {
    if size == 0 {
        return;
    }
    let left = (size - 1) / 2;
    let right = size - 1 - left;
    contestant.execute(move || {
        grow(contestant, latch, left);
        grow(contestant, latch, right);
        latch.arrive();
    });
}

pub(super) fn chain<C: Contestant>(contestant: &'static C, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        link(contestant, latch, size);
        latch.wait();
    })
}

/// Executes a job that executes the next, `left` in all.
fn link<C: Contestant>(contestant: &'static C, latch: &'static Latch, left: usize) {
    if left == 0 {
        return;
    }
    contestant.execute(move || {
        link(contestant, latch, left - 1);
        latch.arrive();
    });
}

/// Jobs that take `length` each.
pub(super) fn busy<C: Contestant>(contestant: &C, size: usize, length: Duration) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        for _ in 0..size {
            contestant.execute(move || {
                spin(length);
                latch.arrive();
            });
        }
        latch.wait();
    })
}

/// Jobs that block their thread without using it.
pub(super) fn blocking<C: Contestant>(contestant: &C, size: usize) -> Measures {
    timed(size, || {
        let latch = Latch::leaked(size);
        for _ in 0..size {
            contestant.execute(|| {
                thread::sleep(Duration::from_millis(1));
                latch.arrive();
            });
        }
        latch.wait();
    })
}

/// Fills a queue whose workers are held, releases them, and waits until it is empty.
pub(super) fn queued<C: Contestant>(contestant: &C, size: usize, workers: usize) -> Measures {
    let gate = Gate::hold(contestant, workers);
    timed(size, || {
        let latch = Latch::leaked(size);
        for _ in 0..size {
            contestant.execute(|| latch.arrive());
        }
        gate.open();
        latch.wait();
    })
}

/// The time and the costs of `work`, for each of `size` jobs.
fn timed(size: usize, work: impl FnOnce()) -> Measures {
    let meter = Meter::start();
    work();
    meter.stop().per_job(size)
}
