//! `AtomicPhase`: where a pool is in its life, and whether it is paused.
//!
//! The phase only moves forward. It is one byte in which each phase has the bits of those before it
//! and one more, so each question about it is a test of some bits, whatever the others are. The
//! pause is another bit of that byte.
//!
//! # What a pause holds back
//! A paused pool starts no queued job, and does all else: it takes jobs in up to its bound, ends
//! queued ones by their tokens and deadlines, and goes on with those that run. **Only a pop of the
//! queue starts a job that is not part of a running one**, so only the pops are held back: that of
//! a worker, that of a host of futures, and that of a job which waits for its whole pool. What is
//! part of a running job goes on, since the job could not otherwise: a future that was woken, a
//! half of a job that splits, a child that the job claims as it joins it or that runs in place
//! because the queue is full.
//!
//! A worker asks before each pop, by the test of the byte that it makes anyway to see the end of
//! the pool. Between the test and the pop it may be held up; so at the moment of a pause each
//! worker may take one job more, even one that is submitted a moment later.
//!
//! A third bit of the same byte says that tasks wait for certain workers (`pinned`), which a pause
//! does not hold back.
//!
//! # Why no wake is lost
//! To a worker that is about to sleep the queue of a paused pool is empty, so it sleeps, whatever
//! is queued. A submitter wakes nobody then. The thread that ends the pause clears the bit, and
//! then resumes all that sleep:
//! - A worker that is on the idle stack by then is resumed. One that comes to the stack later has
//!   its lock after that thread, and looks once more after that: it sees that the pause is over.
//! - A submitter that saw the pause has made a full fence between its push and that look, and
//!   looked before the bit was cleared. Each of those workers makes a full fence after that, before
//!   its last look; so that look sees the push.
//!
//! # The end of all pauses
//! A shutdown, and the drop of the last handle, must come to their end. They end the pause for
//! good: one step, in this byte, decides whether a pause came before it, and is ended, or comes too
//! late. The pool of a forked child runs nothing, paused or not.

use std::fmt;

use crate::sys::asymmetric_fence::heavy;
use crate::sys::machine::{self, Point};
use crate::sys::sync::{AtomicU8, Ordering};

/// Where a pool is in its life. It only moves forward, in the order of the variants.
///
/// Its text is one word for a log: `open`, `draining`, `cancelling`, `stopped`, `forked`.
///
/// # Examples
///
/// ```
/// use pool_core::{ExecutorExt, PoolPhase};
///
/// # use pool_core::backend::SpawnPool;
/// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
/// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
/// assert_eq!(pool.snapshot().phase, PoolPhase::Open);
/// let held = pool.spawn(|| 42)?;
/// pool.close();
/// assert!(pool.snapshot().phase >= PoolPhase::Draining);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
#[repr(u8)]
pub enum Phase {
    /// Takes jobs in.
    Open = 0b0000,
    /// Takes none in, and runs what it has.
    Draining = 0b0001,
    /// Starts none either, and asks those that run to stop.
    Cancelling = 0b0011,
    /// Its workers leave as soon as nothing is left for them.
    Stopped = 0b0111,
    /// This process is a forked child, and the pool its parent's.
    Forked = 0b1111,
}

impl Phase {
    /// The bit that this phase and all later ones have; none for the first phase.
    const fn own_bit(self) -> u8 {
        self as u8 & !(self as u8 >> 1)
    }
}

/// Queued jobs do not start.
const PAUSED: u8 = 1 << 4;
/// The pool cannot be paused any more.
const UNPAUSABLE: u8 = 1 << 5;
/// Tasks wait for certain workers. Set and cleared under the lock of their lists.
const PINNED: u8 = 1 << 6;

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Open => "open",
            Self::Draining => "draining",
            Self::Cancelling => "cancelling",
            Self::Stopped => "stopped",
            Self::Forked => "forked",
        })
    }
}

/// The phase of a pool, which any thread may read or move forward, and its pause.
pub(crate) struct AtomicPhase {
    /// The bits of a [`Phase`], which are only set, and those of the pause.
    bits: AtomicU8,
}

impl AtomicPhase {
    /// An open pool.
    pub(super) fn open() -> Self {
        Self {
            bits: AtomicU8::new(Phase::Open as u8),
        }
    }

    /// An open pool whose workers have never been told to take jobs: so none is about to.
    pub(super) fn paused() -> Self {
        Self {
            bits: AtomicU8::new(PAUSED),
        }
    }

    /// The phase as it is now; it may be a later one at once.
    #[inline]
    pub(crate) fn load(&self) -> Phase {
        // ORDERING: SeqCst, see the head of `intake`.
        match self.bits.load(Ordering::SeqCst) & Phase::Forked as u8 {
            0b0000 => Phase::Open,
            0b0001 => Phase::Draining,
            0b0011 => Phase::Cancelling,
            0b0111 => Phase::Stopped,
            _ => Phase::Forked,
        }
    }

    /// Whether one of these bits is set.
    #[inline(always)]
    fn has(&self, bits: u8) -> bool {
        // ORDERING: SeqCst, see the head of `intake`.
        self.bits.load(Ordering::SeqCst) & bits != 0
    }

