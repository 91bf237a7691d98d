//! Models of the queue and of its permits.

use std::mem::MaybeUninit;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::model;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::permits::Permits;
use crate::queue::segments::Segments;
use crate::task::{GivenUp, GivenUpAs, Payload, Task, TaskRef};
use crate::worker::Worker;

/// A payload that reports its number once.
struct Numbered(usize, Arc<AtomicUsize>);

impl Payload for Numbered {
    fn run(self, _id: JobId, _worker: &Worker) {}

    fn abandon(self) {
        self.1.fetch_add(self.0, Relaxed);
    }

    fn give_up(self, _id: JobId, _life: &Lifecycle, _ends: GivenUpAs) -> GivenUp {
        GivenUp::TakenElsewhere
    }

    fn name(&self) -> Option<&str> {
        None
    }
}

fn push(queue: &Segments, task: Task) -> Result<(), Task> {
    queue.push(TaskRef::new(&mut MaybeUninit::uninit(), task), || ())
}

fn pop(queue: &Segments) -> Option<Task> {
    Task::popped_by(|place| queue.pop(place))
}

/// A queue, and the numbers of the tasks that came out of it, in a sum.
struct Counted {
    queue: Segments,
    sum: Arc<AtomicUsize>,
}

impl Counted {
    fn new(slots: usize, capacity: usize) -> Arc<Self> {
        Arc::new(Self {
            queue: Segments::in_segments_of(slots, capacity),
            sum: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// Pushes a task, and returns its number, or 0 if it was refused.
    fn push(&self, number: usize) -> usize {
        let task = Task::new(JobId::next(), Numbered(number, Arc::clone(&self.sum)));
        match self
            .queue
            .push(TaskRef::new(&mut MaybeUninit::uninit(), task), || ())
        {
            Ok(()) => number,
            Err(refused) => {
                drop(refused.into_payload::<Numbered>());
                0
            }
        }
    }

    /// Pops a task and returns its number, or 0 if there was none.
    fn pop(&self) -> usize {
        let popped = Task::popped_by(|place| self.queue.pop(place));
        popped.map_or(0, |task| self.count(task))
    }

    /// Counts a task that was popped, and returns its number.
    fn count(&self, task: Task) -> usize {
        let number = task.into_payload::<Numbered>().map(|numbered| numbered.0);
        let number = number.unwrap_or_else(|_| unreachable!("all are numbered"));
        self.sum.fetch_add(number, Relaxed);
        number
    }

    /// Pops `at_most` as many at once, and returns the number of the last, or 0 if there was none.
    fn pop_many(&self, at_most: usize) -> usize {
        let mut popped = Vec::new();
        self.queue.pop_many(at_most, &mut popped);
        assert!(popped.len() <= at_most);
        popped.into_iter().fold(0, |last, task| {
            let number = self.count(task);
            assert!(last < number, "{number} came after {last}");
            number
        })
    }

    /// Pops all that is left, of which there are `left` at most, and checks that everything that
    /// was `pushed` came out once, and nothing that is newer before something that is older.
    /// Numbers grow in the order of pushes.
    fn end(&self, pushed: usize, newest_popped: usize, left: usize) {
        let mut count = 0;
        loop {
            match self.pop() {
                0 => break,
                number => assert!(
                    number > newest_popped,
                    "{newest_popped} came before {number}"
                ),
            }
            count += 1;
        }
        assert!(
            count <= left,
            "{count} tasks were queued, and {left} may be"
        );
        assert!(self.queue.is_empty());
        assert_eq!(self.sum.load(Relaxed), pushed);
    }
}

/// Runs `act` on a thread.
fn on_a_thread<T: 'static>(
    queue: &Arc<Counted>,
    act: impl FnOnce(&Counted) -> T + 'static,
) -> thread::JoinHandle<T> {
    let queue = Arc::clone(queue);
    thread::spawn(move || act(&queue))
}

/// Each task that was pushed comes out once, whole, within the bound; also where a segment of one
/// or two slots is lapped.
#[test]
fn a_segment_loses_and_doubles_nothing() {
    for capacity in [1, 2] {
        model(move || {
            let queue = Counted::new(capacity, capacity);
            let mut pushed = queue.push(1);
            let dequeuers = [(); 2].map(|()| on_a_thread(&queue, Counted::pop));
            pushed += queue.push(10);
            pushed += queue.push(100);
            let popped = dequeuers.map(|it| it.join().unwrap());
            assert_ne!(popped, [0, 0], "there was one from the start");
            queue.end(pushed, popped[0].max(popped[1]), capacity);
        });
    }
}

/// A pusher that is between claim and mark keeps its segment from being left.
#[test]
fn two_pushers_and_a_dequeuer_cross_a_link() {
    model(|| {
        let queue = Counted::new(1, 3);
        let pusher = on_a_thread(&queue, |queue| queue.push(1));
        let dequeuer = on_a_thread(&queue, Counted::pop);
        let pushed = queue.push(10);
        dequeuer.join().unwrap();
        queue.end(pushed + pusher.join().unwrap(), 0, 2);
    });
}

/// Tasks that are taken together come out once each, the oldest first, next to a dequeuer of one
/// and a pusher.
#[test]
fn a_run_of_tasks_is_popped_once() {
    model(|| {
        let queue = Counted::new(2, 3);
        let mut pushed = queue.push(1) + queue.push(10);
        let dequeuer = on_a_thread(&queue, Counted::pop);
        let taker = on_a_thread(&queue, |queue| queue.pop_many(2));
        pushed += queue.push(100);
        let popped = dequeuer.join().unwrap().max(taker.join().unwrap());
        assert_ne!(popped, 0, "there were two from the start");
        queue.end(pushed, popped, 1);
    });
}

/// A dequeuer that has read the pointer to a segment which has been linked again by now takes no
/// task of that before older ones.
#[test]
fn a_late_dequeuer_takes_no_newer_task() {
    a_late_one_takes_no_newer_task(Counted::pop);
}

/// The same for one that takes many.
#[test]
fn a_late_dequeuer_of_many_takes_no_newer_task() {
    a_late_one_takes_no_newer_task(|queue| queue.pop_many(1));
}

fn a_late_one_takes_no_newer_task(take_late: fn(&Counted) -> usize) {
    model(move || {
        let queue = Counted::new(1, 3);
        let mut pushed = queue.push(1) + queue.push(10);
        let late = on_a_thread(&queue, take_late);
        let other = on_a_thread(&queue, |queue| {
            let popped = queue.pop();
            // It goes on to the second segment, and the first one is spare.
            queue.queue.is_empty();
            popped
        });
        pushed += queue.push(100);
        let popped = late.join().unwrap().max(other.join().unwrap());
        queue.end(pushed, popped, 3);
    });
}

/// A pusher that has read the pointer to a segment which was closed or linked again meanwhile keeps
/// the bound.
#[test]
fn a_late_pusher_keeps_the_bound() {
    for pushed_before in [1, 2] {
        model(move || {
            let queue = Counted::new(1, 2);
            let numbers = [1, 10, 1000];
            let (before, after) = numbers.split_at(pushed_before);
            let push = |sum: usize, &number: &usize| sum + queue.push(number);
            let mut pushed = before.iter().fold(0, push);
            let late = on_a_thread(&queue, |queue| queue.push(100));
            let dequeuer = on_a_thread(&queue, |queue| {
                let popped = queue.pop();
                queue.queue.is_empty();
                popped
            });
            pushed = after.iter().fold(pushed, push);
            pushed += late.join().unwrap();
            assert_eq!(dequeuer.join().unwrap(), 1, "first in, first out");
            queue.end(pushed, 0, 2);
        });
    }
}

/// Whenever neither of two permits is taken, both can be taken: by the worker with a cache, and by
/// the one that reclaims it.
#[test]
fn no_place_is_lost_or_doubled() {
    model(|| {
        let places = Arc::new(Permits::new(16, 1));
        let worker = {
            let places = Arc::clone(&places);
            thread::spawn(move || {
                let is_taken = places.take(Some(0));
                if is_taken {
                    places.free(Some(0));
                }
                usize::from(places.take(Some(0)))
            })
        };
        // All but one: the last is in the cache or to be reclaimed, or the worker has it.
        let mut taken = (0..16).filter(|_| places.take(None)).count();
        assert!(taken >= 15, "the worker holds one at the most");
        taken += worker.join().unwrap();
        taken += (0..16).filter(|_| places.take(None)).count();
        assert_eq!(taken, 16);
    });
}
