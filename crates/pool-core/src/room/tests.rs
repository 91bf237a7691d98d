//! Who may pass those in line, and how often.

use std::task::Waker;

use super::Room;
use crate::capability::Capability;

/// What a queue of eight places promises.
fn of_eight() -> Capability {
    Capability {
        name: "test",
        workers: 1,
        capacity: Some(8),
        fifo: true,
        async_jobs: true,
        owns_threads: true,
    }
}

/// How many pass until nobody may.
fn passes(room: &Room) -> usize {
    (0..100).take_while(|_| room.may_pass(of_eight)).count()
}

fn in_line(room: &Room) -> u64 {
    let ticket = room.enter();
    room.is_first(ticket, Waker::noop());
    ticket
}

#[test]
fn only_the_leave_of_the_first_in_line_renews_the_passes() {
    let room = Room::new();
    let (first, second, third) = (in_line(&room), in_line(&room), in_line(&room));
    assert_eq!(passes(&room), 4, "half of the places");
    room.leave(third);
    assert_eq!(passes(&room), 0, "the first in line is no nearer");
    room.leave(first);
    assert_eq!(passes(&room), 4);
    room.leave(second);
    assert!(room.may_pass(of_eight), "nobody is in line");
}

#[test]
fn nobody_is_passed_at_a_queue_of_one() {
    let room = Room::new();
    let _first = in_line(&room);
    let of_one = || Capability {
        capacity: Some(1),
        ..of_eight()
    };
    assert!(!room.may_pass(of_one));
}
