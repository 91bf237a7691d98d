//! Which worker the calling thread is.
//!
//! A job may call `exit`. The C library then drops the thread's locals, and calls the handlers of
//! the process's exit on the worker's thread, with the job on its stack for good. So that these
//! know which worker they are on, its address is kept in locals that have nothing to drop; and so
//! there is no state of theirs to check first.
//!
//! There are two ways to be current. A worker with a thread of its own enters for good, as it
//! starts. All others enter for a run or for a poll, with a guard that puts the former worker back:
//! so a thread may act as one worker within another, of the same pool or of another one.

use std::cell::Cell;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::ptr;
use std::rc::Rc;

use super::{Inner, Worker};
use crate::pool::lifecycle::Lifecycle;
use crate::submit::executor::Executor;

thread_local! {
    /// The current worker's pool and index, for each submission to look at. The address is of a
    /// pool that lives: its worker keeps it, and takes it from here as it goes.
    static SEAT: Cell<(*const Lifecycle, usize)> = const { Cell::new((ptr::null(), 0)) };
    /// The current worker itself. It has no count of it: the code that made it current has one for
    /// as long as it is.
    static INNER: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// Calls `find` with the worker that the calling thread is, if it is one. Adds no count to the
/// worker.
#[inline]
fn with_current<R>(find: impl FnOnce(&Worker) -> Option<R>) -> Option<R> {
    let inner = INNER.get();
    if inner.is_null() {
        return None;
    }
    // SAFETY: the address is that of an `Rc`'s content, of this thread, to which there is a count:
    // an `Entered` borrows the worker, and one that entered for good takes its address from here as
    // it goes (`forget`). What is made here adds no count, and takes none.
    let worker = ManuallyDrop::new(Worker(unsafe { Rc::from_raw(inner) }));
    find(&worker)
}

impl Worker {
    /// Returns the worker that the calling thread is, if it is one; the innermost, where a worker
    /// of one pool runs another's.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        with_current(|worker| Some(worker.clone()))
    }

    /// Returns the worker that the calling thread is, if it is one of `executor`'s pool. Pools are
    /// compared by their room, which the generations of a swapped pool share.
    #[inline]
    pub(crate) fn current_of<E: Executor + ?Sized>(executor: &E) -> Option<Self> {
        with_current(|worker| {
            ptr::eq(worker.life().room(), executor.room()).then(|| worker.clone())
        })
    }

    /// Makes this the calling thread's worker until the worker is dropped, or the locals are
    /// cleared.
    pub(super) fn enter_for_good(&self) {
        let _former = Current::of(self).replace();
    }

    /// Makes this the calling thread's worker until the guard is dropped. Guards are dropped in the
    /// opposite order of their making: the worker that one puts back is alive because the guard
    /// below it is.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            former: Current::of(self).replace(),
            worker: PhantomData,
        }
    }
}

/// Which worker a thread is, as the two locals say.
#[derive(Clone, Copy)]
struct Current {
    /// The pool's address and the worker's index.
    seat: (*const Lifecycle, usize),
    /// The worker's own address, without a count.
    inner: *const Inner,
}

impl Current {
    /// No worker.
    const NONE: Self = Self {
        seat: (ptr::null(), 0),
        inner: ptr::null(),
    };

    /// Returns the locals of a thread that is this worker.
    #[inline]
    fn of(worker: &Worker) -> Self {
        Self {
            seat: (ptr::from_ref(&**worker.life()), worker.index()),
            inner: Rc::as_ptr(&worker.0),
        }
    }

    /// Sets the locals, and returns what was there.
    #[inline]
    fn replace(self) -> Self {
        Self {
            seat: SEAT.replace(self.seat),
            inner: INNER.replace(self.inner),
        }
    }
}

/// Makes the calling thread no worker any more. Called as its worker leaves.
pub(super) fn clear() {
    let _former = Current::NONE.replace();
}

/// Takes the addresses of a worker that is being dropped out of the locals: they may be those of
/// others soon.
///
/// Another worker may be current by now, at the same seat: one that lends its seat, and does an
/// action for the borrower, is so again before that action's worker is dropped.
pub(super) fn forget(inner: &Inner) {
    if ptr::eq(INNER.get(), inner) {
        clear();
    }
}

/// Returns the index of the calling thread among `life`'s workers, if it is one. Two loads of a
/// thread-local: each submission calls this.
#[inline]
pub(crate) fn current_index(life: &Lifecycle) -> Option<usize> {
    let (pool, index) = SEAT.get();
    ptr::eq(pool, life).then_some(index)
}

/// Puts the thread's former worker back when it is dropped: within a job of one pool, a worker of
/// another may run.
pub(crate) struct Entered<'a> {
    /// The worker that the thread was before.
    former: Current,
    /// Borrows the worker that was entered, so that it outlives the guard.
    worker: PhantomData<&'a Worker>,
}

/// Puts the former worker back, whatever became of the entered one.
impl Drop for Entered<'_> {
    #[inline]
    fn drop(&mut self) {
        let _own = self.former.replace();
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::sync::Arc;

    use super::current_index;
    use crate::pool::config::PoolConfig;
    use crate::pool::engine::Engine;
    use crate::testing::noop_engine::NoopEngine;
    use crate::worker::Worker;

    fn engine() -> Arc<NoopEngine> {
        let mut config = PoolConfig::default();
        config.set_workers(2);
        NoopEngine::start(config, None).expect("it starts nothing")
    }

    #[test]
    fn a_thread_is_again_the_worker_that_it_was_before_another() {
        let (outer, other) = (engine(), engine());
        let worker = Worker::new(&outer, 1, 1, false);
        assert_eq!(current_index(outer.life()), None);
        let entered = worker.enter();
        for inner in [&outer, &other] {
            let nested = Worker::new(inner, 0, 0, false);
            let entered = nested.enter();
            assert_eq!(current_index(inner.life()), Some(0));
            drop(entered);
            drop(nested);
            assert_eq!(current_index(outer.life()), Some(1), "it is the outer one");
        }
        assert_eq!(current_index(other.life()), None);
        drop(entered);
        assert_eq!(current_index(outer.life()), None);
    }

    #[test]
    fn a_thread_is_again_the_worker_that_it_was_before_another_at_its_seat() {
        let engine = engine();
        let worker = Worker::new(&engine, 1, 1, false);
        let entered = worker.enter();
        let nested = Worker::new(&engine, 1, 1, false);
        drop(nested.enter());
        drop(nested);
        assert_eq!(current_index(engine.life()), Some(1), "it is the outer one");
        assert!(Worker::current().is_some());
        drop(entered);
        assert_eq!(current_index(engine.life()), None);
    }

    #[test]
    fn a_worker_that_goes_while_it_is_current_leaves_no_address() {
        let engine = engine();
        let worker = Worker::new(&engine, 0, 0, false);
        let entered = worker.enter();
        std::mem::forget(entered);
        assert_eq!(current_index(engine.life()), Some(0));
        drop(worker);
        assert_eq!(current_index(engine.life()), None);
        assert!(Worker::current().is_none());
    }
}
