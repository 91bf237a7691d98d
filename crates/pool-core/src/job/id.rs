//! Job ids: unique in the process, handed to each thread in blocks so that no job pays for a shared
//! counter.

use std::cell::Cell;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::sys::machine;

/// Ids a thread takes at once: one shared write for each block.
const BLOCK: u64 = 1 << 12;

/// The first id that no thread has taken. It starts at 1, since an id is not zero.
static NEXT_BLOCK: AtomicU64 = AtomicU64::new(1);

thread_local! {
    /// The thread's next id, and the end of its block. Equal: the block is used up.
    static BLOCK_LEFT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
}

/// Identifies a job, uniquely within the process.
///
/// Ids of one thread ascend with its submissions; ids of two threads say nothing of their order. At
/// a billion jobs a second the range lasts for centuries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(NonZeroU64);

impl JobId {
    /// Returns an id that no job of the process has had; in a simulation, the next of the
    /// simulator's.
    #[inline]
    pub(crate) fn next() -> Self {
        // A simulation's jobs have the same ids each time.
        if let Some(id) = machine::next_job().and_then(Self::from_u64) {
            return id;
        }
        let fresh = BLOCK_LEFT.try_with(|block| {
            let (next, end) = block.get();
            if next < end {
                block.set((next + 1, end));
                return next;
            }
            let start = take(BLOCK);
            block.set((start + 1, start + BLOCK));
            start
        });
        // A thread whose locals are gone (it submits from a destructor) takes single ids.
        let id = fresh.unwrap_or_else(|_| take(1));
        Self(NonZeroU64::new(id).expect("ids start at 1 and the counter cannot wrap in practice"))
    }

    /// Returns the id as a number, for logs and metrics. It is never 0.
    ///
    /// # Examples
    /// ```
    /// # use pool_core::backend::SpawnPool;
    /// # let spawner = |run: Box<dyn FnOnce() + Send>| drop(std::thread::spawn(run));
    /// # let pool = SpawnPool::builder().workers(1).queue_capacity(8).adopt(spawner).build()?;
    /// let handle = pool.spawn(|| 42)?;
    /// assert_eq!(handle.id().to_string(), format!("#{}", handle.id().as_u64()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[inline]
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }

    /// The id that was shown as this number. `None` for 0.
    pub(crate) fn from_u64(id: u64) -> Option<Self> {
        NonZeroU64::new(id).map(Self)
    }
}

/// Takes that many ids in a row off the common counter, and returns the first.
fn take(count: u64) -> u64 {
    NEXT_BLOCK.fetch_add(count, Ordering::Relaxed)
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JobId({})", self.0)
    }
}
