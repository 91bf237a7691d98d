//! `BusyTime`: for how long the workers of a pool have run users' code.
//!
//! # By the observer
//! Exact: from the first `enter` on a worker's thread to the `exit` of the same job, so what runs
//! within a job counts once. Each thread has a **meter** of its own, which it alone writes: no two
//! workers share a cache line for it, and there is no lock after a thread's first job. Futures
//! count by their polls. A poll on a thread that acts as no worker is no worker's time.
//!
//! A report adds the runs that go on: otherwise jobs of ten minutes would show as ten idle minutes,
//! and then as more time than there was. A meter says since when it runs, and how long it has run
//! before. At the end of a run the thread first takes back the one, and then adds to the other; a
//! reader reads them in the opposite order. So it never counts a run twice. It may miss one that
//! ends at this moment, so a sum may be too small, until the next report. What is exported never
//! falls.
//!
//! # By samples
//! A pool without the observer costs nothing. Then each report takes the workers that are busy as
//! it looks for as many that were busy since the last report. That is right on average, over many
//! reports. The first job that the observer sees ends the samples.
//!
//! # Threads that leave
//! A meter belongs to its thread and to the sum. The thread that makes the next one looks for those
//! that one of the two has let go of: their time is kept, and they are dropped. So there are no
//! more than threads, although pools are resized and borrow threads.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The time of one pool's workers. The observer and the reporters of the same settings share it.
#[derive(Debug)]
pub(crate) struct BusyTime {
    /// Tells the meters of different pools apart, on a thread that works for several.
    id: u64,
    begin: Instant,
    meters: Mutex<Meters>,
}

#[derive(Debug, Default)]
struct Meters {
    all: Vec<Arc<Meter>>,
    /// The time of meters that are gone.
    past: Duration,
    /// The time by samples, until a job is observed.
    sampled: Duration,
    sampled_at: Option<Instant>,
    is_observed: bool,
    /// The largest sum that was returned.
    told: Duration,
}

/// The time of one thread, in nanoseconds.
#[derive(Debug, Default)]
struct Meter {
    /// When its outermost run began, since the pool's begin and never zero; zero: it runs nothing.
    since: AtomicU64,
    /// For how long it ran before.
    before: AtomicU64,
}

/// A thread's own side of a meter.
struct Own {
    id: u64,
    meter: Arc<Meter>,
    /// How many runs are on the stack.
    depth: u32,
}

thread_local! {
    /// The meters of this thread: one for each pool that it works for.
    static OWN: RefCell<Vec<Own>> = const { RefCell::new(Vec::new()) };
}

impl Default for BusyTime {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self {
            id: NEXT.fetch_add(1, Ordering::Relaxed),
            begin: Instant::now(),
            meters: Mutex::default(),
        }
    }
}

impl BusyTime {
    /// A job begins on a worker, on this thread. A thread whose locals are gone measures nothing.
    pub(crate) fn enter(&self) {
        let _gone = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let index = own.iter().position(|it| it.id == self.id);
            let index = index.unwrap_or_else(|| {
                own.retain(Own::is_shared);
                own.push(self.new_meter());
                own.len() - 1
            });
            own[index].depth += 1;
            if own[index].depth == 1 {
                let since = self.now().max(1);
                own[index].meter.since.store(since, Ordering::Relaxed);
            }
        });
    }

    /// It has returned.
    pub(crate) fn exit(&self) {
        let _gone = OWN.try_with(|own| {
            let mut own = own.borrow_mut();
            let Some(own) = own.iter_mut().find(|it| it.id == self.id && it.depth > 0) else {
                return;
            };
            own.depth -= 1;
            if own.depth == 0 {
                own.meter.stop(self.now());
            }
        });
    }

    fn new_meter(&self) -> Own {
        let meter = Arc::new(Meter::default());
        let mut meters = self.lock();
        meters.is_observed = true;
        meters.let_go();
        meters.all.push(Arc::clone(&meter));
        Own {
            id: self.id,
            meter,
            depth: 0,
        }
    }

    /// Takes a sample: `busy` workers are busy now. Does nothing if jobs are observed.
    pub(crate) fn sample(&self, busy: usize) {
        let now = Instant::now();
        let mut meters = self.lock();
        let former = meters.sampled_at.replace(now);
        if let (Some(former), false) = (former, meters.is_observed) {
            let busy = u32::try_from(busy).unwrap_or(u32::MAX);
            let time = now.saturating_duration_since(former).saturating_mul(busy);
            meters.sampled = meters.sampled.saturating_add(time);
        }
    }

    /// Returns the time in all, runs that go on included. Never less than before.
    pub(crate) fn total(&self) -> Duration {
        let mut meters = self.lock();
        let now = self.now();
        let times = meters.all.iter().map(|meter| meter.time(now));
        let total = meters.past + meters.sampled + times.sum::<Duration>();
        meters.told = meters.told.max(total);
        meters.told
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// No user code runs under it.
    fn lock(&self) -> MutexGuard<'_, Meters> {
        self.meters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Meters {
    /// Drops the meters whose threads have gone.
    fn let_go(&mut self) {
        let past = &mut self.past;
        self.all.retain_mut(|meter| {
            // This orders the last time behind the thread's end; a look at the count would not.
            let is_used = Arc::get_mut(meter).is_none();
            if !is_used {
                *past += meter.time(0);
            }
            is_used
        });
    }
}

impl Own {
    /// Whether its pool is still measured, or its thread is in a run of that pool.
    fn is_shared(&self) -> bool {
        self.depth > 0 || Arc::strong_count(&self.meter) > 1
    }
}

impl Meter {
    /// Ends the run that goes on. Its thread alone writes.
    fn stop(&self, now: u64) {
        let since = self.since.load(Ordering::Relaxed);
        self.since.store(0, Ordering::Relaxed);
        let before = self.before.load(Ordering::Relaxed);
        let ran = now.saturating_sub(since);
        // ORDERING: Release, after the store above: a reader that counts this run finds that it
        // goes on no more.
        self.before.store(before + ran, Ordering::Release);
    }

    fn time(&self, now: u64) -> Duration {
        // ORDERING: Acquire pairs with the Release in `stop`, and comes before the look at what
        // goes on.
        let before = self.before.load(Ordering::Acquire);
        let goes_on = match self.since.load(Ordering::Relaxed) {
            0 => 0,
            since => now.saturating_sub(since),
        };
        Duration::from_nanos(before + goes_on)
    }
}

#[cfg(test)]
mod tests;
