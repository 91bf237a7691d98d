//! Rows 21 and 36: every limit that a number can express, and a library that leaves the process's
//! signals alone.

use std::convert::Infallible;
use std::fs;
use std::future::pending;
use std::sync::mpsc;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use pool::{AsyncContext, AsyncJobExt, JobContext, JobError, JobExt, Pool, ShutdownPolicy};

use crate::child::each_backend_in_a_child;
use crate::on::{LIMIT, each_backend, ended, ends_clean, nothing, on, value};

/// Over before they begin.
const SHORT: [Duration; 2] = [Duration::ZERO, Duration::from_nanos(1)];

/// Some of these are beyond the range of the clock.
const FAR: [Duration; 5] = [
    Duration::from_secs(u32::MAX as u64),
    Duration::from_secs(i64::MAX as u64),
    Duration::from_secs(u64::MAX),
    Duration::MAX.saturating_sub(Duration::from_nanos(1)),
    Duration::MAX,
];

/// The last moment that the clock can express.
fn end_of_time() -> Instant {
    let (mut end, mut step) = (Instant::now(), Duration::from_secs(1 << 62));
    while !step.is_zero() {
        match end.checked_add(step) {
            Some(later) => end = later,
            None => step /= 2,
        }
    }
    end
}

/// A pool whose only worker is busy until the sender goes.
fn busy(pool: &Pool) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (start, started) = mpsc::channel();
    let holds = move || {
        start.send(()).expect("the test listens");
        // Released by the sender's drop.
        let _how = released.recv();
    };
    pool.spawn(holds).expect("there is room").detach();
    started.recv_timeout(LIMIT).expect("the job starts");
    release
}

fn waits_for_room_and_outcomes(pool: &Pool) {
    let release = busy(pool);
    let mut queued = pool.spawn(|| 1).expect("there is one place");
    for time in SHORT {
        let refused = pool
            .submit_timeout(nothing, time)
            .expect_err("the queue is full");
        assert!(refused.is_full(), "{time:?}");
        queued = queued.join_timeout(time).expect_err("the worker is busy");
    }
    thread::scope(|threads| {
        let submit = |time| pool.submit_timeout(nothing, time).map(value).is_ok();
        let waiting = FAR.map(|time| threads.spawn(move || submit(time)));
        drop(release);
        for submitted in waiting {
            assert!(
                submitted.join().expect("no time overflows"),
                "it waits for room"
            );
        }
    });
    assert_eq!(value(queued), 1);
    for time in FAR {
        let joined = pool.spawn(|| 2).expect("there is room").join_timeout(time);
        assert_eq!(joined.expect("no limit passes").expect("it completes"), 2);
    }
}

fn limits_of_jobs(pool: &Pool) {
    let sees = |ctx: &JobContext<'_>| Ok::<_, Infallible>(ctx.check().is_ok());
    let futures = |_: AsyncContext| async {
        tokio::task::yield_now().await;
        Ok::<_, Infallible>(true)
    };
    for time in FAR {
        assert!(value(
            pool.submit(sees.with_timeout(time)).expect("there is room")
        ));
        assert!(value(
            pool.submit_future(futures.with_timeout(time))
                .expect("there is room")
        ));
    }
    let end = end_of_time();
    assert!(value(
        pool.submit(sees.with_deadline(end)).expect("there is room")
    ));
    assert!(value(
        pool.submit_future(futures.with_deadline(end))
            .expect("there is room")
    ));
    // A future whose deadline is the last moment of the clock can still be cancelled through its
    // handle.
    let sleeps = |_: AsyncContext| async {
        pending::<()>().await;
        Ok::<_, Infallible>(())
    };
    let asleep = pool
        .submit_future(sleeps.with_deadline(end))
        .expect("there is room");
    asleep.cancel();
    assert!(matches!(ended(asleep), Err(JobError::Cancelled)));
    for time in SHORT {
        let late = ended(pool.submit(sees.with_timeout(time)).expect("there is room"));
        assert!(matches!(late, Err(JobError::Expired)), "{time:?}: {late:?}");
        let late = ended(
            pool.submit_future(sleeps.with_timeout(time))
                .expect("there is room"),
        );
        assert!(matches!(late, Err(JobError::Expired)), "{time:?}: {late:?}");
    }
}

#[test]
fn no_duration_overflows() {
    each_backend(|backend| {
        let pool = on(backend, 1, 1);
        waits_for_room_and_outcomes(&pool);
        let pool = on(backend, 1, 64);
        limits_of_jobs(&pool);
        ends_clean(&pool);
        for grace in FAR.into_iter().chain(SHORT) {
            for cancel_grace in FAR.into_iter().chain(SHORT) {
                let policy = ShutdownPolicy::new(grace).cancel_grace(cancel_grace);
                let later = policy.after(Duration::MAX).after(grace);
                let pool = on(backend, 1, 4);
                let report = pool.shutdown(later);
                assert!(
                    report.is_clean() && report.balances(),
                    "{backend}: {report}"
                );

                let pool = on(backend, 1, 4);
                let mut ending = Box::pin(pool.shutdown_async(policy));
                // At the first poll it sets its alarms.
                let _ready = ending
                    .as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()));
                drop(ending);
                let report = pool.shutdown(policy);
                assert!(
                    report.is_clean() && report.balances(),
                    "{backend}: {report}"
                );
            }
        }
    });
}

/// The signals that the process catches and ignores, and this thread blocks.
fn signals() -> Vec<String> {
    let status = fs::read_to_string("/proc/thread-self/status").expect("the system tells it");
    let lines = status.lines().filter(|line| {
        ["SigBlk", "SigIgn", "SigCgt"]
            .iter()
            .any(|label| line.starts_with(label))
    });
    lines.map(str::to_owned).collect()
}

#[test]
fn a_pool_takes_no_signal_from_its_process() {
    each_backend_in_a_child(|backend| {
        let before = signals();
        assert_eq!(before.len(), 3, "the system tells all three");
        let pool = on(backend, 2, 4);
        value(pool.spawn(|| ()).expect("there is room"));
        value(pool.spawn_future(async {}).expect("there is room"));
        assert_eq!(signals(), before, "{backend}: while it runs");
        ends_clean(&pool);
        assert_eq!(signals(), before, "{backend}: after its end");
    });
}