    /// Whether the pool is in this phase or a later one. Not for the first phase, which every pool
    /// has reached.
    #[inline(always)]
    pub(super) fn has_reached(&self, phase: Phase) -> bool {
        self.has(phase.own_bit())
    }

    /// Whether intake has ended.
    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.has_reached(Phase::Draining)
    }

    /// Whether the grace is over: queued jobs no longer start, and running ones are asked to stop.
    #[inline]
    pub(crate) fn is_cancelling(&self) -> bool {
        self.has_reached(Phase::Cancelling)
    }

    /// Whether a worker has something to see to before it takes a job out of the queue: the grace
    /// is over, or the pool is paused, and then queued jobs are held back; or tasks wait for
    /// certain workers. One test, for each look of a worker.
    #[inline]
    pub(crate) fn looks_beside_queue(&self) -> bool {
        self.has(Phase::Cancelling.own_bit() | PAUSED | PINNED)
    }

    /// Has workers look whether a task waits for them alone.
    pub(super) fn mark_pinned(&self) {
        self.bits.fetch_or(PINNED, Ordering::SeqCst);
    }

    /// No task waits so any more.
    pub(super) fn unmark_pinned(&self) {
        self.bits.fetch_and(!PINNED, Ordering::SeqCst);
    }

    /// Whether the pool is paused. One that is being cancelled is not: what it has queued is given
    /// up.
    #[inline]
    pub(crate) fn is_paused(&self) -> bool {
        // ORDERING: SeqCst, as in `has`: the last look of a worker that is about to sleep, and the
        // look of a submitter, come behind their full fences.
        let bits = self.bits.load(Ordering::SeqCst);
        bits & (Phase::Cancelling.own_bit() | PAUSED) == PAUSED
    }

    /// Whether the workers end as soon as they are idle.
    #[inline]
    pub(crate) fn is_stopped(&self) -> bool {
        self.has_reached(Phase::Stopped)
    }

    /// Whether this process is a forked child, and the pool its parent's.
    #[inline]
    pub(crate) fn is_forked(&self) -> bool {
        self.has_reached(Phase::Forked)
    }

    /// See [`atfork`](crate::sys::atfork).
    ///
    /// Called in a forked child, for each pool that it inherits, before any other thread of it
    /// exists.
    pub(crate) fn mark_forked(&self) {
        self.advance(Phase::Forked);
    }

    /// Ends intake. The caller wakes the submitters that wait for room. True if this call ended it.
    pub(crate) fn end_intake(&self) -> bool {
        let has_ended = self.advance(Phase::Draining);
        if has_ended {
            machine::point(Point::Close);
        }
        // ORDERING: partners are the light fences of `intake`. Each closer has its own, since each
        // may go on to read the ledger.
        heavy();
        has_ended
    }

    /// Moves the phase forward. True if this call did.
    pub(super) fn advance(&self, to: Phase) -> bool {
        let bits = self.bits.fetch_or(to as u8, Ordering::SeqCst);
        bits & to.own_bit() == 0
    }

    /// Pauses the pool, unless that has been ruled out.
    pub(super) fn pause(&self) {
        let paused = |bits: u8| (bits & UNPAUSABLE == 0).then_some(bits | PAUSED);
        let _former = self
            .bits
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, paused);
    }

    /// Ends the pause. True if there was one: then the caller resumes the sleepers.
    pub(super) fn end_pause(&self) -> bool {
        self.bits.fetch_and(!PAUSED, Ordering::SeqCst) & PAUSED != 0
    }

    /// Ends the pause and rules out any other. True as for [`end_pause`](Self::end_pause).
    pub(super) fn end_pauses(&self) -> bool {
        self.bits.fetch_or(UNPAUSABLE, Ordering::SeqCst);
        self.end_pause()
    }
}

#[cfg(all(test, not(pool_loom)))]
mod tests {
    use super::{AtomicPhase, Phase};

    const CLOSED: [Phase; 4] = [
        Phase::Draining,
        Phase::Cancelling,
        Phase::Stopped,
        Phase::Forked,
    ];

    #[test]
    fn a_phase_has_reached_itself_and_all_before_it() {
        for (number, phase) in CLOSED.into_iter().enumerate() {
            for is_paused in [false, true] {
                let life = AtomicPhase::open();
                if is_paused {
                    life.pause();
                }
                assert!(life.advance(phase) && !life.advance(phase));
                assert_eq!(life.load(), phase);
                let reached = CLOSED.map(|it| life.has_reached(it));
                assert_eq!(reached, [0, 1, 2, 3].map(|it| it <= number), "{phase:?}");
                assert_eq!(life.is_paused(), is_paused && number == 0);
                assert_eq!(life.looks_beside_queue(), is_paused || number > 0);
                assert!(!life.advance(CLOSED[0]), "it only moves forward");
            }
        }
        assert_eq!(AtomicPhase::open().load(), Phase::Open);
    }

    #[test]
    fn a_pause_is_a_flag_and_comes_too_late_after_the_last() {
        let life = AtomicPhase::open();
        life.pause();
        life.pause();
        assert!(life.is_paused() && !life.is_closed());
        assert!(life.end_pause() && !life.end_pause());
        life.pause();
        assert!(life.end_pauses());
        life.pause();
        assert!(!life.is_paused() && !life.end_pauses());
    }
}
