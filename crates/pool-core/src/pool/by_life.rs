//! `ByLife`: the executor in a future's context, which has the pool's `Lifecycle` and reaches the
//! engine by a weak reference.
//!
//! A closure borrows its worker, and submits through it. A future may be anywhere when it submits,
//! so its context has the life of its pool, which knows the engine by a weak reference: a context
//! that is kept for long keeps no engine, and an engine that holds a future holds no circle.

use std::sync::{Arc, Weak};

use crate::cell::ticket::DeadEntry;
use crate::pool::capability::Capability;
use crate::pool::engine::{Engine, Inside, Within};
use crate::pool::lifecycle::Lifecycle;
use crate::pool::stats::Stats;
use crate::queue::TaskQueue;
use crate::submit::error::Refused;
use crate::submit::executor::{Executor, Pools};
use crate::submit::room::Room;
use crate::task::{Task, TaskRef};
use std::mem::MaybeUninit;

/// An engine of whatever type.
pub(crate) trait Reached: Send + Sync {
    /// Submits a task from within the pool, as a job of it does: to this generation, otherwise to
    /// the front.
    fn take_in(self: Arc<Self>, task: TaskRef<'_>) -> Result<(), Refused<Task>>;
    /// Takes a task in past the bound, or gives it back once intake has ended.
    fn take_in_past_bound(self: Arc<Self>, task: Task) -> Result<(), Task>;
    /// See [`Engine::visit_threads`].
    fn visit_threads(self: Arc<Self>);
    /// See [`TaskQueue::release`].
    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool;
}

impl<E: Engine> Reached for E {
    fn take_in(self: Arc<Self>, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        Within(Inside(self)).try_accept_ref(task)
    }

    fn take_in_past_bound(self: Arc<Self>, task: Task) -> Result<(), Task> {
        Inside(self).admit_past_bound(task)
    }

    fn visit_threads(self: Arc<Self>) {
        E::visit_threads(&self);
    }

    fn release(&self, entry: &DeadEntry<'_>, taken_out: &mut Vec<Task>) -> bool {
        self.queue().release(entry, taken_out)
    }
}

/// Lets the pool of this engine be reached by its life.
pub(crate) fn be_reached<E: Engine>(engine: &Arc<E>) {
    let engine_of_life: Weak<dyn Reached> = Arc::downgrade(engine) as _;
    engine.life().owners.set_engine(engine_of_life);
}

/// The executor of the pool that lives this life.
#[derive(Clone)]
pub(crate) struct ByLife(pub(crate) Arc<Lifecycle>);

impl Executor for ByLife {
    fn try_accept(&self, task: Task) -> Result<(), Refused<Task>> {
        self.try_accept_ref(TaskRef::new(&mut MaybeUninit::uninit(), task))
    }

    fn try_accept_ref(&self, task: TaskRef<'_>) -> Result<(), Refused<Task>> {
        match (self.0.owners.engine(), self.0.owners.front()) {
            (Some(engine), _) => engine.take_in(task),
            // Of a backend that was swapped away, and is over.
            (None, Some(front)) => front.try_accept_ref(task),
            (None, None) => Err(Refused::Closed(task.into_task())),
        }
    }

    fn seems_full(&self) -> bool {
        self.room().seems_full()
    }

    fn room(&self) -> &Room {
        self.0.room()
    }

    fn capability(&self) -> Capability {
        let front = self.0.owners.front().map(|front| front.capability());
        front.unwrap_or_else(|| self.0.capability())
    }

    fn stats(&self) -> Stats {
        let front = self.0.owners.front().map(|front| front.stats());
        front.unwrap_or_else(|| self.0.stats())
    }

    fn is_closed(&self) -> bool {
        self.0.phase.is_closed() && self.0.owners.front().is_none_or(|front| front.is_closed())
    }

    fn pools(&self) -> Pools {
        let front = self.0.owners.front().map(|front| front.pools());
        front.unwrap_or_else(|| Pools::one(&self.0))
    }
}
