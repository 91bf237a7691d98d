//! Chapter 1, the line for room: which submitters may wait in it without holding up the others, and
//! which must not barge past it forever.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pool_core::{ExecutorExt, Job, JobContext};

use crate::probe::{Count, PATIENCE, ROOM, ended, occupy, poll_once, pool, ready};
use crate::subject::Subject;
use crate::thread;

fn nothing(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

/// Submissions that are polled once and kept, in line before all others.
pub(in crate::rules) fn those_not_polled_hold_up_nobody(subject: Subject) {
    const KEPT: usize = 3;
    const LATER: usize = 10;
    for capacity in [1, 2 * KEPT] {
        let pool = pool(subject, 1, capacity);
        let gate = occupy(&pool, 1);
        for _ in 0..capacity {
            pool.spawn(|| ()).expect(ROOM).detach();
        }
        let mut kept: Vec<_> = (0..KEPT)
            .map(|_| Box::pin(pool.submit_async(nothing)))
            .collect();
        for it in &mut kept {
            assert!(poll_once(it.as_mut(), &Count::new()).is_pending());
        }
        thread::scope(|threads| {
            // It does not matter whether the two are in line before the gate opens.
            threads.spawn(|| {
                let behind = pool.submit_timeout(nothing, PATIENCE);
                ended(behind.expect("it gets in")).expect("it runs");
            });
            threads.spawn(|| {
                let mut behind = Box::pin(pool.submit_async(nothing));
                ended(ready(behind.as_mut()).expect("the pool stays open")).expect("it runs");
            });
            gate.open();
        });
        for _ in 0..LATER {
            let later = pool.submit_timeout(nothing, PATIENCE);
            ended(later.expect("it gets in")).expect("it runs");
            let later = pool.try_submit(nothing);
            ended(later.expect("the pool is idle")).expect("it runs");
        }
        for mut it in kept {
            let it: Pin<&mut _> = it.as_mut();
            ended(ready(it).expect("the pool stays open")).expect("it runs");
        }
    }
}

/// A job that submits itself again until it is told to stop, or has started too often since a
/// submitter began to wait.
#[derive(Clone, Default)]
struct Again {
    is_over: Arc<AtomicBool>,
    is_waiting: Arc<AtomicBool>,
    starts: Arc<AtomicUsize>,
}

impl Again {
    /// Starts of jobs that do nothing, while a submitter that waits outside is woken and comes.
    fn most() -> usize {
        if thread::is_simulated() {
            5_000
        } else {
            2_000_000
        }
    }

    /// Counts a start if a submitter waits.
    fn is_over(&self) -> bool {
        let is_waiting = usize::from(self.is_waiting.load(Ordering::SeqCst));
        let starts = self.starts.fetch_add(is_waiting, Ordering::SeqCst);
        starts >= Self::most() || self.is_over.load(Ordering::SeqCst)
    }
}

impl Job for Again {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        if !self.is_over() {
            ctx.execute(self).expect("the pool is open");
        }
        Ok(())
    }
}

/// Jobs that submit themselves again keep the queue full. A submitter outside still gets in.
pub(in crate::rules) fn those_inside_pass_no_more_than_others(subject: Subject) {
    for (workers, capacity) in [(1, 1), (1, 2), (2, 1), (2, 4)] {
        let pool = pool(subject, workers, capacity);
        let again = Again::default();
        for _ in 0..2 {
            pool.execute(again.clone()).expect(ROOM);
        }
        again.is_waiting.store(true, Ordering::SeqCst);
        let outsider = pool.submit_timeout(nothing, PATIENCE);
        again.is_over.store(true, Ordering::SeqCst);
        let starts = again.starts.load(Ordering::SeqCst);
        let outsider = outsider.expect("one who waits gets in");
        assert!(starts < Again::most(), "{starts} starts came first");
        ended(outsider).expect("it runs");
        pool.wait_idle();
    }
}
