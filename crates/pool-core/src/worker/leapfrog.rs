//! How second halves are stolen: by a worker that has nothing to do, from anybody; and by a job
//! that waits for a stolen half, from those that work on that half ("leapfrogging").
//!
//! # What a joiner may run
//! A job that waits for its stolen half may hold locks. It runs nothing but parts of that half:
//! what was forked within it, on whichever worker. Such a part is to be over before the half is, so
//! if it wants a lock of the joiner, it would wait on any thread, and no worker that runs it in the
//! joiner's place adds to that (`R502`).
//!
//! Each stolen half knows within which one it was forked, so a part is found by going outwards from
//! it. The origin of the halves on a worker's stack says this, and is read under that stack's lock
//! before one of them is stolen (`fork_stack`).
//!
//! # How a joiner sleeps
//! It says in its half that it **waits**; then it marks the stacks on which parts of the half are
//! forked as **wanted**; a heavy fence; then it looks once more, and sleeps.
//! - **A fork** raises the stack's top; a light fence; then it looks for the mark. If it sees it,
//!   it takes the mark away, and then looks for a joiner that waits, from its half outwards, and
//!   wakes the first. If it woke one, it sets the mark again: there may be others.
//! - **A job that forks for the first time** tells the origin, under the lock of the stack; then it
//!   looks for a joiner that waits, and marks its own stack if there is one.
//! - **A joiner that was woken and finds nothing** until its wait is over wakes the next joiner
//!   outwards.
//!
//! So a part that is forked after the joiner's last look finds the mark, or puts it there itself: a
//! joiner that came to the stack's lock later saw the origin and has marked the stack, and one that
//! came earlier had said before that it waits. The mark is changed by swaps alone: a joiner's comes
//! after the fork's, and stays, or before, and then the fork sees that the joiner waits. A mark
//! that nobody needs costs the next fork a look.
//!
//! A joiner that finds nothing loses no more than time: its half is over without its help.
//!
//! After Wagner and Calder, "Leapfrogging: A Portable Technique for Implementing Efficient Futures"
//! (1993).

use std::cell::RefCell;
use std::future::poll_fn;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::sync::atomic::AtomicBool as PlainBool;
use std::task::{Context, Poll, Waker};

use super::Worker;
use super::fork_stack::ForkStack;
use crate::job::id::JobId;
use crate::pool::engine::Engine;
use crate::pool::lifecycle::Joiner;
use crate::submit::join::ForkedHalf;
use crate::sys::asymmetric_fence::heavy;
use crate::sys::sync::{AtomicBool, LockExt, Mutex, Ordering};
use crate::task::{Task, TaskRef};
use crate::worker::inline::MAX_IN_PLACE;
use crate::worker::park::{Looks, block_on, look_between_yields};

/// How many jobs may be within each other on a stack on which a joiner takes one more part.
const MAX_WITHIN: usize = 64;

/// A second half that was stolen, as what is forked within it knows it.
pub(crate) struct StolenHalf {
    /// The stolen half within which this one was forked.
    within: Option<Arc<StolenHalf>>,
    /// Whether its joiner waits, and may be woken for a part of it.
    is_awaited: AtomicBool,
    /// How the joiner is woken.
    joiner: Mutex<Option<Waker>>,
}

impl StolenHalf {
    /// A half that was forked within another stolen one, or in none.
    pub(crate) fn new(within: Option<Arc<Self>>) -> Self {
        Self {
            within,
            is_awaited: AtomicBool::new(false),
            joiner: Mutex::new(None),
        }
    }

