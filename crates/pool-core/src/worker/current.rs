//! Which worker the calling thread is.
//!
//! A job may call `exit`. The C library then drops the thread's locals, and calls the handlers of the process's exit on the worker's
//! thread, with the job on its stack for good. So that these know which worker they are on, its address is kept in a local that has
//! nothing to drop.

use std::cell::{Cell, RefCell};
use std::ptr;
use std::rc::Rc;

use super::{Inner, Worker};
use crate::executor::Executor;
use crate::lifecycle::Lifecycle;

thread_local! {
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
    /// The current worker's pool and index, for each submission to look at: it has nothing to drop, so there is no state to check first. The
    /// address is of a pool that lives: its worker keeps it, and takes it from here as it goes.
    static SEAT: Cell<(*const Lifecycle, usize)> = const { Cell::new((ptr::null(), 0)) };
    /// The current worker itself, for when `CURRENT` is gone. Its maker has it for as long as it is current.
    static INNER: Cell<*const Inner> = const { Cell::new(ptr::null()) };
}

/// What `find` finds with the worker that the calling thread is, if it is one.
#[inline]
fn with_current<R>(find: impl Fn(&Worker) -> Option<R>) -> Option<R> {
    let found = CURRENT.try_with(|current| current.borrow().as_ref().and_then(&find));
    found.unwrap_or_else(|_gone| after_locals().as_ref().and_then(&find))
}

/// The current worker of a thread whose locals are gone, as in the handlers of an exit.
#[cold]
fn after_locals() -> Option<Worker> {
    let inner = INNER.get();
    if inner.is_null() {
        return None;
    }
    // SAFETY: the address is that of an `Rc`'s content, of this thread. It is taken back before the worker is dropped, by `forget`
    // or by who replaces it; so there is a count left to be added to.
    unsafe {
        Rc::increment_strong_count(inner);
        Some(Worker(Rc::from_raw(inner)))
    }
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
        drop(replace(Some(self.clone())));
    }

    pub(crate) fn enter(&self) -> Entered {
        Entered(replace(Some(self.clone())))
    }
}

/// Makes `worker` the one that the calling thread is, and returns the former.
pub(super) fn replace(worker: Option<Worker>) -> Option<Worker> {
    let seat = worker.as_ref().map_or((ptr::null(), 0), |worker| {
        (ptr::from_ref(&**worker.life()), worker.index())
    });
    SEAT.set(seat);
    let inner = worker.as_ref().map(|worker| Rc::as_ptr(&worker.0));
    INNER.set(inner.unwrap_or(ptr::null()));
    CURRENT.with(|current| current.replace(worker))
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
pub(crate) struct Entered(Option<Worker>);

impl Drop for Entered {
    fn drop(&mut self) {
        drop(replace(self.0.take()));
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use std::sync::Arc;

    use super::current_index;
    use crate::config::PoolConfig;
    use crate::engine::Engine;
    use crate::still::Still;
    use crate::worker::Worker;

    fn engine() -> Arc<Still> {
        let mut config = PoolConfig::default();
        config.set_workers(2);
        Still::start(config, None).expect("it starts nothing")
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
            drop((entered, nested));
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
        drop(super::CURRENT.take());
        assert_eq!(current_index(engine.life()), Some(0), "its maker has it");
        drop(worker);
        assert_eq!(current_index(engine.life()), None);
    }
}
