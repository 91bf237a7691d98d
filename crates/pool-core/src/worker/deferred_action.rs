//! `DeferredAction`: a piece of work that one thread has another do, and waits for.
//!
//! A worker that polls a runtime's futures must not run a closure, which could block the thread. If
//! a future there joins a closure, or must help its pool, the worker sends the work to the thread
//! where the closures of its slot run (`Engine::on_slot_thread`) and blocks until it is over. The
//! other thread acts as a worker at the same seat meanwhile, so no two jobs run with one slot.
//!
//! The work lies on the stack of the thread that waits. That is sound because the wait ends only
//! when the action is dropped, run or not.

use std::any::Any;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use crate::job::outcome::{contain, drop_contained};
use crate::pool::engine::Engine;
use crate::worker::Worker;
use crate::worker::park::Parker;

/// A piece of work for the thread that a slot's closures run on, while the slot's holder waits
/// elsewhere.
///
/// An engine that hosts futures gets one in [`Engine::on_slot_thread`] and brings it to that
/// thread, which calls [`run`](Self::run). An action that is dropped instead counts as not done:
/// the wait ends, and the future goes on without it. The engine must do one or the other soon: the
/// sender waits for it.
pub struct DeferredAction {
    /// The seat of the worker that waits.
    seat: usize,
    /// The slot of the worker that waits.
    slot: usize,
    /// What to do.
    work: Work,
}

/// The work itself, on the stack of the thread that waits.
///
/// Its drop says that it is over, done or not: from then on the pointer is not used.
struct Work {
    /// The closure. It is valid until the drop of this.
    run: *mut (dyn FnMut(&Worker) + Send),
    /// Set by the drop, with Release; the thread that waits reads it with Acquire.
    is_over: Arc<AtomicBool>,
    /// Wakes the thread that waits.
    waiting: Waker,
}

// SAFETY: what `run` points to is `Send`, and only the holder of the one `Work` uses it, while the
// thread that made it waits.
unsafe impl Send for Work {}

impl DeferredAction {
    /// Returns the slot on whose thread the action is to be done.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Does the work on the calling thread, as a worker of `engine`'s pool at the seat of the
    /// worker that waits, and wakes that.
    ///
    /// `state` is what jobs that run within it see as the worker's state: the state of the thread,
    /// if `on_worker_start` ran on it. Panics of the work are contained. An engine with
    /// [`RegisteredThreads`](crate::backend::RegisteredThreads) does not call this: those do.
    pub fn run<E: Engine>(self, engine: &Arc<E>, state: Option<Rc<dyn Any>>) {
        let worker = Worker::new(engine, self.seat, self.slot, false);
        if let Some(state) = state {
            worker.set_state(state);
        }
        worker.set_home(self.slot);
        let _entered = worker.enter();
        // SAFETY: `wait_for` keeps it alive until the drop of the work, which comes after this.
        drop_contained(contain(|| unsafe { (*self.work.run)(&worker) }));
        worker.tell_news();
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `wait_for`: the result is there.
        self.is_over.store(true, Ordering::Release);
        self.waiting.wake_by_ref();
    }
}

/// Has `f` done by the thread that gets the action from `send`, and waits for its end within
/// `block`, which may tell the runtime that this thread blocks. Returns `None` if the action was
/// dropped instead, or `f` panicked.
///
/// `seat` is the seat and the slot of the worker that waits. If `send` or `block` panics, this
/// waits nevertheless: the work is on this stack.
pub(super) fn wait_for<R: Send>(
    f: impl FnOnce(&Worker) -> R + Send,
    seat: (usize, usize),
    send: impl FnOnce(DeferredAction),
    block: impl FnOnce(&mut dyn FnMut()),
) -> Option<R> {
    let mut result = None;
    let mut f = Some(f);
    let mut run = |worker: &Worker| {
        if let Some(f) = f.take() {
            result = Some(f(worker));
        }
    };
    let run: *mut (dyn FnMut(&Worker) + Send + '_) = &raw mut run;
    // SAFETY: only the lifetime changes. This function waits until the work is dropped, also where
    // `send` panics.
    let run: *mut (dyn FnMut(&Worker) + Send) = unsafe { std::mem::transmute(run) };
    let parker = Parker::new();
    let is_over = Arc::new(AtomicBool::new(false));
    let action = DeferredAction {
        seat: seat.0,
        slot: seat.1,
        work: Work {
            run,
            is_over: Arc::clone(&is_over),
            waiting: parker.waker(),
        },
    };
    let sent = contain(|| send(action));
    let mut wait = || {
        // ORDERING: see the drop of `Work`.
        while !is_over.load(Ordering::Acquire) {
            let _woken = parker.park(None);
        }
    };
    let waited = contain(|| block(&mut wait));
    // Once more, should the engine's own wait have failed.
    wait();
    drop_contained((sent, waited));
    result
}

impl fmt::Debug for DeferredAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeferredAction")
            .field("seat", &self.seat)
            .finish_non_exhaustive()
    }
}
