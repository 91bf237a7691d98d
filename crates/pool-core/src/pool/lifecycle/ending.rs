//! `Ending`: what must have happened before the workers of a stopped pool leave and its engine is
//! freed. The steps of a shutdown are in `pool/shutdown.rs`.
//!
//! # Workers that stay
//! A future may wait for the end of its own pool, and needs a worker to be polled once that has
//! come. So while such a future waits, the workers of a stopped pool stay until all that wait have
//! been **told** of the end; by then the futures among them are in the list of woken ones. A pool
//! that is one of several, as the generations of a swapped pool are, is not told before all of
//! these have ended.
//!
//! # A pool without handles
//! The last handle may be dropped while jobs still run or futures sleep. Such a pool **stops when
//! it is quiet**, and **holds** its engine until the last worker has left, since a sleeping worker
//! or future needs the engine to be woken. The thread that leaves the engine here looks for workers
//! afterwards, and the last worker looks for an engine after it was counted out. So one of the two
//! finds the other.

use std::any::Any;
use std::sync::Arc;

use super::Lifecycle;
use super::phase::AtomicPhase;
use super::roster::Roster;
use crate::job::id::JobId;
use crate::pool::shutdown::Progress;
use crate::sys::sync::{AtomicBool, AtomicUsize, LockExt, Mutex, Ordering};

/// What the end of a pool waits for, and how far it has come. At its default until the pool is
/// closed.
#[derive(Default)]
pub(crate) struct Ending {
    /// All that wait for the end know of it.
    is_told: AtomicBool,
    /// Calls under way that end this pool as one part of another.
    with_others: AtomicUsize,
    /// The engine, where nobody else may be left to keep it.
    held: Mutex<Option<Arc<dyn Any + Send + Sync>>>,
    /// The pool stops of itself once it is quiet: nobody is left to shut it down.
    stops_when_quiet: AtomicBool,
    /// The last worker is out, and all futures that slept are in the list of woken ones.
    is_deserted: AtomicBool,
    /// How far the calls of `shutdown` have come.
    pub(crate) progress: Mutex<Progress>,
}

impl Ending {
    /// Whether all that wait for the end of the whole pool have been told.
    pub(super) fn is_told(&self) -> bool {
        // ORDERING: Acquire, see `tell`.
        self.is_told.load(Ordering::Acquire) && self.with_others.load(Ordering::Acquire) == 0
    }

    /// All that wait for the end of `life` have been told of it: futures among them were woken, and
    /// are in the list of the woken ones.
    pub(crate) fn tell(&self, life: &Lifecycle) {
        // ORDERING: Release pairs with the Acquire in `is_told`: a worker that sees it sees the
        // futures that were woken before.
        self.is_told.store(true, Ordering::Release);
        life.roster.let_leave(&life.phase);
    }

    /// Nobody is left to shut `life` down: it stops once it is quiet.
    ///
    /// Called by the last handle's drop where that must not wait, and for a generation that was
    /// retired.
    pub(crate) fn stop_when_quiet(&self, life: &Lifecycle) {
        life.close();
        self.stops_when_quiet.store(true, Ordering::SeqCst);
        life.tell_watchers();
    }

    /// Whether the pool stops by itself.
    pub(crate) fn stops_when_quiet(&self) -> bool {
        self.stops_when_quiet.load(Ordering::SeqCst)
    }

    /// Whether the pool, if it is quiet now, is to stop by itself.
    pub(super) fn is_stop_due(&self) -> bool {
        // ORDERING: Acquire: the intake is over, and its heavy fence behind it, before the ledger
        // is read.
        self.stops_when_quiet.load(Ordering::Acquire)
    }

    /// The last worker is out, and what slept was woken: what needs a worker from here on is ended
    /// by the thread that brings it. The caller makes a heavy fence, and ends what was there
    /// before.
    pub(super) fn desert(&self) {
        self.is_deserted.store(true, Ordering::SeqCst);
    }

    /// Whether no worker is left, nor will come. The caller has made a light fence after it has
    /// left something to the workers.
    #[inline]
    pub(crate) fn is_deserted(&self) -> bool {
        self.is_deserted.load(Ordering::SeqCst)
    }

    /// Keeps `engine` until every worker has left.
    ///
    /// If they have left already, it is let go before this returns.
    pub(crate) fn hold(&self, engine: Arc<dyn Any + Send + Sync>, roster: &Roster) {
        *self.held.lock_unpoisoned() = Some(engine);
        self.release_if_deserted(roster);
    }

    /// Called after a worker has been counted out, and after an engine was left here: the second of
    /// the two finds the other.
    pub(super) fn release_if_deserted(&self, roster: &Roster) {
        if roster.alive() > 0 {
            return;
        }
        let held = self.held.lock_unpoisoned().take();
        // The caller holds the engine as well, or is none of its threads.
        drop(held);
    }

    /// Notes a job that ends as cancelled although neither its handle nor its token asked. So the
    /// end of the pool, whose phase this is, is why; or the end of the threads that the pool
    /// borrowed.
    #[cold]
    pub(crate) fn note_if_cut_short(
        &self,
        id: JobId,
        name: Option<&str>,
        was_asked: bool,
        phase: &AtomicPhase,
    ) {
        if !was_asked && !phase.is_forked() {
            let name = name.map(Box::from);
            self.progress.lock_unpoisoned().note_cut_short(id, name);
        }
    }
}

/// Says that a pool is one of several that end one after the other, until this is dropped: its own
/// end is not all that is waited for.
pub(crate) struct EndsWithOthers {
    life: Arc<Lifecycle>,
}

impl EndsWithOthers {
    /// Held by the call that ends all parts, until the last part has its report.
    pub(crate) fn begin(life: &Arc<Lifecycle>) -> Self {
        life.ending.with_others.fetch_add(1, Ordering::SeqCst);
        Self {
            life: Arc::clone(life),
        }
    }
}

impl Drop for EndsWithOthers {
    fn drop(&mut self) {
        // ORDERING: Release, as in `tell`, which has the same partner.
        self.life.ending.with_others.fetch_sub(1, Ordering::Release);
        self.life.roster.let_leave(&self.life.phase);
    }
}
