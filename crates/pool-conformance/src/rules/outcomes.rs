//! Chapter 1, the first rule: every kind of end, alone and in a race, and the ledger, which must
//! agree with the handles.

use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    ExecutorExt, JobContext, JobExt, JobHandle, JobId, Outcome, Shutdown, ShutdownPolicy,
};

use crate::channel::{Sender, channel};
use crate::probe::{Count, Log, PATIENCE, columns_of, ended, occupy, pool, until_interrupted};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread;

pub(crate) fn r101(subject: Subject) -> Applied {
    each_kind_once(subject);
    races_end_once(subject);
    Applied::Held
}

type Handle = JobHandle<u32, &'static str>;

/// What the handle says, in the ledger's terms.
fn told(handle: Handle) -> Outcome {
    ended(handle).map_or_else(|error| error.outcome(), |_| Outcome::Completed)
}

fn each_kind_once(subject: Subject) {
    let observed = Log::new();
    let pool = observed_pool(subject, &observed);
    let gate = occupy(&pool, 2);
    let submit = |job: fn(&JobContext<'_>) -> Result<u32, &'static str>| {
        pool.submit(job).expect("there is room")
    };

    let completed = submit(|_| Ok(1));
    let failed = submit(|_| Err("no ink"));
    let panicked = submit(|_| panic!("R101 panics on purpose"));
    let cancelled = submit(|_| Ok(2));
    cancelled.cancel();
    cancelled.cancel();
    let late = (|_: &JobContext<'_>| Ok::<u32, &'static str>(3)).with_deadline(thread::now());
    let expired = pool.submit(late).expect("there is room");
    gate.open();
    let ends = [completed, failed, panicked, cancelled, expired].map(told);
    let expected = [
        Outcome::Completed,
        Outcome::Failed,
        Outcome::Panicked,
        Outcome::Cancelled,
        Outcome::Expired,
    ];
    assert_eq!(ends, expected);

    let started = Count::new();
    let running = [(); 2].map(|()| {
        let started = started.clone();
        let job = move |ctx: &JobContext<'_>| {
            started.add();
            until_interrupted(ctx);
            Err("stopped")
        };
        pool.submit(job).expect("there is room")
    });
    started.wait_for(2);
    let unstarted = [(); 3].map(|()| submit(|_| Ok(4)));
    let report = pool.shutdown(ShutdownPolicy::new(Duration::ZERO).cancel_grace(PATIENCE));
    let columns = columns_of(&report);
    drop(report.take_unstarted());
    assert_eq!(running.map(told), [Outcome::Cancelled; 2]);
    assert_eq!(unstarted.map(told), [Outcome::Abandoned; 3]);

    // The two that held the gate completed as well.
    assert_eq!(columns, [3, 1, 1, 3, 1, 0, 3], "{report}");
    assert_eq!(report.accepted(), columns.iter().sum::<u64>(), "{report}");
    never_twice(observed.take());
}

fn observed_pool(subject: Subject, observed: &Log<JobId>) -> TestedPool {
    let observed = observed.clone();
    let mut config = PoolConfig::default();
    config.set_workers(2);
    config.set_capacity(64);
    config.set_on_failure(move |failure| observed.note(failure.id));
    subject
        .build(config)
        .expect("a plain configuration is accepted")
}

fn never_twice(mut observed: Vec<JobId>) {
    let all = observed.len();
    observed.sort_unstable_by_key(|id| id.as_u64());
    observed.dedup();
    assert_eq!(observed.len(), all, "a job's end was observed twice");
}

/// Submitters, a canceller and a shutdown, all at once: each handle resolves, and all of them add
/// up to the report.
fn races_end_once(subject: Subject) {
    let enough = thread::often(500);
    let pool = pool(subject, 2, 16);
    let (send, handles) = channel::<Handle>();
    let accepted = Count::new();
    let (report, ends) = thread::scope(|threads| {
        for submitter in 0..2 {
            let (pool, send, accepted) = (&pool, send.clone(), &accepted);
            threads.spawn(move || submit_until_closed(pool, submitter, &send, accepted));
        }
        drop(send);
        let canceller = threads.spawn(move || {
            let cancel_some = |(index, handle): (usize, Handle)| {
                if index % 2 == 0 {
                    handle.cancel();
                }
                handle
            };
            handles.enumerate().map(cancel_some).collect::<Vec<_>>()
        });
        accepted.wait_for(enough);
        let report = pool.shutdown(ShutdownPolicy::new(Duration::ZERO).cancel_grace(PATIENCE));
        drop(report.take_unstarted());
        let handles = canceller.join().expect("the canceller only cancels");
        (report, handles.into_iter().map(told).collect::<Vec<_>>())
    });
    let count = |outcome| ends.iter().filter(|end| **end == outcome).count() as u64;
    let columns = columns_of(&report);
    assert_eq!(report.accepted(), accepted.get() as u64, "{report}");
    assert_eq!(report.accepted(), columns.iter().sum::<u64>(), "{report}");
    assert_eq!(count(Outcome::Completed), report.completed(), "{report}");
    assert_eq!(count(Outcome::Failed), report.failed(), "{report}");
    // A job that was taken out unstarted is abandoned, unless its handle cancels it first.
    let never_ran = report.cancelled() + report.abandoned() + report.unstarted();
    assert_eq!(
        count(Outcome::Cancelled) + count(Outcome::Abandoned),
        never_ran,
        "{report}"
    );
}

fn submit_until_closed(
    pool: &TestedPool,
    submitter: usize,
    send: &Sender<Handle>,
    accepted: &Count,
) {
    for number in submitter.. {
        let job = move |_: &JobContext<'_>| {
            if number % 3 == 0 {
                Err("every third")
            } else {
                Ok(1)
            }
        };
        let Ok(handle) = pool.submit(job) else { return };
        send.send(handle);
        accepted.add();
    }
}
