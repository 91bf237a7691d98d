//! User code that a swap comes upon, and that may use the pool: drops of jobs that have ended by
//! then, and wakers of those that wait for room.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use pool::{JobContext, JobExt, Pool};

use crate::on::{LIMIT, each_backend, ends_clean, hold, nothing, on, value};

/// A drop that submits to the pool.
struct SubmitsOnDrop(Pool);

impl Drop for SubmitsOnDrop {
    fn drop(&mut self) {
        let submitted = self.0.try_execute(nothing);
        assert!(!submitted.is_err_and(|refused| refused.is_closed()));
    }
}

/// Jobs that expire while they are handed over drop what they captured after the swap, since such a
/// drop may wait for it.
#[test]
fn jobs_that_expire_during_a_swap_may_submit_in_their_drops() {
    const JOBS: u32 = 50;
    each_backend(|backend| {
        let pool = on(backend, 1, 256);
        for _ in 0..20 {
            let (release, held) = hold(&pool);
            let jobs = (0..JOBS).map(|n| {
                let captured = SubmitsOnDrop(pool.clone());
                let job = move |_: &JobContext<'_>| {
                    drop(captured);
                    Ok::<_, Infallible>(())
                };
                let limit = Duration::from_micros(u64::from(5 * n));
                pool.try_submit(job.with_timeout(limit)).ok()
            });
            let jobs: Vec<_> = jobs.collect();
            pool.swap(backend).expect("the backend can be built");
            drop(release);
            for job in jobs.into_iter().flatten() {
                // In time, or not.
                drop(job.join_timeout(LIMIT).expect("it is over"));
            }
            assert!(value(held));
        }
        ends_clean(&pool);
    });
}

/// A waker that submits to the pool where it is called, as one may that polls its future at once.
struct SubmitsOnWake {
    pool: Pool,
    wakes: AtomicUsize,
}

impl Wake for SubmitsOnWake {
    fn wake(self: Arc<Self>) {
        let submitted = self.pool.try_execute(nothing);
        assert!(!submitted.is_err_and(|refused| refused.is_closed()));
        self.wakes.fetch_add(1, Ordering::Relaxed);
    }
}

/// A swap calls the wakers of those that wait for room once its generation takes jobs in.
#[test]
fn a_waker_of_one_that_waits_for_room_may_submit_during_a_swap() {
    each_backend(|backend| {
        let pool = on(backend, 1, 2);
        let (release, held) = hold(&pool);
        let queued = [(); 2].map(|()| pool.spawn(|| ()).expect("there is room"));
        let waker = Arc::new(SubmitsOnWake {
            pool: pool.clone(),
            wakes: AtomicUsize::new(0),
        });
        let mut waits = pin!(pool.submit_async(nothing));
        let as_waker = Waker::from(Arc::clone(&waker));
        let polled = waits.as_mut().poll(&mut Context::from_waker(&as_waker));
        assert!(polled.is_pending(), "{backend}: the queue is full");
        let (swapped, is_swapped) = mpsc::channel();
        let swaps = pool.clone();
        thread::spawn(move || swapped.send(swaps.swap(backend).is_ok()));
        assert_eq!(is_swapped.recv_timeout(LIMIT), Ok(true), "{backend}");
        assert!(waker.wakes.load(Ordering::Relaxed) > 0, "{backend}");
        drop(release);
        assert!(value(held));
        queued.into_iter().for_each(value);
        ends_clean(&pool);
    });
}
