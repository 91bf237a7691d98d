//! Which worker the calling thread is.

use std::cell::{Cell, RefCell};
use std::ptr;

use super::Worker;
use crate::executor::Executor;
use crate::lifecycle::Lifecycle;

thread_local! {
    static CURRENT: RefCell<Option<Worker>> = const { RefCell::new(None) };
    /// The current worker's pool and index, for each submission to look at: it has nothing to drop, so there is no state to check first. The
    /// address is of a pool that lives: its worker keeps it, and takes it from here as it goes.
    static SEAT: Cell<(*const Lifecycle, usize)> = const { Cell::new((ptr::null(), 0)) };
}

impl Worker {
    /// The worker that the calling thread is, if it is one.
    #[inline]
    pub(crate) fn current() -> Option<Self> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    /// The worker of `executor`'s pool that the calling thread is, if it is one.
    #[inline]
    pub(crate) fn current_of<E: Executor + ?Sized>(executor: &E) -> Option<Self> {
        let find = |current: &RefCell<Option<Self>>| {
            let current = current.borrow();
            let worker = current.as_ref()?;
            ptr::eq(worker.life().room(), executor.room()).then(|| worker.clone())
        };
        CURRENT.try_with(find).ok().flatten()
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
    CURRENT.with(|current| current.replace(worker))
}

/// The last reference to a worker of this pool goes, on its thread: its pool's address may be another pool's soon.
pub(super) fn forget(life: &Lifecycle) {
    if current_index(life).is_some() {
        SEAT.set((ptr::null(), 0));
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
