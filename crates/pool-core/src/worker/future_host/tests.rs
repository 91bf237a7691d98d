//! Hosted futures whose pool loses its slots.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use super::{SlotInTransit, host_futures};
use crate::cell::future::AsyncCell;
use crate::cell::future::queue_side::AsyncEntry;
use crate::cell::future::source::InfallibleSource;
use crate::job::handle::JobHandle;
use crate::job::id::JobId;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Lifecycle;
use crate::task::Task;
use crate::testing::noop_engine::NoopEngine;
use crate::worker::borrowed::put_to_sleep;

/// Notes that it was woken. All of it is on one thread, here and below.
#[derive(Default)]
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A job that the pool has taken in, and that lies in no queue.
fn accepted<F: Future<Output = ()> + Send + 'static>(
    life: &Lifecycle,
    future: F,
) -> (Task, JobHandle<(), Infallible>) {
    let id = JobId::next();
    let cell = AsyncCell::new(id, InfallibleSource(future), None);
    let task = Task::new(id, AsyncEntry(Arc::clone(&cell) as _));
    let submission = life.ledger.writing(None);
    submission.enter(1);
    submission.accept();
    assert!(task.accept(life).is_ok());
    (task, JobHandle::new(cell.raw_handle()))
}

/// A hosted future has given its slot away, and the runtime lives on as the last slot is lost: the
/// future goes on without, whether or not it waits for a slot by then.
#[test]
fn a_future_without_a_slot_goes_on_as_the_last_is_lost() {
    for is_seeking in [false, true] {
        let config = Default::default();
        let engine = <NoopEngine as Engine>::start(config, None).expect("it starts nothing");
        let life = engine.life();
        put_to_sleep(life);
        while life.roster.alive() > 1 {
            let slot = life.roster.sleep.take_for_work().expect("all sleep");
            life.worker_lost(slot, Vec::new);
        }
        let (_child, mut handle) = accepted(life, pending());
        let is_due = Arc::new(AtomicBool::new(false));
        let due = Arc::clone(&is_due);
        let waits = poll_fn(move |cx| {
            // The handle of its own pool: from here on it gives its slot away.
            let _pending = pin!(&mut handle).poll(cx);
            if due.load(Ordering::Relaxed) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        let (task, hosted) = accepted(life, waits);
        let slot = life.roster.sleep.take_for_work().expect("one sleeps");
        let moving = SlotInTransit::new(Arc::clone(&engine), slot, Some(task));
        let mut host = pin!(host_futures(moving));
        let woken = Arc::new(Woken::default());
        let waker = Waker::from(Arc::clone(&woken));
        let mut poll = || host.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(poll().is_pending());
        let slot = life
            .roster
            .sleep
            .take_for_work()
            .expect("it was given away");
        if is_seeking {
            assert!(poll().is_pending(), "there is no other slot");
        }
        woken.0.store(false, Ordering::Relaxed);
        life.worker_lost(slot, Vec::new);
        assert!(woken.0.load(Ordering::Relaxed), "it is told");
        assert!(poll().is_pending(), "it goes on without a slot");
        is_due.store(true, Ordering::Relaxed);
        assert!(poll().is_ready());
        assert!(hosted.join().is_ok());
        assert_eq!(life.stats().completed, 1);
    }
}
