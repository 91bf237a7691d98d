//! Fences in pairs whose cost lies on one side: `light` where every job passes, `heavy` where a
//! worker is about to sleep.
//!
//! Two threads each write one place and then read the other's (a submitter pushes, then looks for
//! sleepers; a worker announces its sleep, then looks for jobs). At least one must see the other's
//! write, for which each needs a full fence between its write and its read. A full fence waits for
//! the stores before it to reach other cores, which in a submitter is the job itself, on a cache
//! line that another core holds: it costs more than everything else that a submission does.
//!
//! Linux can run a full fence on every core that runs a thread of this process at that moment:
//! `membarrier(2)`. Where it answers, `light` only holds the compiler back, and `heavy` makes the
//! system call. Where it does not (another system, a sandbox that denies it), both are full fences.
//!
//! # Why that suffices
//! Take the moment at which the heavy side's barrier ran on the light side's core, or at which that
//! thread was not running, which goes along with a full fence of the kernel's. If the light side's
//! write came before it in program order, the write is visible to the heavy side's read. If it came
//! after, so did the light side's read, and that sees what the heavy side wrote before its call.
//! The kernel documents just this pairing (`MEMBARRIER_CMD_PRIVATE_EXPEDITED`).
//!
//! A pair of light fences orders nothing, and a `light` does not pair with a plain full fence
//! ([`full`]). So each use names its partner.
//!
//! Under loom both sides are full fences: what the models prove is the protocol, given fences that
//! pair. A model of which side needs which fence puts **delayed stores** in their place.

#[cfg(not(any(pool_loom, all(target_os = "linux", not(miri)))))]
mod fences {
    use crate::sys::sync::{Ordering, fence};

    /// Does nothing: both fences are full ones.
    pub(crate) fn prepare() {}

    /// A full fence.
    #[inline(always)]
    pub(crate) fn light() {
        fence(Ordering::SeqCst);
    }

    /// A full fence.
    #[inline(always)]
    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(target_os = "linux", not(pool_loom), not(miri)))]
mod fences {
    use std::ffi::c_int;
    use std::sync::Once;
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    /// Commands of `membarrier(2)`, which the crate `libc` does not name.
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    /// How long a store may take to leave its core, by far: used only if the kernel takes its
    /// promise back.
    const STORES_ARE_OUT: Duration = Duration::from_millis(1);

    /// Whether the kernel has promised to make the fences of the light side.
    static PROMISE: Promise = Promise(AtomicU8::new(NONE));

    /// There is no promise: both sides make full fences. So it is until the kernel has agreed,
    /// which is always safe: a full fence is more than a light one.
    const NONE: u8 = 0;
    /// `light` leaves the fence to `heavy`.
    const STANDS: u8 = 1;
    /// The promise was taken back a moment ago: `light` is a full fence again, and `heavy` waits
    /// for what was stored before the light fences that were none.
    const TAKEN_BACK: u8 = 2;

    /// One of the three.
    struct Promise(AtomicU8);

    impl Promise {
        /// Whether it stands.
        #[inline(always)]
        fn stands(&self) -> bool {
            self.0.load(Ordering::Relaxed) == STANDS
        }

        /// Does the heavy side's part for the light side: a `barrier`, as long as the promise
        /// stands; a `wait` if the kernel refuses it.
        ///
        /// While one thread waits so, each other one that comes waits as long. A light fence that
        /// read just before that the promise stands has made no fence, so the store before it may
        /// still be on its core, where the read that follows here would miss it.
        fn keep(&self, barrier: impl FnOnce() -> bool, wait: impl FnOnce()) {
            match self.0.load(Ordering::Relaxed) {
                NONE => {}
                STANDS if barrier() => {}
                _ => self.take_back(wait),
            }
        }

        /// The call was denied after it had been granted (a filter installed by a running program):
        /// full fences on both sides from now on. What was stored before, under the old agreement,
        /// is given time to become visible.
        #[cold]
        fn take_back(&self, wait: impl FnOnce()) {
            // ORDERING: SeqCst, for the order of this store and the next. The wait is for this one
            // too: by its end each light fence reads it, and is a full one.
            self.0.store(TAKEN_BACK, Ordering::SeqCst);
            wait();
            // Another thread may wait still, and finds that the promise does not stand either way.
            self.0.store(NONE, Ordering::SeqCst);
        }
    }

    /// Asks the kernel, once in a process. Each pool does so before its first job.
    pub(crate) fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            if membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED) {
                // ORDERING: `Once` publishes it to each thread that has built a pool; until then a
                // light fence is a full one.
                PROMISE.0.store(STANDS, Ordering::SeqCst);
            }
        });
    }

    /// The cheap side. It orders the caller's write before its read with respect to a thread that
    /// is at [`heavy`] in between its own write and read, and to no other.
    #[inline(always)]
    pub(crate) fn light() {
        // ORDERING: Relaxed: it is read to choose a fence, not behind one. It stands before the
        // first pool's first job; a thread that reads too late that it was taken back is waited
        // for. The compiler's fence keeps the caller's write before its read; the processor's is
        // the partner's `heavy`.
        if PROMISE.stands() {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The expensive side: a full fence here, and one on each core that runs a thread of this
    /// process. A system call, of some microseconds; where there is no promise, a full fence here.
    pub(crate) fn heavy() {
        // ORDERING: this thread's own full fence, on both sides of the call that makes the other
        // cores pass one: partner of each `light`.
        fence(Ordering::SeqCst);
        PROMISE.keep(
            || membarrier(PRIVATE_EXPEDITED),
            || thread::sleep(STORES_ARE_OUT),
        );
        fence(Ordering::SeqCst);
    }

    /// Calls `membarrier(2)` with a command. Returns false if the kernel refuses it.
    fn membarrier(command: c_int) -> bool {
        // SAFETY: the call takes a command, no flags and no CPU; it reads and writes no memory of
        // ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }

    #[cfg(test)]
    mod tests {
        use std::cell::Cell;
        use std::sync::atomic::AtomicU8;

        use super::{NONE, Promise, STANDS};

        #[test]
        fn who_comes_while_a_promise_is_taken_back_waits_too() {
            let promise = Promise(AtomicU8::new(STANDS));
            promise.keep(|| true, || panic!("the kernel has made the fences"));
            assert!(promise.stands());
            let waits = Cell::new(0);
            let count = || waits.set(waits.get() + 1);
            let other_comes = || {
                assert!(!promise.stands(), "light fences are full ones");
                promise.keep(|| panic!("the kernel would refuse"), count);
            };
            promise.keep(
                || false,
                || {
                    count();
                    other_comes();
                },
            );
            assert_eq!(waits.get(), 2, "each waits for the stores before its read");
            promise.keep(|| panic!("there is no promise"), || panic!("all is out"));
        }

        #[test]
        fn without_a_promise_the_heavy_side_does_nothing_for_the_other() {
            let promise = Promise(AtomicU8::new(NONE));
            promise.keep(|| panic!("nobody has agreed"), || panic!("all is out"));
            assert!(!promise.stands());
        }
    }
}

/// A full fence on this side alone: a partner of others of its kind, and of `heavy`.
#[cfg(not(pool_loom))]
#[inline(always)]
pub(crate) fn full() {
    crate::sys::sync::fence(crate::sys::sync::Ordering::SeqCst);
}

#[cfg(pool_loom)]
mod delayed_stores;

#[cfg(pool_loom)]
pub(crate) use delayed_stores::{Delayed, full, heavy, light, prepare};
#[cfg(not(pool_loom))]
pub(crate) use fences::{heavy, light, prepare};
