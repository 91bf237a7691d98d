//! A pause of the whole pool: of each of its generations.
//!
//! Whether the pool is paused is noted with the chain, under its lock, and each change goes to all
//! generations under that lock. So of a pause and a resume at the same time the later one holds in
//! all of them, and one next to a swap holds in the generation that follows as well. No user code
//! runs meanwhile: workers are woken once the lock is free.
//!
//! The next generation of a paused pool begins paused, and so none of its workers is about to take
//! a job as those of the former come. If the pause ends while it is built, it ends there too, as
//! the generation is published; if it begins meanwhile, likewise.
//!
//! A job of an older generation that joins a child in the newest one waits for it, as a swap says,
//! and so for the end of the pause.

use std::sync::Arc;

use super::{Generation, Inner, Pool};
use pool_core::machine;

impl Pool {
    /// Starts no queued job from now on, until [`resume`](Self::resume) (`R1030`).
    ///
    /// All else goes on. The pool takes jobs in, up to its capacity. Queued jobs end by a cancel or
    /// at their deadlines. Jobs that run go on to their end, with the children that they join, the
    /// halves that they split into, and futures that were suspended. A queued child that its parent
    /// runs so leaves its place in the queue when the pool is resumed.
    ///
    /// A worker that is about to take a job out of the queue at this moment may still take it: so
    /// each worker may start one job more, even one that is submitted a moment later. A worker that
    /// runs a job takes none after it.
    ///
    /// A [`broadcast`](Self::broadcast) is not held back (`R1071`).
    ///
    /// A wait for a queued job, or for the pool to be idle, lasts until the pool is resumed: that
    /// of [`join`](crate::JobHandle::join) outside the pool, of
    /// [`wait_idle`](Self::wait_idle), and of a future that awaits a queued job, also
    /// its own child. A closure that joins a queued job of its pool runs it; if the pool was
    /// swapped since the closure began, the job is another backend's, and is waited for.
    ///
    /// A paused pool stays paused through a [`swap`](Self::swap) and a
    /// [`reconfigure`](Self::reconfigure), and through [`close`](Self::close). A
    /// [`shutdown`](Self::shutdown), and the drop of the last handle, end the pause for good
    /// (`R1032`).
    ///
    /// The pause is a flag: to pause a paused pool does nothing, and one resume ends it. This
    /// returns at once, and may be called within a job or a hook. In a forked child it does
    /// nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    /// use std::sync::mpsc;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// let ((go, gate), (tell, started)) = (mpsc::channel::<()>(), mpsc::channel());
    /// let runs = pool.spawn(move || tell.send(()).is_ok() && gate.recv().is_ok())?;
    /// started.recv()?; // the worker is busy, and not about to take a job
    /// pool.pause();
    /// let waits = pool.spawn(|| 42)?;
    /// go.send(())?;
    /// assert!(runs.join()?); // what runs goes on
    /// assert!(!waits.is_finished());
    /// pool.resume();
    /// assert_eq!(waits.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pause(&self) {
        if self.inner.is_forked() {
            return;
        }
        let alive = {
            let mut chain = self.inner.chain();
            chain.is_paused = true;
            let alive = self.inner.alive();
            alive.iter().for_each(|it| it.pool.pause());
            alive
        };
        drop(alive); // with the chain free: it may be the last of a generation, and of its hooks
    }

    /// Starts queued jobs again (`R1031`). Does nothing if the pool is not paused.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::{Backend, Pool};
    ///
    /// let pool = Pool::builder().workers(2).build()?;
    /// pool.pause();
    /// let waits = pool.spawn(|| 42)?;
    /// pool.swap(Backend::default())?; // the next backend is paused as well
    /// pool.resume();
    /// assert_eq!(waits.join()?, 42);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&self) {
        if self.inner.is_forked() {
            return;
        }
        let alive: Vec<_> = {
            let mut chain = self.inner.chain();
            chain.is_paused = false;
            let alive = self.inner.alive().into_iter();
            alive.map(|it| (it.pool.end_pause(), it)).collect()
        };
        for (was_paused, generation) in alive {
            if was_paused {
                generation.pool.resume_after_pause();
            }
        }
    }

    /// Returns whether the pool is paused. A pool that was shut down, or that a forked child
    /// inherits, is not.
    ///
    /// # Examples
    ///
    /// ```
    /// use pool::Pool;
    ///
    /// let pool = Pool::builder().workers(1).build()?;
    /// pool.pause();
    /// assert!(pool.is_paused());
    /// pool.shutdown(std::time::Duration::from_secs(30)); // ends the pause
    /// assert!(!pool.is_paused());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_paused(&self) -> bool {
        self.inner.newest.read(|newest| newest.pool.is_paused())
    }
}

impl Inner {
    /// The generations that have work, oldest first, for a thread that has the chain: none is added
    /// meanwhile.
    fn alive(&self) -> Vec<Arc<Generation>> {
        machine::lock(&self.books).alive.clone()
    }
}
