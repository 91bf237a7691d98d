//! `Owners`: what a pool belongs to. These own the pool's life, so it has weak references to them.

use std::sync::{Arc, OnceLock, Weak};

use super::Lifecycle;
use crate::pool::by_life::Reached;
use crate::pool::front::{Front, FrontRef};
use crate::sys::sync::{Ordering, fence};

/// The engine and the front of a pool, by weak references. The engine may be gone, and a pool that
/// is not swapped has no front.
pub(crate) struct Owners {
    /// Set once, as the pool is built.
    engine: OnceLock<Weak<dyn Reached>>,
    /// What users have of the pool, if it is swapped.
    front: Option<FrontRef>,
}

impl Owners {
    pub(super) fn new(front: Option<FrontRef>) -> Self {
        Self {
            engine: OnceLock::new(),
            front,
        }
    }

    /// Called as the pool is built; a second call changes nothing.
    pub(crate) fn set_engine(&self, engine: Weak<dyn Reached>) {
        let _first = self.engine.set(engine);
    }

    /// The engine, if it is still there.
    pub(crate) fn engine(&self) -> Option<Arc<dyn Reached>> {
        self.engine.get()?.upgrade()
    }

    /// What users have of a pool that is swapped, for as long as they have it. None for a pool by
    /// itself.
    pub(crate) fn front(&self) -> Option<Arc<dyn Front>> {
        self.front.as_ref()?.get()
    }

    /// The way to the front, for one that may outlive this generation.
    pub(crate) fn front_ref(&self) -> Option<FrontRef> {
        self.front.clone()
    }

    /// Tells the front of a pool that is swapped if `life`, this generation of it, is over: it has
    /// stopped, its last worker has left, and no job of it goes on without a worker, as a suspended
    /// future may. Called after each of these; the last caller finds the others done.
    pub(super) fn tell_front(&self, life: &Lifecycle) {
        if self.front.is_none() || !life.phase.is_stopped() || life.roster.alive() > 0 {
            return;
        }
        // ORDERING: pairs with the fence in `Quiescence::tell`: of a last worker and a last job,
        // the second to go sees that both are gone.
        fence(Ordering::SeqCst);
        if life.ledger.in_flight() == 0
            && let Some(front) = self.front()
        {
            front.ended(life);
        }
    }
}
