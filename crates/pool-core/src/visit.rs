//! Workers on threads that are lent: by a rayon pool, by a runtime's pool of blocking threads.
//!
//! There is one **token** for each worker. A token sleeps on the idle stack; resumed, it becomes a **visit**: a piece of work that
//! the lender runs on some thread, which takes a free seat, works until there is nothing to do, and puts the token back. So at
//! most as many jobs run at once as there are tokens, and an idle pool holds none of the lender's threads.
//!
//! A thread that lives as long as the pool is a **resident**: it has run the hook of its start, and a visit on it takes the
//! resident's own seat if it can, and shows its jobs the resident's state.

use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::engine::Engine;
use crate::lifecycle::Lifecycle;
use crate::outcome::drop_contained;
use crate::task::Task;
use crate::worker::{Rest, Worker};

thread_local! {
    static RESIDENT: RefCell<Option<Resident>> = const { RefCell::new(None) };
}

struct Resident {
    index: usize,
    state: Rc<dyn Any>,
}

/// Makes the calling thread resident `index` of the pool: runs `on_worker_start`.
pub fn move_in(life: &Lifecycle, index: usize) {
    let state = Rc::from(life.hooks().start(index));
    RESIDENT.with(|resident| *resident.borrow_mut() = Some(Resident { index, state }));
}

/// Ends the calling thread's residence: runs `on_worker_stop`, then drops the state.
pub fn move_out(life: &Lifecycle) {
    if let Some(resident) = RESIDENT.with(|resident| resident.borrow_mut().take()) {
        life.hooks().stop(resident.index);
        drop_contained(resident.state);
    }
}

/// The seats of a pool on lent threads: which are taken.
pub(crate) struct Seats(Box<[AtomicBool]>);

impl Seats {
    /// All free.
    pub(crate) fn new(workers: usize) -> Self {
        Self((0..workers).map(|_| AtomicBool::new(false)).collect())
    }

    /// Takes a free seat, `first` if it is. There is one: a visit has a token, and there are as many seats as tokens.
    pub(crate) fn take(&self, first: Option<usize>) -> Taken<'_> {
        let all = first.into_iter().chain(0..self.0.len());
        for index in all.cycle() {
            // ORDERING: Acquire pairs with the Release of the seat's last holder: its frames are this one's now.
            if self
                .0
                .get(index)
                .is_some_and(|seat| !seat.swap(true, Ordering::Acquire))
            {
                return Taken { seats: self, index };
            }
        }
        unreachable!("the cycle has no end, and a pool has at least one seat")
    }

    /// Frees a seat that is held without its [`Taken`].
    pub(crate) fn free(&self, index: usize) {
        // ORDERING: Release, see `take`.
        self.0[index].store(false, Ordering::Release);
    }
}

impl fmt::Debug for Seats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Seats").field(&self.0.len()).finish()
    }
}

/// A seat, until it is dropped.
pub(crate) struct Taken<'a> {
    seats: &'a Seats,
    pub(crate) index: usize,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.seats.free(self.index);
    }
}

/// Puts every token to sleep: a pool on lent threads begins so.
pub fn put_to_sleep(life: &Lifecycle) {
    for token in 0..life.capability().workers {
        life.worker_alive();
        life.idle().begin_search();
        let _asleep = life.idle().announce(token, || false);
    }
}

/// Works with a token on the calling thread until there is nothing to do, or the engine moves the token elsewhere. The token was
/// resumed, or comes with the task to run `first`.
pub fn visit<E: Engine>(engine: &Arc<E>, token: usize, first: Option<Task>) {
    let resident = RESIDENT.with(|resident| {
        resident
            .borrow()
            .as_ref()
            .map(|resident| (resident.index, Rc::clone(&resident.state)))
    });
    let taken = engine
        .life()
        .seats
        .take(resident.as_ref().map(|resident| resident.0));
    let worker = Worker::new(engine, taken.index, token, first.is_none());
    if let Some((_, state)) = resident {
        worker.set_state(state);
    }
    let rest = worker.work_until_idle(&**engine, first);
    drop(worker);
    // The seat is free before the token can be resumed by somebody else: else a visit might look for a seat in vain.
    drop(taken);
    if rest == Rest::Stop {
        engine.life().worker_gone(token);
    }
}
