//! Row 28: when a job's child runs in place, and when it is queued.

use std::sync::mpsc;

use pool::{JobContext, JobError, JobHandle};

use crate::on::{LIMIT, each_backend, hold, nothing, on, value};

fn is_finished<T, E>(child: &JobHandle<T, E>) -> bool {
    child.is_finished()
}

/// 28: a child is queued again as soon as a place has come free, however often the queue was found
/// full before.
#[test]
fn a_child_is_queued_as_soon_as_there_is_a_place_again() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        let parent = move |ctx: &JobContext<'_>| {
            for round in 0..100 {
                let submit = || ctx.submit(nothing).map_err(|_| "refused");
                let queued = submit()?;
                let in_place = [submit()?, submit()?];
                assert!(in_place.iter().all(is_finished), "{backend}: {round}");
                assert!(
                    !is_finished(&queued),
                    "{backend}: {round}: it has the one place"
                );
                queued.cancel();
                assert!(matches!(queued.join(), Err(JobError::Cancelled)));
            }
            Ok::<_, &str>(())
        };
        value(pool.submit(parent).expect("there is room"));
        assert!(pool.shutdown(LIMIT).is_safe_to_exit());
    });
}

/// 28: a child for which a worker is idle is that worker's, although the queue was full just now.
#[test]
fn a_child_is_left_to_a_worker_that_has_become_idle() {
    for capacity in [1, 2, 100] {
        each_backend(|backend| {
            let pool = on(backend, 2, capacity);
            let (release, held) = hold(&pool);
            let parent = move |ctx: &JobContext<'_>| {
                let (done, is_done) = mpsc::channel();
                for _ in 0..capacity {
                    let done = done.clone();
                    let queued = ctx.spawn(move || done.send(()).is_ok());
                    queued.map_err(|_| "refused")?.detach();
                }
                for _ in 0..3 {
                    let in_place = ctx.submit(nothing).map_err(|_| "refused")?;
                    assert!(in_place.is_finished(), "{backend}: the queue is full");
                }
                drop(release);
                for _ in 0..capacity {
                    is_done.recv_timeout(LIMIT).map_err(|_| "the other works")?;
                }
                // In place it would wait for its own submitter.
                let (open, gate) = mpsc::channel::<()>();
                let child = ctx.spawn(move || gate.recv_timeout(LIMIT).is_ok());
                let child = child.map_err(|_| "refused")?;
                open.send(()).map_err(|_| "it is in place, and over")?;
                assert!(child.join().is_ok_and(|came| came), "{backend}");
                Ok::<_, &str>(())
            };
            value(pool.submit(parent).expect("there is room"));
            assert!(value(held));
            assert!(pool.shutdown(LIMIT).is_clean());
        });
    }
}
