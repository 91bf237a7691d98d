//! A ring whose positions reach the largest number.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::mem::MaybeUninit;
use std::ptr;

use super::Ring;
use crate::job::context::JobContext;
use crate::sys::sync::Ordering;
use crate::task::fire_and_forget;
use crate::task::{Task, TaskRef};

/// Laps that are left until the positions wrap.
const LAPS_LEFT: usize = 3;

/// A ring that has come this far.
fn about_to_wrap(capacity: usize) -> Ring {
    let ring = Ring::new(capacity).expect("there is memory");
    let position = 0_usize.wrapping_sub(LAPS_LEFT * ring.one_lap);
    for slot in ring.slots.iter() {
        slot.mark
            .store(ring.empty_mark(position), Ordering::Relaxed);
    }
    ring.tail.store(position, Ordering::Relaxed);
    ring.head.store(position, Ordering::Relaxed);
    ring
}

fn task() -> Task {
    fire_and_forget::task(|_: &JobContext<'_>| Ok::<_, Infallible>(())).1
}

fn push(ring: &Ring, task: Task) -> Result<(), Task> {
    ring.push(TaskRef::new(&mut MaybeUninit::uninit(), task))
}

fn pop(ring: &Ring) -> Option<Task> {
    Task::popped_by(|place| ring.pop(place))
}

#[test]
fn a_ring_whose_positions_wrap_stays_in_order_and_bounded() {
    for capacity in [1, 2, 3, 5, 8, 13] {
        for filled in 1..=capacity {
            let (ring, mut expected) = (about_to_wrap(capacity), VecDeque::new());
            for _ in 0..4 * LAPS_LEFT * ring.one_lap {
                while expected.len() < filled {
                    let task = task();
                    expected.push_back(task.id());
                    assert!(push(&ring, task).is_ok(), "there is room");
                }
                if filled == capacity {
                    assert!(push(&ring, task()).is_err(), "all places are taken");
                }
                let popped = pop(&ring).map(|task| task.id());
                assert_eq!(popped, expected.pop_front(), "first in, first out");
            }
            let rest = std::iter::from_fn(|| pop(&ring)).count();
            assert_eq!((rest, ring.is_empty()), (expected.len(), true));
            assert!(
                ring.tail.load(Ordering::Relaxed) < usize::MAX / 2,
                "they have wrapped"
            );
        }
    }
}

#[test]
fn a_mark_at_the_end_of_the_numbers_is_no_full_one() {
    let ring = about_to_wrap(1);
    for position in [usize::MAX, usize::MAX - 1, 0, 1] {
        let mark = ring.empty_mark(position);
        assert!(!ring.is_full(mark, position) && !ptr::eq(mark, ring.empty_mark(position ^ 1)));
    }
}
