//! What `fork(2)` leaves of a pool in the child: nothing that runs. So the child closes each pool
//! that it inherits.
//!
//! The child has the calling thread alone. The workers are missing, the jobs are the parent's to
//! run, and a lock that another thread held at that moment stays taken. A handler that the C
//! library runs in the child sets the phase of every pool to *forked*. Submissions, workers and
//! shutdowns read the phase anyway, so nobody pays for the check; and none of them takes a lock of
//! the pool's once it has read that phase.
//!
//! The registry of pools and the list of helps (`worker::park::foreign_thread`) are locked, in this
//! order, from before the fork until after it, on both sides: the child finds them whole, and free.
//! Raw system calls (`clone`, `vfork`) run no handlers.
//!
//! The guards lie in a thread-local from the handler before the fork to that after it: the C
//! library calls all three on the thread that forks.

#[cfg(not(all(target_os = "linux", not(pool_loom), not(miri))))]
mod handlers {
    /// Does nothing: there is no `fork` here that the pools would see.
    pub(crate) fn prepare() {}

    /// Sets nothing: no fork is seen here.
    pub fn set_in_forked_children(_mark: std::sync::Arc<std::sync::atomic::AtomicBool>) {}
}

#[cfg(all(target_os = "linux", not(pool_loom), not(miri)))]
mod handlers {
    use std::cell::RefCell;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, MutexGuard, Once, OnceLock};

    use crate::pool::registry::{self, Registry};
    use crate::sys::published::open_after_a_fork;
    use crate::worker::park::foreign_thread::{self, Helps};

    /// What is locked across a fork.
    type Held = (MutexGuard<'static, Registry>, MutexGuard<'static, Helps>);

    thread_local! {
        /// The locks, while the calling thread is forking.
        static HELD: RefCell<Option<Held>> = const { RefCell::new(None) };
    }

    /// Set in each child.
    static MARK: OnceLock<Arc<AtomicBool>> = OnceLock::new();

    /// Has a mark of the process set in each child that is forked from now on. There is one: the
    /// first stays.
    pub fn set_in_forked_children(mark: Arc<AtomicBool>) {
        let _first = MARK.set(mark);
        prepare();
    }

    /// Has the children of later forks close the pools of the registry.
    pub(crate) fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            // SAFETY: the handlers are functions that live as long as the process. They lock, store
            // bytes and unlock, and do not unwind.
            let _refused = unsafe {
                libc::pthread_atfork(Some(before), Some(in_the_parent), Some(in_the_child))
            };
            // If it is refused because there is no memory, a child would wait for workers that it
            // does not have, as it would without a handler.
        });
    }

    /// Runs in the thread that forks, before the fork: takes both locks, so that no other thread
    /// holds one at that moment.
    extern "C" fn before() {
        let guards = (registry::lock(), foreign_thread::lock());
        // A thread that forks as its locals are dropped keeps nothing: its child looks at the list
        // only if that is free.
        let _gone = HELD.try_with(|held| *held.borrow_mut() = Some(guards));
    }

    /// Runs in the parent after the fork.
    extern "C" fn in_the_parent() {
        release();
    }

    /// Runs in the child after the fork: forgets readers that are the parent's threads, frees the
    /// locks, and marks each pool as forked. It calls no user code.
    extern "C" fn in_the_child() {
        open_after_a_fork();
        if let Some(mark) = MARK.get() {
            mark.store(true, Ordering::SeqCst);
        }
        let held = HELD.try_with(RefCell::take).ok().flatten();
        let (pools, helps) = held.unzip();
        drop(helps);
        let Some(pools) = pools.or_else(registry::try_lock) else {
            return;
        };
        // What is upgraded here has another owner, maybe on a thread that is no more: nothing is
        // dropped.
        pools.alive().for_each(|life| life.phase.mark_forked());
    }

    /// Frees both locks.
    fn release() {
        let _gone = HELD.try_with(RefCell::take);
    }
}

pub(crate) use handlers::prepare;
pub use handlers::set_in_forked_children;
