//! Which thread has which deque.

use std::thread;

use super::{Deques, TAKEN};

/// The index of the calling thread's deque, if it has one.
fn own(deques: &Deques) -> Option<usize> {
    deques.own().map(|own| own.index)
}

#[test]
fn each_deque_is_one_threads() {
    let deques = Deques::new(2);
    let take = || {
        deques.take_spare();
        own(&deques)
    };
    let mut taken: Vec<_> = thread::scope(|threads| {
        let threads: Vec<_> = (0..3).map(|_| threads.spawn(take)).collect();
        threads.into_iter().map(|it| it.join().ok()).collect()
    });
    taken.sort_unstable();
    assert_eq!(taken, [None, Some(0), Some(1)].map(Some));
    assert_eq!(own(&deques), None, "this thread has taken none");
}

#[test]
fn a_thread_has_a_deque_in_each_of_several_queues() {
    let queues = [Deques::new(1), Deques::new(2), Deques::new(3)];
    for (number, queue) in queues.iter().enumerate() {
        assert_eq!(own(queue), None);
        queue.take_spare();
        let indices: Vec<_> = queues.iter().map(own).collect();
        let expected: Vec<_> = (0..3).map(|n| (n <= number).then_some(n)).collect();
        assert_eq!(indices, expected);
    }
}

#[test]
fn the_deque_of_a_queue_that_is_gone_is_forgotten() {
    let taken = || TAKEN.with_borrow(Vec::len);
    let gone = Deques::new(1);
    gone.take_spare();
    assert_eq!((own(&gone), taken()), (Some(0), 1));
    drop(gone);
    let next = Deques::new(1);
    assert_eq!(own(&next), None, "what is left names the other queue");
    next.take_spare();
    assert_eq!((own(&next), taken()), (Some(0), 1));
}
