//! Which submitters are called, which may barge, and what becomes of a call that is not answered.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};

use super::{Call, Coming, LineState, Room, Waiter};
use crate::testing::with_capacity;

/// How many submitters may barge.
fn passes(room: &Room, capacity: usize) -> usize {
    (0..100)
        .take_while(|_| room.may_barge(|| with_capacity(capacity)))
        .count()
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A submitter in line before a full queue.
struct InLine {
    waiter: Waiter,
    wakes: Arc<Wakes>,
}

impl InLine {
    fn new(room: &Room, coming: Coming) -> Self {
        let mut this = Self {
            waiter: room.enter(coming),
            wakes: Arc::default(),
        };
        let _turn = this.come(room);
        this
    }

    /// Comes, and finds the queue full if it tries.
    fn come(&mut self, room: &Room) -> LineState {
        let state = room.listen(&mut self.waiter, &Waker::from(Arc::clone(&self.wakes)));
        if state.may_try {
            room.found_full(&self.waiter);
        }
        state
    }

    fn wakes(&self) -> usize {
        self.wakes.0.load(Ordering::Relaxed)
    }
}

fn threads<const N: usize>(room: &Room) -> [InLine; N] {
    std::array::from_fn(|_| InLine::new(room, Coming::Surely))
}

fn futures<const N: usize>(room: &Room) -> [InLine; N] {
    std::array::from_fn(|_| InLine::new(room, Coming::Watched))
}

fn wakes_of(line: &[InLine]) -> Vec<usize> {
    line.iter().map(InLine::wakes).collect()
}

#[test]
fn only_the_leave_of_the_first_in_line_renews_the_passes() {
    let room = Room::new();
    let [first, second, third] = threads(&room);
    assert_eq!(passes(&room, 8), 4, "half of the places");
    room.leave(&third.waiter, None);
    assert_eq!(passes(&room, 8), 0, "the first in line is no nearer");
    room.leave(&first.waiter, None);
    assert_eq!(passes(&room, 8), 4);
    room.leave(&second.waiter, None);
    assert!(room.may_barge(|| with_capacity(8)), "nobody is in line");
}

#[test]
fn nobody_is_passed_at_a_queue_of_one() {
    let room = Room::new();
    let [_first] = threads(&room);
    assert_eq!(passes(&room, 1), 0);
}

#[test]
fn each_place_calls_another_one_in_order() {
    let room = Room::new();
    let line: [InLine; 3] = futures(&room);
    room.freed();
    assert_eq!(wakes_of(&line), [1, 0, 0]);
    room.freed();
    assert_eq!(wakes_of(&line), [1, 1, 0]);
}

#[test]
fn a_place_that_nobody_was_called_for_is_anybodys() {
    let room = Room::new();
    let [_called] = futures(&room);
    (0..3).for_each(|_| room.freed());
    assert_eq!(passes(&room, 1), 2, "one of the three is the other's");
    room.freed();
    let mut late = InLine {
        waiter: room.enter(Coming::Surely),
        wakes: Arc::default(),
    };
    assert_eq!(late.come(&room).call, Some(Call::Place));
    assert_eq!(passes(&room, 1), 0);
}

#[test]
fn who_finds_the_queue_full_ends_what_is_spare() {
    let room = Room::new();
    let [mut called] = threads(&room);
    (0..3).for_each(|_| room.freed());
    assert!(called.come(&room).may_try);
    assert_eq!(passes(&room, 1), 0, "others took them without a call");
}

#[test]
fn what_comes_free_after_a_try_in_vain_stays_spare() {
    let room = Room::new();
    let mut late = InLine {
        waiter: room.enter(Coming::Surely),
        wakes: Arc::default(),
    };
    let state = room.listen(&mut late.waiter, &Waker::from(Arc::clone(&late.wakes)));
    assert!(
        state.may_try,
        "it does, and finds nothing; then two come free"
    );
    (0..2).for_each(|_| room.freed());
    room.found_full(&late.waiter);
    assert_eq!((late.wakes(), passes(&room, 1)), (1, 1));
}

#[test]
fn one_that_was_robbed_is_the_first_to_be_called_again() {
    let room = Room::new();
    let [mut first, second] = futures(&room);
    room.freed();
    assert_eq!(first.come(&room).call, Some(Call::Place));
    room.freed();
    assert_eq!((first.wakes(), second.wakes()), (2, 0));
}

#[test]
fn one_that_was_called_and_goes_passes_the_call_on() {
    let room = Room::new();
    let [first, mut second] = futures(&room);
    room.freed();
    room.leave(&first.waiter, None);
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.come(&room).call, Some(Call::Place));
}

#[test]
fn a_thread_that_is_called_is_waited_for() {
    let room = Room::new();
    let [_first, second] = threads(&room);
    room.freed();
    (0..100).for_each(|_| assert!(!room.next_round(0)));
    assert_eq!((second.wakes(), passes(&room, 1)), (0, 0));
}

#[test]
fn a_future_that_does_not_come_is_passed_over() {
    let room = Room::new();
    let [mut lost] = futures(&room);
    room.freed();
    assert!(
        room.next_round(1) && room.has_line(),
        "it has a whole round"
    );
    assert!(!room.next_round(1) && !room.has_line());
    assert_eq!(passes(&room, 1), 100, "it is in nobody's way");

    // It comes late, and is the first again.
    assert!(lost.come(&room).may_try);
    let [behind] = threads(&room);
    room.freed();
    assert_eq!((lost.wakes(), behind.wakes()), (2, 0));
    (0..2).for_each(|_| assert!(room.next_round(2), "it has twice as long"));
    assert!(!room.next_round(2));
    assert_eq!(behind.wakes(), 1, "its place goes to the next");
}

#[test]
fn the_place_of_a_lost_future_is_anybodys_where_nobody_listens() {
    let room = Room::new();
    let [_lost, _called] = futures(&room);
    room.freed();
    assert!(room.next_round(1));
    room.freed();
    assert!(
        room.next_round(1),
        "the one is lost, and the other may come"
    );
    assert_eq!(passes(&room, 1), 1);
}

#[test]
fn with_one_lost_future_all_are_called_up_to_a_thread() {
    let room = Room::new();
    let lost: [InLine; 3] = futures(&room);
    let threads: [InLine; 2] = threads(&room);
    room.freed();
    assert!(room.next_round(1));
    assert!(room.next_round(1));
    assert_eq!(wakes_of(&lost), [1, 1, 1]);
    assert_eq!(wakes_of(&threads), [1, 0]);
}

/// A swap has all look again, by the clock of the new generation.
#[test]
fn the_rounds_of_a_dissolved_line_end() {
    let room = Room::new();
    let [mut future] = futures(&room);
    room.wake_all();
    assert_eq!(future.come(&room).needs_watch, Some(2));
    room.freed();
    assert!(!room.next_round(1), "it belongs to the former watch");
    assert!(room.next_round(2), "nothing was taken off its time");
}

#[test]
fn without_a_clock_a_future_is_passed_over_at_once() {
    let room = Room::new();
    let lost: [InLine; 2] = std::array::from_fn(|_| InLine::new(&room, Coming::Perhaps));
    let threads: [InLine; 2] = threads(&room);
    room.freed();
    assert_eq!(wakes_of(&lost), [1, 1]);
    assert_eq!(wakes_of(&threads), [1, 0]);
}

#[test]
fn a_future_that_is_not_watched_any_more_passes_its_call_on() {
    let room = Room::new();
    let [mut first, second] = futures(&room);
    room.freed();
    room.unwatch(&mut first.waiter);
    assert_eq!(second.wakes(), 1);
}