    /// This half, and those around it, the innermost first.
    fn outwards(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |half| half.within.as_deref())
    }

    /// Whether this is `whole`, or was forked within it.
    pub(crate) fn is_part_of(&self, whole: &Self) -> bool {
        self.outwards().any(|half| std::ptr::eq(half, whole))
    }

    /// Whether the joiner of this half, or of one around it, waits.
    pub(crate) fn is_wanted(&self) -> bool {
        self.outwards()
            .any(|half| half.is_awaited.load(Ordering::Relaxed))
    }

    /// Wakes the joiner of this half, or of the next one outwards, that waits. Returns whether
    /// there was one.
    fn wake_a_joiner(&self) -> bool {
        let mut halves = self.outwards();
        // ORDERING: Release, see `Awaiting::looks`.
        let awaited = halves.find(|half| {
            half.is_awaited.load(Ordering::Relaxed)
                && half.is_awaited.swap(false, Ordering::Release)
        });
        let Some(awaited) = awaited else {
            return false;
        };
        let joiner = awaited.joiner.lock_unpoisoned().take();
        if let Some(joiner) = joiner {
            joiner.wake();
        }
        true
    }
}

/// The wait of a joiner for its stolen half, as those know it that fork parts of the half.
pub(crate) struct Awaiting<'h> {
    half: &'h StolenHalf,
    /// Whether the joiner has said that it waits, and has not looked since.
    is_announced: bool,
    /// Whether it was woken for a part, and has not taken one since.
    owes: bool,
}

impl<'h> Awaiting<'h> {
    /// Begins with a look.
    pub(crate) fn new(half: &'h StolenHalf) -> Self {
        Self {
            half,
            is_announced: false,
            owes: false,
        }
    }

    /// The joiner is about to look for a part.
    pub(crate) fn looks(&mut self) {
        if std::mem::take(&mut self.is_announced) {
            // ORDERING: Acquire, here for who else waits: what the thread that woke this joiner saw
            // of others, this one sees.
            self.owes |= !self.half.is_awaited.swap(false, Ordering::Acquire);
        }
    }

    /// It has found one.
    pub(crate) fn has_found(&mut self) {
        self.owes = false;
    }

    /// Says that the joiner waits, and is woken so. It then marks the stacks, fences and looks once
    /// more.
    pub(crate) fn announce(&mut self, joiner: &Waker) {
        *self.half.joiner.lock_unpoisoned() = Some(joiner.clone());
        // A swap, like all changes of it: each sees the one before.
        self.half.is_awaited.swap(true, Ordering::Relaxed);
        self.is_announced = true;
    }
}

impl Drop for Awaiting<'_> {
    /// The wait is over. If a fork has woken the joiner in vain, it wakes the next one outwards.
    fn drop(&mut self) {
        self.looks();
        if self.owes
            && let Some(outer) = &self.half.within
        {
            outer.wake_a_joiner();
        }
    }
}

/// Something was forked on a stack that is marked as wanted, within a stolen half or in none: wakes
/// a joiner that may steal it. Called by the stack's owner, after the fork and a light fence.
#[cold]
pub(crate) fn wake_a_joiner<H, O>(stack: &ForkStack<H, O>, within: Option<&StolenHalf>) {
    stack.set_wanted(false);
    if within.is_some_and(StolenHalf::wake_a_joiner) {
        stack.set_wanted(true);
    }
}

/// The first fork of a job has told its origin: marks the stack if a joiner waits for the half that
/// the origin is within. Called by the stack's owner.
pub(crate) fn want_if_awaited<H, O>(stack: &ForkStack<H, O>, within: Option<&StolenHalf>) {
    // ORDERING: the lock of the origins, which the caller has held, and a joiner that marks stacks
    // holds after it has said that it waits, orders the two.
    if within.is_some_and(StolenHalf::is_wanted) {
        stack.set_wanted(true);
    }
}

/// Marks the stack if parts of what a joiner awaits are forked there. Called by the joiner after it
/// has said that it waits, and before a heavy fence and its last look.
pub(crate) fn want_parts<H, O>(stack: &ForkStack<H, O>, is_part: impl FnOnce(&O) -> bool) {
    if stack.ask_newest_origin(is_part) == Some(true) {
        stack.set_wanted(true);
    }
}

/// What thieves ask of the job that has forked a half.
pub(crate) struct Origin {
    /// The job, and those beneath it on its stack: what waits for the whole pool within a half of
    /// it leaves them out.
    pub(crate) joiner: Arc<Joiner>,
    /// The stolen half as part of which the job runs.
    pub(crate) within: Option<Arc<StolenHalf>>,
}

