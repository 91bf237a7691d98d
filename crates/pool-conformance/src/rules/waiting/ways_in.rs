//! Every kind of job has every way in: blocking, non-blocking, with a timeout, and async.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use pool_core::{Executor, ExecutorExt, SubmitError, infallible_future};

use super::{full_pool, nothing};
use crate::probe::{Count, poll_once, ready};
use crate::subject::Subject;

/// A way in, reduced to whether the queue was full.
fn entered<T, J>(result: Result<T, SubmitError<J>>) -> bool {
    match result {
        Ok(_) => true,
        Err(refused) => {
            assert!(refused.is_full(), "the pool stays open");
            false
        }
    }
}

pub(super) fn every_kind_of_job_has_every_way_in(subject: Subject) {
    let future = || infallible_future(async {});
    let soon = Duration::from_millis(1);
    let (pool, gate) = full_pool(subject);
    let refused = [
        entered(pool.try_submit(nothing)),
        entered(pool.try_execute(nothing)),
        entered(pool.try_spawn(|| ())),
        entered(pool.try_submit_future(future())),
        entered(pool.try_execute_future(future())),
        entered(pool.try_spawn_future(async {})),
        entered(pool.submit_timeout(nothing, soon)),
        entered(pool.execute_timeout(nothing, soon)),
        entered(pool.spawn_timeout(|| (), soon)),
        entered(pool.submit_future_timeout(future(), soon)),
        entered(pool.execute_future_timeout(future(), soon)),
        entered(pool.spawn_future_timeout(async {}, soon)),
    ];
    assert_eq!(refused, [false; 12], "the pool is full");

    type Waiting<'a> = Pin<Box<dyn Future<Output = bool> + 'a>>;
    let mut waiting: [Waiting<'_>; 6] = [
        Box::pin(async { entered(pool.submit_async(nothing).await) }),
        Box::pin(async { entered(pool.execute_async(nothing).await) }),
        Box::pin(async { entered(pool.spawn_async(|| ()).await) }),
        Box::pin(async { entered(pool.submit_future_async(future()).await) }),
        Box::pin(async { entered(pool.execute_future_async(future()).await) }),
        Box::pin(async { entered(pool.spawn_future_async(async {}).await) }),
    ];
    for way in &mut waiting {
        assert!(poll_once(way.as_mut(), &Count::new()).is_pending());
    }
    gate.open();
    for way in &mut waiting {
        assert!(ready(way.as_mut()), "room appears");
    }
    let entered = [
        entered(pool.submit(nothing)),
        entered(pool.execute(nothing)),
        entered(pool.spawn(|| ())),
        entered(pool.submit_future(future())),
        entered(pool.execute_future(future())),
        entered(pool.spawn_future(async {})),
    ];
    assert_eq!(entered, [true; 6], "room appears");
    pool.wait_idle();
    assert_eq!(
        pool.stats().completed,
        14,
        "those that got in, and two before"
    );
}
