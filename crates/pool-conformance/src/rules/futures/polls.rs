//! R802: which thread polls a future, and when polling ends.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pool_core::ExecutorExt;

use super::Flag;
use crate::probe::{PATIENCE, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

/// Futures that are woken at the same time.
const FUTURES: usize = 8;

/// Polls that each needs.
fn polls() -> usize {
    thread::often(200)
}

pub(super) fn r802(subject: Subject) -> Applied {
    let pool = pool(subject, 4, FUTURES);
    let watched: Vec<_> = (0..FUTURES).map(|_| Arc::<Watch>::default()).collect();
    let handles: Vec<_> = watched
        .iter()
        .map(|watch| pool.spawn_future(Watched(Arc::clone(watch))))
        .map(|handle| handle.expect("there is room"))
        .collect();
    let over = Flag::default();
    thread::scope(|scope| {
        let _over = over.set_on_drop();
        for _ in 0..3 {
            scope.spawn(|| {
                while !over.is_set() {
                    watched.iter().for_each(|watch| watch.wake());
                    thread::yield_now();
                }
            });
        }
        for handle in handles {
            let joined = handle.join_timeout(PATIENCE);
            joined.expect("it is woken until it ends").expect("it ends");
        }
        // Wakes futures that have ended, until the workers have had every chance to follow such a
        // wake.
        for _ in 0..polls() {
            watched.iter().for_each(|watch| watch.wake());
            let flush = pool.spawn(|| ()).expect("the pool is open");
            flush.join().expect("it completes");
        }
    });
    for watch in &watched {
        let [overlaps, late] = [&watch.overlaps, &watch.late].map(|n| n.load(Ordering::SeqCst));
        assert_eq!(overlaps, 0, "polls while another thread polled");
        assert_eq!(late, 0, "polls after the end");
        assert!(watch.polls.load(Ordering::SeqCst) >= polls());
    }
    Applied::Held
}

/// What a test observes of a future's polls.
#[derive(Default)]
struct Watch {
    polls: AtomicUsize,
    is_inside: AtomicBool,
    is_over: AtomicBool,
    overlaps: AtomicUsize,
    late: AtomicUsize,
    waker: Mutex<Option<Waker>>,
}

impl Watch {
    fn wake(&self) {
        let waker = self.waker.lock();
        let waker = waker.unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// Ready after its polls; sleeps between them, so only wakes from outside make progress.
struct Watched(Arc<Watch>);

impl Future for Watched {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let watch = &*self.0;
        if watch.is_inside.swap(true, Ordering::SeqCst) {
            watch.overlaps.fetch_add(1, Ordering::SeqCst);
        }
        if watch.is_over.load(Ordering::SeqCst) {
            watch.late.fetch_add(1, Ordering::SeqCst);
        }
        *watch.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.waker().clone());
        // Gives the wakers time to send a second thread here.
        thread::yield_now();
        let is_over = watch.polls.fetch_add(1, Ordering::SeqCst) + 1 >= polls();
        watch.is_over.store(is_over, Ordering::SeqCst);
        watch.is_inside.store(false, Ordering::SeqCst);
        if is_over {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}
