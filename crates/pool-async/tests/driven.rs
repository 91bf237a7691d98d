//! Futures that a job of their own pool drives in place, on a pool of one worker.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Poll, Waker};
use std::time::Duration;

use pool_async::AsyncPool;

/// Longer than any of this takes; only a failure waits for it.
const LIMIT: Duration = Duration::from_secs(20);

/// Suspends once and is woken at once.
async fn yield_once() {
    let mut has_yielded = false;
    poll_fn(|cx| {
        if std::mem::replace(&mut has_yielded, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[test]
fn a_future_that_its_joiner_ended_leaves_nothing_behind() {
    let pool = AsyncPool::builder().workers(1).build().unwrap();
    let inside = pool.clone();
    let joined = pool
        .spawn(move || inside.spawn_future(yield_once()).unwrap().join())
        .unwrap();
    joined.join().unwrap().unwrap();
    let report = pool.shutdown(LIMIT);
    assert_eq!(report.still_running(), [], "{report}");
}

#[test]
fn a_future_that_its_driver_left_goes_on() {
    let pool = AsyncPool::builder().workers(1).build().unwrap();
    let (wakers, woken_by) = mpsc::channel::<Waker>();
    let (ends, ended) = mpsc::channel();
    let inside = pool.clone();
    let driver = pool.spawn_future(async move {
        let mut is_first = true;
        let inner = poll_fn(move |cx| {
            if !std::mem::take(&mut is_first) {
                return Poll::Ready(());
            }
            wakers.send(cx.waker().clone()).unwrap();
            Poll::Pending
        });
        let inner = async move {
            inner.await;
            ends.send(()).unwrap();
        };
        // One poll of the handle drives the job in place; then its driver drops it.
        let mut handle = pin!(inside.spawn_future(inner).unwrap());
        poll_fn(|cx| {
            let _pending = handle.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
    });
    driver.unwrap().join().unwrap();
    woken_by.recv_timeout(LIMIT).unwrap().wake();
    ended.recv_timeout(LIMIT).expect("the pool polls it on");
    let report = pool.shutdown(LIMIT);
    assert_eq!(report.still_running(), [], "{report}");
}
