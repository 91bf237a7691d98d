//! `Front`: a swapped pool as its generations see it, each of which is a pool between two swaps.
//!
//! A swapped pool is a chain of generations, each a pool of its own, of which the newest takes jobs
//! in. A job of an older one submits its children to the front, and they go to the newest. A
//! generation whose last worker has left, and whose last job is over, tells the front, which lets
//! go of it. The front owns the generations, so they do not own the front.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use crate::pool::hooks::HookPanics;
use crate::pool::lifecycle::Lifecycle;
use crate::pool::shared_values::SharedValues;
use crate::submit::executor::Executor;

/// What users have of a pool that is swapped.
pub trait Front: Executor {
    /// A generation has stopped, its last worker has left, and its last job is over. Called on the
    /// thread where the last of that came about, and perhaps twice: it must not wait.
    fn ended(&self, life: &Lifecycle);

    /// Ends the intake of the whole pool, as a job has panicked that this follows from. Called on
    /// the thread that ends the job.
    fn close(&self);

    /// The grace of a generation is over: gives up what is queued in all of those whose grace is
    /// over. Runs no job's code; see [`Lifecycle::worker_lost`] for the one exception.
    fn cancel_those_due(&self);
}

/// Where the generations of a pool find their front, which is made after the first of them. A clone
/// is the same.
///
/// The reference to the front is weak, since the front owns the generations.
#[derive(Clone, Default)]
pub struct FrontRef(Arc<Inner>);

#[derive(Default)]
struct Inner {
    /// Set once, before any job is submitted.
    front: OnceLock<Weak<dyn Front>>,
    hook_panics: HookPanics,
    /// What the jobs of all generations share: what the first was built with.
    shared: OnceLock<SharedValues>,
}

impl FrontRef {
    /// Leads nowhere yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says where it leads to, before the first job is submitted.
    pub fn set(&self, front: Weak<dyn Front>) {
        // A second call would be a mistake; the first stands.
        let _first = self.0.front.set(front);
    }

    /// The front, unless its users have gone.
    pub(crate) fn get(&self) -> Option<Arc<dyn Front>> {
        self.0.front.get()?.upgrade()
    }

    /// What the jobs of all generations share. The first call decides.
    pub(crate) fn share(&self, shared: &SharedValues) -> SharedValues {
        self.0.shared.get_or_init(|| shared.clone()).clone()
    }

    /// The count of hooks that panicked, which all generations share.
    pub(crate) fn hook_panics(&self) -> HookPanics {
        self.0.hook_panics.clone()
    }
}

impl fmt::Debug for FrontRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrontRef").finish_non_exhaustive()
    }
}
