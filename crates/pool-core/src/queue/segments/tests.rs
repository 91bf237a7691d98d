//! Segments that are short, that are used again, and whose positions come to the end of the
//! numbers; and what a queue of any bound takes of memory.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::spares::{BATCH, MAX_WARM};
use super::{SLOTS, STEP, Segments};
use crate::job::context::JobContext;
use crate::job::id::JobId;
use crate::sys::sync::{LockExt, Ordering};
use crate::task::fire_and_forget;
use crate::task::{Task, TaskRef};

impl Segments {
    /// Makes `position` the next one, of an empty queue with one segment.
    fn go_on_at(&self, position: usize) {
        // SAFETY: segments live as long as the queue.
        let segment = unsafe { &*self.front.load(Ordering::Relaxed) };
        segment.mark_for(position);
        segment.open(position);
        let limit = position.wrapping_add(self.reach);
        self.back.limit.store(limit, Ordering::Relaxed);
    }
}

fn task() -> Task {
    fire_and_forget::task(|_: &JobContext<'_>| Ok::<_, Infallible>(())).1
}

fn push(queue: &Segments, task: Task) -> Result<(), Task> {
    queue.push(TaskRef::new(&mut MaybeUninit::uninit(), task), || ())
}

fn pop(queue: &Segments) -> Option<JobId> {
    Some(Task::popped_by(|place| queue.pop(place))?.id())
}

fn pop_many(queue: &Segments, at_most: usize) -> Vec<JobId> {
    let mut tasks = Vec::new();
    queue.pop_many(at_most, &mut tasks);
    assert!(tasks.len() <= at_most);
    tasks.iter().map(Task::id).collect()
}

/// Pushes and pops so that `depths` are reached one after the other, and checks order and bound.
fn go_through(queue: &Segments, capacity: usize, depths: impl IntoIterator<Item = usize>) {
    let mut expected = VecDeque::new();
    for depth in depths {
        while expected.len() < depth {
            let task = task();
            expected.push_back(task.id());
            assert!(push(queue, task).is_ok(), "there is room");
            assert!(!queue.is_empty());
            assert_eq!(queue.about_len(), expected.len());
        }
        if depth == capacity {
            assert!(push(queue, task()).is_err(), "all places are taken");
        }
        while expected.len() > depth {
            assert_eq!(pop(queue), expected.pop_front(), "first in, first out");
            assert_eq!(queue.about_len(), expected.len());
        }
    }
    let take = || pop_many(queue, 3);
    let runs = std::iter::repeat_with(take).take_while(|run| !run.is_empty());
    assert!(runs.flatten().eq(expected), "first in, first out");
    assert!(queue.is_empty());
}

#[test]
fn segments_of_any_length_keep_order_and_bound() {
    for slots in [1, 2, 8] {
        for capacity in [1, 2, 3, 7, 20] {
            for start in [0_usize, 0_usize.wrapping_sub(STEP * 20)] {
                let queue = Segments::in_segments_of(slots, capacity);
                queue.go_on_at(start);
                let up_and_down = (0..=capacity).chain((0..capacity).rev());
                go_through(&queue, capacity, up_and_down.cycle().take(100));
                let tail = queue.back.limit.load(Ordering::Relaxed);
                assert!(tail < usize::MAX / 2, "the positions have wrapped");
            }
        }
    }
}

#[test]
fn a_short_queue_stays_in_one_segment_whatever_the_bound() {
    for capacity in [100, 1024, 1 << 20, usize::MAX] {
        let queue = Segments::new(capacity);
        go_through(&queue, capacity, (0..40_000).map(|step| [100, 0][step % 2]));
        let spares = &queue.locked.lock_unpoisoned().spares;
        assert_eq!((spares.linked, spares.warm.len()), (1, 0), "{capacity}");
    }
}

#[test]
fn segments_are_used_again_and_given_back_after_a_burst() {
    const SEGMENTS: usize = 100;
    let queue = Segments::new(usize::MAX);
    let mut made = 0;
    for _ in 0..3 {
        go_through(&queue, usize::MAX, [SEGMENTS * SLOTS, 0]);
        let spares = &queue.locked.lock_unpoisoned().spares;
        assert_eq!(spares.linked, 1);
        assert_eq!(spares.warm.len(), MAX_WARM + 1, "these keep their pages");
        let all = spares.warm.len() + spares.cold.len();
        assert!(made == 0 || all == made, "{made} segments became {all}");
        made = all;
    }
}

#[test]
fn a_long_queue_keeps_few_warm_segments_more_than_are_linked() {
    const SEGMENTS: usize = if cfg!(miri) { 50 } else { 200 };
    let queue = Segments::new(usize::MAX);
    for _ in 0..SEGMENTS * SLOTS {
        assert!(push(&queue, task()).is_ok());
    }
    let mut most_linked = SEGMENTS;
    while pop(&queue).is_some() {
        let spares = &queue.locked.lock_unpoisoned().spares;
        assert!(spares.linked <= most_linked && spares.warm.len() + spares.linked > MAX_WARM);
        assert!(spares.warm.len() < MAX_WARM + spares.linked + BATCH);
        most_linked = spares.linked;
    }
    assert_eq!(most_linked, 1);
}

/// Each task comes out once, and those of one thread in their order, while short segments are
/// linked, taken out and used again under way.
#[test]
fn threads_lose_and_double_nothing_over_short_segments() {
    const EACH: usize = if cfg!(miri) { 50 } else { 5_000 };
    for (slots, capacity) in [(1, 1), (2, 3), (4, 64), (8, usize::MAX)] {
        let queue = Segments::in_segments_of(slots, capacity);
        let (queued, left) = (AtomicUsize::new(0), AtomicUsize::new(2 * EACH));
        let mut popped: Vec<(u64, u64)> = thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    for _ in 0..EACH {
                        let mut task = task();
                        // Counted before it can be popped, and not above the bound.
                        while let Err(refused) = push(&queue, task) {
                            task = refused;
                            thread::yield_now();
                        }
                        queued.fetch_add(1, Relaxed);
                    }
                });
            }
            let pop_all = |pop: fn(&Segments) -> Vec<JobId>| {
                let mut ids = Vec::new();
                while left.load(Relaxed) > 0 {
                    let popped = pop(&queue);
                    if popped.is_empty() {
                        thread::yield_now();
                    }
                    left.fetch_sub(popped.len(), Relaxed);
                    ids.extend(popped);
                }
                ids
            };
            let one = |queue: &Segments| Vec::from_iter(pop(queue));
            let many = |queue: &Segments| pop_many(queue, 5);
            let dequeuers = [one, many].map(|pop| scope.spawn(move || pop_all(pop)));
            let popped = dequeuers.into_iter().flat_map(|thread| thread.join());
            popped.flatten().map(|id| (id.as_u64(), 1)).collect()
        });
        popped.sort_unstable();
        popped.dedup();
        assert_eq!(popped.len(), 2 * EACH, "each once");
        assert!(queue.is_empty());
    }
}
