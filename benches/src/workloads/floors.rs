//! What the machine charges for the bare steps that every pool is made of.

use std::hint::{black_box, spin_loop};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use crossbeam_deque::Worker;

use super::spin::spin;
use super::states::idleness;
use crate::measure::{measures, per_job};
use crate::sample::Measures;

/// The size of a job that is boxed.
type Boxed = [usize; 4];

/// One cache line, passed back and forth by two threads that watch it.
pub(super) fn cache_line(size: usize) -> Measures {
    let turn = AtomicUsize::new(0);
    // ORDERING: each store releases the turn to the other's acquiring load; that hand-over is what
    // is measured.
    let play = |player: usize| {
        for round in 0..size.div_ceil(2) {
            while turn.load(Ordering::Acquire) != 2 * round + player {
                spin_loop();
            }
            turn.store(2 * round + player + 1, Ordering::Release);
        }
    };
    both(size, || play(0), || play(1))
}

/// A parked thread is woken, and wakes the one that woke it. A round trip is two wakes; the figure
/// is one.
pub(super) fn wake(size: usize) -> Measures {
    let ball = AtomicUsize::new(0);
    let (ball, caller, rounds) = (&ball, thread::current(), size.div_ceil(2));
    // ORDERING: as above; the token of `unpark` closes the gap between load and park.
    let until = |turn: usize| {
        while ball.load(Ordering::Acquire) != turn {
            thread::park();
        }
    };
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            for round in 0..rounds {
                until(2 * round + 1);
                ball.store(2 * round + 2, Ordering::Release);
                caller.unpark();
            }
        });
        let start = Instant::now();
        for round in 0..rounds {
            until(2 * round);
            ball.store(2 * round + 1, Ordering::Release);
            other.thread().unpark();
        }
        until(2 * rounds);
        measures([per_job(start.elapsed(), 2 * rounds)])
    })
}

/// Boxes allocated here and freed on another thread.
pub(super) fn free_elsewhere(size: usize) -> Measures {
    /// Boxes that cross at once: they share the cost of crossing, so mostly the cost of freeing is
    /// left.
    const BATCH: usize = 1024;
    let (send, batches) = mpsc::sync_channel::<Vec<Box<Boxed>>>(4);
    thread::scope(|scope| {
        let other = scope.spawn(move || batches.into_iter().for_each(drop));
        let start = Instant::now();
        let mut left = size;
        while left > 0 {
            let count = left.min(BATCH);
            let batch = (0..count).map(|number| Box::new(black_box([number; 4])));
            send.send(batch.collect())
                .expect("the other thread receives");
            left -= count;
        }
        drop(send);
        other.join().expect("freeing does not panic");
        measures([per_job(start.elapsed(), size)])
    })
}

/// Cells written here, written by another thread, and then read and freed here, many to an
/// allocation: the minimum for a job with a result. All have gone before the first comes back, so
/// their memory is new to both threads.
pub(super) fn result(size: usize) -> Measures {
    /// See `free_elsewhere`.
    const BATCH: usize = 1024;
    type Cell = [usize; 7];
    let (submit, submitted) = mpsc::channel::<Vec<Cell>>();
    let (end, ended) = mpsc::channel();
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            for mut batch in submitted {
                batch.iter_mut().for_each(|cell| cell[0] += 1);
                end.send(batch).expect("the other thread receives");
            }
        });
        let start = Instant::now();
        let mut left = size;
        while left > 0 {
            let count = left.min(BATCH);
            let batch = (0..count).map(|number| black_box([number; 7]));
            submit
                .send(batch.collect())
                .expect("the other thread receives");
            left -= count;
        }
        drop(submit);
        let sum: usize = ended.into_iter().flatten().map(|cell| cell[0]).sum();
        black_box(sum);
        other.join().expect("an addition does not panic");
        measures([per_job(start.elapsed(), size)])
    })
}

/// Jobs of a given length, divided beforehand between two undisturbed threads. The figure is for
/// one of the jobs of both.
pub(super) fn jobs(size: usize, length: Duration) -> Measures {
    let work = || (0..size.div_ceil(2)).for_each(|_| spin(length));
    both(size, work, work)
}

/// Two threads, each with its own deque, through which a binary tree passes. A node is two words,
/// as a boxed task is. The figure is for one of the nodes of both.
pub(super) fn deque(size: usize) -> Measures {
    /// Its level, from the leaves up.
    type Node = [u32; 4];
    let levels = (size / 2).next_power_of_two().ilog2().max(1);
    let work = || {
        let deque = Worker::<Node>::new_lifo();
        deque.push([levels - 1; 4]);
        while let Some([level, ..]) = deque.pop().map(black_box) {
            if let Some(below) = level.checked_sub(1) {
                deque.push([below; 4]);
                deque.push([below; 4]);
            }
        }
    };
    both(2 << levels, work, work)
}

/// Lines of memory, written in order for the first time, when the system maps each page, zeroed.
pub(super) fn new_memory(size: usize) -> Measures {
    type Line = [usize; 8];
    let start = Instant::now();
    let mut lines: Vec<Line> = Vec::with_capacity(size);
    lines.extend((0..size).map(|number| black_box([number; 8])));
    let took = start.elapsed();
    black_box(lines);
    measures([per_job(took, size)])
}

/// Two threads that stay parked, and one that sleeps and measures: what a process without a pool
/// uses.
pub(super) fn idle(millis: usize) -> Result<Measures> {
    let is_over = AtomicBool::new(false);
    // ORDERING: it carries nothing except the end.
    let rest = || {
        while !is_over.load(Ordering::Relaxed) {
            thread::park();
        }
    };
    thread::scope(|scope| {
        let resting = [scope.spawn(rest), scope.spawn(rest)];
        let measures = idleness(millis);
        // ORDERING: Relaxed, see `rest`; the token of `unpark` orders it before the look.
        is_over.store(true, Ordering::Relaxed);
        resting.iter().for_each(|thread| thread.thread().unpark());
        measures
    })
}

/// A read-modify-write on a line that no other core has.
pub(super) fn read_modify_write(size: usize) -> Measures {
    let count = AtomicUsize::new(0);
    let start = Instant::now();
    // ORDERING: the one that pools use; here nothing depends on it.
    for _ in 0..size {
        black_box(&count).fetch_add(1, Ordering::AcqRel);
    }
    measures([per_job(start.elapsed(), size)])
}

/// The same, on a line that another thread writes to as fast as it can. The figure is for one of
/// the writes of both.
pub(super) fn contended_read_modify_write(size: usize) -> Measures {
    let count = AtomicUsize::new(0);
    // ORDERING: the one that pools use; here nothing depends on it.
    let add = || {
        for _ in 0..size.div_ceil(2) {
            black_box(&count).fetch_add(1, Ordering::AcqRel);
        }
    };
    both(size, add, add)
}

/// The wall time of two threads that begin together, for each of `size` steps.
fn both(size: usize, here: impl FnOnce(), there: impl FnOnce() + Send) -> Measures {
    let ready = Barrier::new(2);
    // Not parked in the barrier at the start: the thread woken last would begin late.
    let begin = AtomicBool::new(false);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            ready.wait();
            // ORDERING: pairs with the release below: the other begins after the clock was read.
            while !begin.load(Ordering::Acquire) {
                spin_loop();
            }
            there();
        });
        ready.wait();
        let start = Instant::now();
        begin.store(true, Ordering::Release);
        here();
        other.join().expect("a floor does not panic");
        measures([per_job(start.elapsed(), size)])
    })
}
