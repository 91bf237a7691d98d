//! Jobs that end in the queue: their places come free at once, whatever the order of events, and
//! the others come out as if they had never been there.

use std::collections::VecDeque;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;

use super::MIN_TO_COMPACT;
use crate::job::id::JobId;
use crate::queue::segments::{STEP, Segments};
use crate::sys::sync::{LockExt, Ordering};
use crate::task::{Task, TaskRef};
use crate::testing::endable::Endable;

fn push(queue: &Segments, job: &Endable) -> bool {
    let task = job.task();
    queue
        .push(TaskRef::new(&mut MaybeUninit::uninit(), task), || ())
        .is_ok()
}

fn pop(queue: &Segments) -> Option<JobId> {
    Some(Task::popped_by(|place| queue.pop(place))?.id())
}

/// Ends a job, and returns whether a place came free by that.
fn end(queue: &Segments, job: &Endable) -> bool {
    job.start() && queue.release(&job.entry(), &mut Vec::new())
}

/// How many entries the queue holds, dead ones included.
fn entries(queue: &Segments) -> usize {
    let _locked = queue.locked.lock_unpoisoned();
    // SAFETY: segments live as long as the queue.
    let back = unsafe { &*queue.back.segment.load(Ordering::Relaxed) };
    let head = queue.front_under_lock().head() & !super::GUARDED;
    back.tail().wrapping_sub(head) / STEP
}

/// Draws numbers that look random.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound
    }
}

/// Pushes, pops and ends in random turns, next to a list that does the same. Some jobs end on their
/// way in, and the thread that ended them comes late.
fn random_turns(slots: usize, capacity: usize, seed: u64) {
    let queue = Segments::in_segments_of(slots, capacity);
    let mut draws = Draws(seed);
    let mut living: VecDeque<Endable> = VecDeque::new();
    let mut late = Vec::new();
    let mut popped = Endable::new();
    for _ in 0..2_000 {
        match draws.below(10) {
            0 => {
                let job = Endable::new();
                assert!(job.start());
                assert_eq!(push(&queue, &job), living.len() < capacity, "{living:?}");
                late.push(job);
            }
            1 if !late.is_empty() => {
                let ended = late.swap_remove(draws.below(late.len()));
                let is_freed = queue.release(&ended.entry(), &mut Vec::new());
                assert!(!is_freed, "its pusher has freed the place");
            }
            1..6 => {
                let job = Endable::new();
                assert_eq!(push(&queue, &job), living.len() < capacity, "{living:?}");
                if living.len() < capacity {
                    living.push_back(job);
                }
            }
            6 => {
                let oldest = living.pop_front();
                assert_eq!(pop(&queue), oldest.as_ref().map(Endable::id));
                popped = oldest.unwrap_or(popped);
            }
            7..9 if !living.is_empty() => {
                let ended = living.remove(draws.below(living.len()));
                assert!(end(&queue, &ended.expect("it is one of them")));
            }
            _ => assert!(!end(&queue, &popped), "a popped job has no place"),
        }
        let most = 2 * living.len() + MIN_TO_COMPACT + 1;
        assert!(entries(&queue) <= most, "{} entries", entries(&queue));
        assert!(living.is_empty() || !queue.is_empty());
    }
    let rest: Vec<_> = std::iter::from_fn(|| pop(&queue)).collect();
    assert!(
        rest.iter()
            .eq(living.iter().map(Endable::id).collect::<Vec<_>>().iter())
    );
    assert!(queue.is_empty() && queue.locked.lock_unpoisoned().dead.is_empty());
}

#[test]
fn a_job_that_ends_frees_its_place_and_the_others_keep_their_order() {
    for slots in [1, 2, 8, 64] {
        for capacity in [1, 2, 3, 20, 200] {
            for seed in 0..4 {
                random_turns(slots, capacity, seed);
            }
        }
    }
}

#[test]
fn jobs_that_end_behind_one_that_waits_take_no_memory() {
    let queue = Segments::new(2);
    let first = Endable::new();
    assert!(push(&queue, &first));
    for _ in 0..100_000 {
        let job = Endable::new();
        assert!(push(&queue, &job));
        assert!(end(&queue, &job));
    }
    assert!(entries(&queue) <= MIN_TO_COMPACT + 2);
    assert_eq!(pop(&queue), Some(first.id()));
    assert_eq!(pop(&queue), None);
}

#[test]
fn a_million_jobs_that_end_last_to_first_are_over_in_time() {
    const JOBS: usize = if cfg!(miri) { 500 } else { 1_000_000 };
    let queue = Segments::new(usize::MAX);
    let jobs: Vec<Endable> = (0..JOBS).map(|_| Endable::new()).collect();
    jobs.iter().for_each(|job| assert!(push(&queue, job)));
    jobs.iter().rev().for_each(|job| assert!(end(&queue, job)));
    assert!(entries(&queue) <= MIN_TO_COMPACT);
    assert_eq!(pop(&queue), None);
}

/// Each job is popped or ended, not both, and each place is free again afterwards: with threads
/// that push, pop and end at once.
#[test]
fn threads_lose_and_double_no_place() {
    const EACH: usize = if cfg!(miri) { 50 } else { 5_000 };
    for (slots, capacity) in [(1, 1), (2, 3), (8, 64)] {
        let queue = Segments::in_segments_of(slots, capacity);
        let (over, started) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (jobs, to_end) = std::sync::mpsc::sync_channel::<Endable>(4);
        thread::scope(|scope| {
            let ends = |job: Endable| {
                if job.start() {
                    queue.release(&job.entry(), &mut Vec::new());
                    over.fetch_add(1, Relaxed);
                }
            };
            scope.spawn(move || to_end.into_iter().for_each(ends));
            for _ in 0..2 {
                let jobs = jobs.clone();
                let queue = &queue;
                scope.spawn(move || {
                    for number in 0..EACH {
                        let job = Endable::new();
                        if number % 2 == 0 {
                            // It may end before the push, in it, or later.
                            jobs.send(job.clone()).expect("the other end is there");
                        }
                        while !push(queue, &job) {
                            thread::yield_now();
                        }
                        if number % 4 == 1 {
                            jobs.send(job).expect("the other end is there");
                        }
                    }
                });
            }
            drop(jobs);
            scope.spawn(|| {
                while over.load(Relaxed) + started.load(Relaxed) < 2 * EACH {
                    match Task::popped_by(|place| queue.pop(place)) {
                        Some(task) => {
                            let job = task.into_payload::<Endable>();
                            let job = job.expect("all are of this kind");
                            started.fetch_add(usize::from(job.start()), Relaxed);
                        }
                        None => thread::yield_now(),
                    }
                }
            });
        });
        assert!(pop(&queue).is_none(), "all are over");
        let jobs = [(); 65].map(|()| Endable::new());
        let got_in = jobs.iter().take_while(|job| push(&queue, job)).count();
        assert_eq!(got_in, capacity, "all places are free");
    }
}
