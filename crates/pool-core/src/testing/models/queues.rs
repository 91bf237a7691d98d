//! Models of the queue and of its permits.

use std::mem::MaybeUninit;

use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;

use super::model;
use crate::job::id::JobId;
use crate::pool::lifecycle::Lifecycle;
use crate::queue::permits::Permits;
use crate::queue::ring::Ring;
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

fn push(ring: &Ring, task: Task) -> Result<(), Task> {
    ring.push(TaskRef::new(&mut MaybeUninit::uninit(), task))
}

fn pop(ring: &Ring) -> Option<Task> {
    Task::popped_by(|place| ring.pop(place))
}

/// Each pushed task comes out once and whole, also when the positions lap an array of one or two
/// slots.
#[test]
fn a_ring_loses_and_doubles_nothing() {
    for capacity in [1, 2] {
        model(move || {
            let ring = Arc::new(Ring::new(capacity).expect("there is memory"));
            let seen = Arc::new(AtomicUsize::new(0));
            let task = |number| Task::new(JobId::next(), Numbered(number, Arc::clone(&seen)));
            assert!(push(&ring, task(1)).is_ok());
            let dequeuers: Vec<_> = (0..2)
                .map(|_| {
                    let ring = Arc::clone(&ring);
                    thread::spawn(move || usize::from(pop(&ring).is_some()))
                })
                .collect();
            let mut pushed = 1;
            for number in [10, 100] {
                match push(&ring, task(number)) {
                    Ok(()) => pushed += number,
                    Err(refused) => drop(refused.into_payload::<Numbered>()),
                }
            }
            let popped: usize = dequeuers.into_iter().map(|it| it.join().unwrap()).sum();
            assert!(popped >= 1, "there was one from the start");
            while pop(&ring).is_some() {}
            assert!(ring.is_empty());
            assert_eq!(seen.load(Relaxed), pushed);
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
