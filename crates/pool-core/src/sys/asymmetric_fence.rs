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
    use std::sync::atomic::{AtomicBool, Ordering, compiler_fence, fence};
    use std::thread;
    use std::time::Duration;

    /// Commands of `membarrier(2)`, which the crate `libc` does not name.
    const PRIVATE_EXPEDITED: c_int = 1 << 3;
    const REGISTER_PRIVATE_EXPEDITED: c_int = 1 << 4;

    /// How long a store may take to leave its core, by far: used only if the kernel takes its
    /// promise back.
    const STORES_ARE_OUT: Duration = Duration::from_millis(1);

    /// Whether `light` may leave the fence to `heavy`. False until the kernel has agreed, which is
    /// always safe: a full fence is more than a light one.
    static IS_ASYMMETRIC: AtomicBool = AtomicBool::new(false);

    /// Asks the kernel, once in a process. Each pool does so before its first job.
    pub(crate) fn prepare() {
        static ONCE: Once = Once::new();
        ONCE.call_once(|| {
            let has_agreed =
                membarrier(REGISTER_PRIVATE_EXPEDITED) && membarrier(PRIVATE_EXPEDITED);
            // ORDERING: `Once` publishes it to each thread that has built a pool; until then a
            // light fence is a full one.
            IS_ASYMMETRIC.store(has_agreed, Ordering::SeqCst);
        });
    }

    /// The cheap side. It orders the caller's write before its read with respect to a thread that
    /// is at [`heavy`] in between its own write and read, and to no other.
    #[inline(always)]
    pub(crate) fn light() {
        // ORDERING: Relaxed: it is written before the first pool's first job, and read to choose a
        // fence, not behind one. The compiler's fence keeps the caller's write before its read; the
        // processor's is the partner's `heavy`.
        if IS_ASYMMETRIC.load(Ordering::Relaxed) {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The expensive side: a full fence here, and one on each core that runs a thread of this
    /// process. A system call, of some microseconds.
    pub(crate) fn heavy() {
        // ORDERING: this thread's own full fence, on both sides of the call that makes the other
        // cores pass one: partner of each `light`.
        fence(Ordering::SeqCst);
        if IS_ASYMMETRIC.load(Ordering::Relaxed) && !membarrier(PRIVATE_EXPEDITED) {
            without_the_kernel();
        }
        fence(Ordering::SeqCst);
    }

    /// The call was denied after it had been granted (a filter installed by a running program):
    /// fences on both sides from now on. What was stored before, under the old agreement, is given
    /// time to become visible.
    #[cold]
    fn without_the_kernel() {
        // ORDERING: SeqCst, so that it leaves this core before the wait begins; `light` is a full
        // fence for a thread that sees it.
        IS_ASYMMETRIC.store(false, Ordering::SeqCst);
        thread::sleep(STORES_ARE_OUT);
    }

    /// Calls `membarrier(2)` with a command. Returns false if the kernel refuses it.
    fn membarrier(command: c_int) -> bool {
        // SAFETY: the call takes a command, no flags and no CPU; it reads and writes no memory of
        // ours.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
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