impl Origin {
    /// Whether what it forks is part of `whole`.
    fn is_part_of(&self, whole: &StolenHalf) -> bool {
        let within = self.within.as_deref();
        within.is_some_and(|half| half.is_part_of(whole))
    }
}

/// The stack of one worker's forked halves.
pub(crate) type Halves = ForkStack<ForkedHalf, Origin>;

/// The forked halves of a pool, by worker.
pub(crate) struct Forks {
    stacks: Box<[Arc<Halves>]>,
    /// Whether a job of this pool has ever forked: until then there is nothing to look for.
    are_used: PlainBool,
}

impl Forks {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            stacks: (0..workers).map(|_| Arc::default()).collect(),
            are_used: PlainBool::new(false),
        }
    }

    /// The stack of the worker at that seat.
    pub(crate) fn stack(&self, index: usize) -> &Arc<Halves> {
        &self.stacks[index]
    }

    /// Whether there is a half to steal. Out of date at once.
    #[inline]
    pub(crate) fn has_any(&self) -> bool {
        // ORDERING: Relaxed: it was set before the half was forked, and is looked for like that.
        self.are_used.load(Ordering::Relaxed) && self.stacks.iter().any(|stack| !stack.is_empty())
    }

    /// Whether there may be one, now or once a worker that tries to steal it has come too late. For
    /// the last look of a worker that is about to sleep, or of the last that searches.
    #[inline]
    pub(crate) fn may_have_any(&self) -> bool {
        // ORDERING: as above.
        self.are_used.load(Ordering::Relaxed) && self.stacks.iter().any(|it| it.may_have_any())
    }

    /// Steals a half that `may_steal` allows from another than worker `thief`, beginning with the
    /// one behind `first`.
    fn steal(
        &self,
        thief: usize,
        first: usize,
        may_steal: impl Fn(&Origin) -> bool,
    ) -> Option<Task> {
        if !self.are_used.load(Ordering::Relaxed) {
            return None;
        }
        let count = self.stacks.len();
        let mut victims = (1..=count).map(|step| first.wrapping_add(step) % count);
        victims.find_map(|victim| {
            let stack = &self.stacks[victim];
            if victim == thief || stack.is_empty() {
                return None;
            }
            // SAFETY: `steal` gives out each half once, and while it lies in its joiner's frame.
            stack.steal(&may_steal, |half, origin| unsafe {
                ForkedHalf::take(half, origin)
            })
        })
    }

    /// Whether a part of `whole` may be stolen. For the last look before the joiner sleeps.
    fn has_part_of(&self, whole: &StolenHalf) -> bool {
        let has_part = |stack: &Arc<Halves>| {
            stack.may_have_any()
                && stack.ask_oldest_origin(|origin| origin.is_part_of(whole)) == Some(true)
        };
        self.stacks.iter().any(has_part)
    }
}

/// The stolen half as part of which the jobs on a worker's stack run. Used by the worker's own
/// thread alone.
pub(super) type Within = RefCell<Option<Arc<StolenHalf>>>;

impl Worker {
    /// The halves that the jobs on this worker fork.
    #[inline(always)]
    pub(crate) fn halves(&self) -> &Halves {
        &self.0.halves
    }

    /// Tells the origin of the halves that `job`, the innermost on this stack, is going to fork.
    #[cold]
    pub(crate) fn begin_forks(&self, job: JobId) {
        let within = self.0.within.borrow().clone();
        let origin = Origin {
            joiner: Arc::new(Joiner::on(self)),
            within: within.clone(),
        };
        // ORDERING: Relaxed, see `has_any`.
        self.life()
            .roster
            .forks
            .are_used
            .store(true, Ordering::Relaxed);
        self.halves().begin_origin(job, origin);
        want_if_awaited(self.halves(), within.as_deref());
    }

