//! Models of jobs that end in the queue: whether each place comes free once.

use std::mem::MaybeUninit;

use loom::sync::Arc;
use loom::thread;

use super::model;
use crate::job::id::JobId;
use crate::queue::segments::Segments;
use crate::task::{Task, TaskRef};
use crate::testing::endable::Endable;

fn push(queue: &Segments, job: &Endable) -> bool {
    let (mut place, task) = (MaybeUninit::uninit(), job.task());
    queue.push(TaskRef::new(&mut place, task), || ()).is_ok()
}

/// Takes a task and starts its job. `None`: there was no task, or its job was over.
fn pop(queue: &Segments) -> Option<JobId> {
    let task = Task::popped_by(|place| queue.pop(place))?;
    let job = task.into_payload::<Endable>();
    let job = job.unwrap_or_else(|_| unreachable!("all are of this kind"));
    job.start().then(|| job.id())
}

/// Ends a job as a canceller does, unless it has started.
fn end(queue: &Segments, job: &Endable) -> bool {
    let is_ended = job.start();
    if is_ended {
        queue.release(&job.entry(), &mut Vec::new());
    }
    is_ended
}

/// Checks that as many jobs can be pushed as there are places free, where `living` are queued.
fn check_places(queue: &Segments, capacity: usize, living: usize) {
    assert!(living <= capacity, "{living} jobs are queued");
    let more: Vec<Endable> = (0..=capacity).map(|_| Endable::new()).collect();
    let got_in = more.iter().take_while(|job| push(queue, job)).count();
    assert_eq!(
        got_in,
        capacity - living,
        "next to {living} that are queued"
    );
}

/// Three jobs wait in segments of two slots, and one of them is ended while another thread pops and
/// a third pushes.
#[test]
fn a_place_comes_free_once() {
    for ended in [0, 1, 2] {
        model(move || {
            let queue = Arc::new(Segments::in_segments_of(2, 3));
            let jobs = [(); 3].map(|()| Endable::new());
            assert!(jobs.iter().all(|job| push(&queue, job)));
            let canceller = {
                let (queue, job) = (Arc::clone(&queue), jobs[ended].clone());
                thread::spawn(move || usize::from(end(&queue, &job)))
            };
            let dequeuer = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || usize::from(pop(&queue).is_some()))
            };
            let pushed = usize::from(push(&queue, &Endable::new()));
            let over = canceller.join().unwrap() + dequeuer.join().unwrap();
            check_places(&queue, 3, 3 + pushed - over);
        });
    }
}

/// A dequeuer that goes on to the next segment takes the guard there.
#[test]
fn a_guard_goes_on_with_the_front() {
    model(|| {
        let queue = Arc::new(Segments::in_segments_of(1, 2));
        let jobs = [(); 2].map(|()| Endable::new());
        assert!(jobs.iter().all(|job| push(&queue, job)));
        let canceller = {
            let (queue, job) = (Arc::clone(&queue), jobs[1].clone());
            thread::spawn(move || usize::from(end(&queue, &job)))
        };
        let popped = usize::from(pop(&queue).is_some()) + usize::from(pop(&queue).is_some());
        let over = canceller.join().unwrap() + popped;
        // The next one finds no other that is still held for dead.
        let next = Endable::new();
        assert!(push(&queue, &next) && end(&queue, &next));
        check_places(&queue, 2, 2 - over);
    });
}

/// A job that ends while it is pushed has no place afterwards: the pusher or the canceller frees
/// it, and one of them alone.
#[test]
fn a_job_that_ends_while_it_is_pushed_keeps_no_place() {
    model(|| {
        let queue = Arc::new(Segments::in_segments_of(2, 1));
        let job = Endable::new();
        let canceller = {
            let (queue, job) = (Arc::clone(&queue), job.clone());
            thread::spawn(move || assert!(end(&queue, &job)))
        };
        assert!(push(&queue, &job));
        canceller.join().unwrap();
        check_places(&queue, 1, 0);
    });
}

/// A queue of four jobs in which the second has ended: once the third has, there is a compaction.
fn before_a_compaction(slots: usize) -> (Arc<Segments>, [Endable; 4]) {
    let queue = Arc::new(Segments::in_segments_of(slots, 4));
    let jobs = [(); 4].map(|()| Endable::new());
    assert!(jobs.iter().all(|job| push(&queue, job)));
    assert!(end(&queue, &jobs[1]));
    (queue, jobs)
}

/// A compaction loses no task, keeps their order, and hides none from a look at whether there is
/// one.
#[test]
fn a_compaction_is_seen_by_nobody() {
    for slots in [2, 4] {
        model(move || {
            let (queue, jobs) = before_a_compaction(slots);
            let canceller = {
                let (queue, job) = (Arc::clone(&queue), jobs[2].clone());
                thread::spawn(move || assert!(end(&queue, &job)))
            };
            let watcher = {
                let queue = Arc::clone(&queue);
                thread::spawn(move || assert!(!queue.is_empty(), "the last waits throughout"))
            };
            assert_eq!(pop(&queue), Some(jobs[0].id()), "first in, first out");
            canceller.join().unwrap();
            watcher.join().unwrap();
            check_places(&queue, 4, 1);
            assert_eq!(pop(&queue), Some(jobs[3].id()), "first in, first out");
        });
    }
}

/// A job that a compaction moves frees its place where it is then, and is pushed behind meanwhile.
#[test]
fn a_job_that_is_moved_frees_its_place() {
    for slots in [2, 4] {
        model(move || {
            let (queue, jobs) = before_a_compaction(slots);
            let cancellers = [0, 2].map(|ended| {
                let (queue, job) = (Arc::clone(&queue), jobs[ended].clone());
                thread::spawn(move || assert!(end(&queue, &job)))
            });
            let newest = Endable::new();
            assert!(push(&queue, &newest), "the second has left its place");
            for canceller in cancellers {
                canceller.join().unwrap();
            }
            assert_eq!(pop(&queue), Some(jobs[3].id()), "first in, first out");
            check_places(&queue, 4, 1);
            assert_eq!(pop(&queue), Some(newest.id()), "first in, first out");
        });
    }
}

/// A canceller that comes after the pusher and a compaction, both of which found its job over,
/// takes no other entry for that of its job.
#[test]
fn a_late_canceller_ends_no_other_job() {
    model(|| {
        let queue = Arc::new(Segments::in_segments_of(4, 4));
        let [living, other, ended] = [(); 3].map(|()| Endable::new());
        assert!(push(&queue, &living) && push(&queue, &other));
        let canceller = {
            let (queue, job) = (Arc::clone(&queue), ended.clone());
            thread::spawn(move || assert!(end(&queue, &job)))
        };
        assert!(push(&queue, &ended) && end(&queue, &other));
        canceller.join().unwrap();
        check_places(&queue, 4, 1);
        assert_eq!(pop(&queue), Some(living.id()), "it still waits");
    });
}

/// A held place is freed once: by the one that takes the task out, by the one that ends the job, or
/// by the pusher that finds it over.
#[test]
fn a_held_place_is_freed_once() {
    model(|| {
        let job = Endable::new();
        let canceller = {
            let job = job.clone();
            thread::spawn(move || {
                let entry = job.entry();
                usize::from(job.start() && entry.find() && entry.take_held())
            })
        };
        let task = job.task();
        let by_pusher = usize::from(task.queued_job().is_some_and(|job| job.hold()));
        let dequeuer = thread::spawn(move || usize::from(task.take_place()));
        let freed = by_pusher + canceller.join().unwrap() + dequeuer.join().unwrap();
        assert_eq!(freed, 1, "one place was taken");
    });
}
