//! What is measured of jobs that are nested, go on, or whose threads leave.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::BusyTime;

fn pass(time: Duration) {
    let start = Instant::now();
    while start.elapsed() < time {
        thread::yield_now();
    }
}

const SHORT: Duration = Duration::from_millis(2);

#[test]
fn a_job_within_another_counts_once_and_between_jobs_nothing_does() {
    let busy = BusyTime::default();
    let start = Instant::now();
    busy.enter();
    busy.enter();
    pass(SHORT);
    busy.exit();
    pass(SHORT);
    busy.exit();
    let end = start.elapsed();
    let total = busy.total();
    assert!(total >= 2 * SHORT, "{total:?}");
    assert!(total <= end, "{total:?} of {end:?}");
    pass(SHORT);
    assert_eq!(busy.total(), total, "nothing runs");
}

#[test]
fn a_job_that_goes_on_counts_up_to_now() {
    let busy = BusyTime::default();
    let start = Instant::now();
    busy.enter();
    pass(SHORT);
    let total = busy.total();
    assert!(total >= SHORT && total <= start.elapsed(), "{total:?}");
    pass(SHORT);
    assert!(busy.total() >= total + SHORT);
    busy.exit();
    assert!(busy.total() <= start.elapsed(), "it counts once");
}

#[test]
fn threads_that_leave_leave_their_time_and_no_meter() {
    let busy = BusyTime::default();
    for _ in 0..20 {
        thread::scope(|threads| {
            threads.spawn(|| {
                busy.enter();
                pass(SHORT / 4);
                busy.exit();
            });
        });
    }
    assert!(busy.total() >= 5 * SHORT, "{:?}", busy.total());
    // A thread may still be about to drop its locals as it has been waited for.
    let meters = busy.lock().all.len();
    assert!(meters < 20, "{meters} meters");
}

#[test]
fn two_pools_on_one_thread_are_told_apart() {
    let (first, second) = (BusyTime::default(), BusyTime::default());
    let start = Instant::now();
    first.enter();
    second.enter();
    pass(SHORT);
    second.exit();
    let inner = start.elapsed();
    pass(SHORT);
    first.exit();
    assert!(second.total() >= SHORT && second.total() <= inner);
    assert!(first.total() >= 2 * SHORT);
}

#[test]
fn a_pool_without_an_observer_is_sampled_and_one_with_it_is_not() {
    let busy = BusyTime::default();
    busy.sample(3);
    assert_eq!(busy.total(), Duration::ZERO, "since when is not known");
    let start = Instant::now();
    pass(SHORT);
    busy.sample(2);
    let total = busy.total();
    assert!(total >= 2 * SHORT, "{total:?} in {:?}", start.elapsed());
    busy.enter();
    busy.exit();
    let total = busy.total();
    pass(SHORT);
    busy.sample(2);
    assert_eq!(busy.total(), total);
}

#[test]
fn no_sum_that_is_read_meanwhile_falls_or_is_more_than_there_was() {
    let busy = BusyTime::default();
    let (over, is_over) = channel::<()>();
    let start = Instant::now();
    thread::scope(|threads| {
        let busy = &busy;
        threads.spawn(move || {
            while is_over.try_recv().is_err() {
                busy.enter();
                busy.exit();
            }
        });
        let mut former = Duration::ZERO;
        for _ in 0..2_000 {
            let total = busy.total();
            assert!(total >= former, "it fell");
            assert!(total <= start.elapsed(), "more than there was");
            former = total;
        }
        over.send(()).expect("it runs");
    });
}
