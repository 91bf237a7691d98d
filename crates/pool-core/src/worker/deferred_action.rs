//! `DeferredAction`: what somebody has another thread do, and waits for.

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
pub struct DeferredAction {
    seat: usize,
    slot: usize,
    work: Work,
}

/// The work itself, on the stack of the one that waits.
///
/// Its drop says that it is over, done or not: from then on the pointer is not used.
struct Work {
    run: *mut (dyn FnMut(&Worker) + Send),
    is_over: Arc<AtomicBool>,
    waiting: Waker,
}

// SAFETY: what `run` points to is `Send`, and only the holder of the one `Work` uses it, while who
// made it waits.
unsafe impl Send for Work {}

impl DeferredAction {
    /// The slot on whose thread it is to be done.
    pub fn slot(&self) -> usize {
        self.slot
    }

    /// Does it, as a worker of `engine`'s pool at the seat of the one that waits.
    pub fn run<E: Engine>(self, engine: &Arc<E>, state: Option<Rc<dyn Any>>) {
        let worker = Worker::new(engine, self.seat, self.slot, false);
        if let Some(state) = state {
            worker.set_state(state);
        }
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

/// Has `f` done by whoever gets the action from `send`, and waits for its end, within `block`.
/// `None`: it was dropped instead.
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
