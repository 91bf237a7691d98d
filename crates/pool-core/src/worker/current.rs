//! Which worker the calling thread is.
//!
//! A job may call `exit`. The C library then drops the thread's locals, and calls the handlers of
//! the process's exit on the worker's thread, with the job on its stack for good. So that these
//! know which worker they are on, its address is kept in locals that have nothing to drop; and so
//! there is no state of theirs to check first.

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
    /// The current worker itself. It has no count of it: whoever made it current has one for as
    /// long as it is.
    static INNER: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// What `find` finds with the worker that the calling thread is, if it is one.
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
    /// The worker that the calling thread is, if it is one.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        with_current(|worker| Some(worker.clone()))
    }

    /// The worker of `executor`'s pool that the calling thread is, if it is one.
    #[inline]
    pub(crate) fn current_of<E: Executor + ?Sized>(executor: &E) -> Option<Self> {
        with_current(|worker| {
            ptr::eq(worker.life().room(), executor.room()).then(|| worker.clone())
        })
    }

    pub(super) fn enter_for_good(&self) {
        let _former = Current::of(self).replace();
    }

    /// Makes this the calling thread's worker until the guard is dropped. Guards are dropped in the
    /// opposite order of their making: what one puts back is alive because the guard below it is.
    #[inline]
    pub(crate) fn enter(&self) -> Entered<'_> {
        Entered {
            former: Current::of(self).replace(),
            worker: PhantomData,
        }
    }
}

/// Which worker a thread is.
#[derive(Clone, Copy)]
struct Current {
    seat: (*const Lifecycle, usize),
    inner: *const Inner,
}

impl Current {
    const NONE: Self = Self {
        seat: (ptr::null(), 0),
        inner: ptr::null(),
    };

    #[inline]
    fn of(worker: &Worker) -> Self {
        Self {
            seat: (ptr::from_ref(&**worker.life()), worker.index()),
            inner: Rc::as_ptr(&worker.0),
        }
    }

    /// Puts this in the place of what was there.
    #[inline]
    fn replace(self) -> Self {
        Self {
            seat: SEAT.replace(self.seat),
            inner: INNER.replace(self.inner),
        }
    }
}

/// The calling thread is no worker any more.
pub(super) fn clear() {
    let _former = Current::NONE.replace();
}

/// A worker is no more: its address, and its pool's, may be another's soon.
pub(super) fn forget(inner: &Inner) {
    if current_index(&inner.seat.life) == Some(inner.seat.index) {
        SEAT.set((ptr::null(), 0));
    }
    if ptr::eq(INNER.get(), inner) {
        INNER.set(ptr::null());
    }
}

/// The index of the calling thread among `life`'s workers.
#[inline]
pub(crate) fn current_index(life: &Lifecycle) -> Option<usize> {
    let (pool, index) = SEAT.get();
    ptr::eq(pool, life).then_some(index)
}

/// Puts the thread's former worker back: a pool's worker may run, deep inside, another pool's.
pub(crate) struct Entered<'a> {
    former: Current,
    worker: PhantomData<&'a Worker>,
}

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