    /// Something was forked here, on this worker's `halves`: wakes a worker that has nothing to do,
    /// or a joiner that waits.
    #[inline(always)]
    pub(crate) fn has_forked(&self, halves: &Halves) {
        self.life().notify(); // begins with a light fence, for both
        if halves.is_wanted() {
            self.wake_a_joiner();
        }
    }

    /// Does the part of [`has_forked`](Self::has_forked) that is due only on a marked stack.
    #[cold]
    #[inline(never)]
    fn wake_a_joiner(&self) {
        wake_a_joiner(self.halves(), self.0.within.borrow().as_deref());
    }

    /// Runs what is part of a stolen half.
    pub(crate) fn run_within<R>(&self, half: Arc<StolenHalf>, run: impl FnOnce() -> R) -> R {
        /// Puts back what was before, also if the half panics.
        struct Outer<'w>(&'w Within, Option<Arc<StolenHalf>>);
        impl Drop for Outer<'_> {
            fn drop(&mut self) {
                self.0.replace(self.1.take());
            }
        }
        let within = &self.0.within;
        let _outer = Outer(within, within.replace(Some(half)));
        run()
    }

    /// Steals a half from another worker, and runs it as a job. For a worker that found nothing
    /// else. Returns false if there is none.
    pub(super) fn run_stolen<E: Engine>(&self, engine: &E) -> bool {
        let forks = &self.life().roster.forks;
        let first = self.index().wrapping_add(self.tick() as usize);
        let Some(half) = forks.steal(self.index(), first, |_| true) else {
            return false;
        };
        self.found(engine);
        self.run_half(half);
        true
    }

    /// Runs a stolen half. A pool that is being cancelled takes no new job: the half is left to its
    /// joiner.
    ///
    /// It is run in place and never queued: its joiner waits until it is called, and may be on the
    /// last worker that looks at the queue.
    fn run_half(&self, half: Task) {
        debug_assert!(self.may_run_in_place() && self.own_jobs() < MAX_IN_PLACE);
        let mut place = MaybeUninit::uninit();
        if let Err(refused) = self.run_inline(TaskRef::new(&mut place, half)) {
            drop(refused);
        }
    }

    /// Waits within a job for a half of it that was stolen, and steals parts of that half
    /// meanwhile. `poll_end` calls the waker once it may have ended.
    pub(crate) fn leapfrog(
        &self,
        half: &StolenHalf,
        poll_end: impl Fn(&mut Context<'_>) -> Poll<()>,
    ) {
        let forks = &self.life().roster.forks;
        // A waker that is left there does nothing, and is replaced below.
        let is_over = || poll_end(&mut Context::from_waker(Waker::noop())).is_ready();
        let mut awaiting = Awaiting::new(half);
        let wait = poll_fn(|cx| {
            loop {
                awaiting.looks();
                let look = || is_over() || self.run_part_of(half);
                if (look() || look_between_yields(Looks::JOINER, look)) && !is_over() {
                    awaiting.has_found();
                    continue;
                }
                if poll_end(cx).is_ready() {
                    return Poll::Ready(());
                }
                awaiting.announce(cx.waker());
                for stack in &forks.stacks {
                    want_parts(stack, |origin| origin.is_part_of(half));
                }
                // ORDERING: partner is the light fence after a fork.
                heavy();
                if !self.may_leapfrog() || !forks.has_part_of(half) {
                    return Poll::Pending;
                }
            }
        });
        let _ended = block_on(wait, None);
    }

    /// Whether a joiner may run one more part on this stack.
    fn may_leapfrog(&self) -> bool {
        self.own_jobs() < MAX_WITHIN && !self.is_hosting() && !self.life().is_cancelling()
    }

    /// Steals a part of a half that a job on this stack waits for, and runs it. Returns false if
    /// there is none.
    fn run_part_of(&self, whole: &StolenHalf) -> bool {
        if !self.may_leapfrog() {
            return false;
        }
        let forks = &self.life().roster.forks;
        let part = forks.steal(self.index(), self.index(), |origin| {
            origin.is_part_of(whole)
        });
        part.map(|part| self.run_half(part)).is_some()
    }
}
