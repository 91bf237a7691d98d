//! Chapter 1, waiting for room: how long, which callers wait and which do not, and in which order.

mod ways_in;

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::{Executor, ExecutorExt, Job, JobContext, JobExt, SubmitError};

use super::intake::line;
use crate::probe::{Alive, Count, Gate, Log, PATIENCE, ended, occupy, poll_once, pool, ready};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread::{self, ThreadId};

/// How long a test checks that something does not happen.
const WATCHED: Duration = Duration::from_millis(50);

/// What the contract calls promptly.
const PROMPTLY: Duration = Duration::from_secs(1);

/// A pool of one worker and one slot, both taken until the gate opens.
fn full_pool(subject: Subject) -> (TestedPool, Gate) {
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    pool.spawn(|| ()).expect("one place is free").detach();
    (pool, gate)
}

fn nothing(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

pub(crate) fn r105(subject: Subject) -> Applied {
    try_submit_returns_at_once(subject);
    submit_blocks_while_full(subject);
    submit_timeout_keeps_its_time(subject);
    submit_async_blocks_no_thread(subject);
    no_wait_outlasts_the_jobs_deadline(subject);
    ways_in::every_kind_of_job_has_every_way_in(subject);
    Applied::Held
}

fn try_submit_returns_at_once(subject: Subject) {
    let (pool, gate) = full_pool(subject);
    let start = thread::now();
    let refused = pool.try_submit(nothing).expect_err("the pool is full");
    assert!(refused.is_full() && thread::since(start) < PROMPTLY);

    // Also while others wait in line.
    let mut waiting = Box::pin(pool.submit_async(nothing));
    assert!(poll_once(waiting.as_mut(), &Count::new()).is_pending());
    let start = thread::now();
    let refused = pool.try_submit(nothing).expect_err("the pool is full");
    assert!(refused.is_full() && thread::since(start) < PROMPTLY);
    gate.open();
}

fn submit_blocks_while_full(subject: Subject) {
    let (pool, gate) = full_pool(subject);
    let returned = Count::new();
    thread::scope(|threads| {
        let submitter = threads.spawn(|| {
            let handle = pool.submit(nothing).expect("the pool stays open");
            returned.add();
            ended(handle)
        });
        returned.stays_below(1, WATCHED);
        gate.open();
        let ended = submitter.join().expect("room appeared");
        ended.expect("it ran");
    });
}

fn submit_timeout_keeps_its_time(subject: Subject) {
    let (pool, gate) = full_pool(subject);
    for time in [Duration::ZERO, WATCHED] {
        let start = thread::now();
        let refused = pool
            .submit_timeout(nothing, time)
            .expect_err("the pool is full");
        let took = thread::since(start);
        assert!(refused.is_full());
        assert!(took >= time, "it gave up after {took:?}, before {time:?}");
        assert!(
            took < time + PROMPTLY,
            "it gave up after {took:?}, long past {time:?}"
        );
    }
    thread::scope(|threads| {
        for time in [PATIENCE, Duration::MAX] {
            let pool = &pool;
            threads.spawn(move || {
                let handle = pool
                    .submit_timeout(nothing, time)
                    .expect("room appears in time");
                ended(handle).expect("it runs");
            });
        }
        gate.open();
    });
}

fn submit_async_blocks_no_thread(subject: Subject) {
    let (pool, gate) = full_pool(subject);
    let woken = Count::new();
    let mut waiting = Box::pin(pool.submit_async(nothing));
    // Both polls return on this only thread, although nothing can have moved.
    assert!(poll_once(waiting.as_mut(), &woken).is_pending());
    assert!(poll_once(waiting.as_mut(), &woken).is_pending());
    gate.open();
    woken.wait_for(1);
    let handle = ready(waiting.as_mut()).expect("the pool stays open");
    ended(handle).expect("it runs");
}

fn no_wait_outlasts_the_jobs_deadline(subject: Subject) {
    fn comes_back<H, J>(submit: impl FnOnce() -> Result<H, SubmitError<J>>) {
        let start = thread::now();
        let refused = submit().err().expect("the pool stays full");
        let took = thread::since(start);
        assert!(refused.is_full());
        assert!(
            took >= WATCHED,
            "it gave up after {took:?}, before {WATCHED:?}"
        );
        assert!(
            took < WATCHED + PROMPTLY,
            "it gave up after {took:?}, long past {WATCHED:?}"
        );
    }
    let (pool, gate) = full_pool(subject);
    let job = || nothing.with_timeout(WATCHED);
    comes_back(|| pool.submit(job()));
    comes_back(|| pool.execute(job()));
    comes_back(|| pool.submit_timeout(job(), PATIENCE));
    comes_back(|| ready(Box::pin(pool.submit_async(job())).as_mut()));
    gate.open();
}

pub(crate) fn r106(subject: Subject) -> Applied {
    let (pool, gate) = full_pool(subject);
    let (alive, ran) = (Alive::new(), Count::new());
    let job = || {
        let (value, ran) = (alive.value(), ran.clone());
        move |_: &JobContext<'_>| {
            drop(value);
            Ok::<_, Infallible>(ran.add())
        }
    };
    let accepted = pool.stats().accepted;

    drop(pool.submit_async(job()));
    let mut polled = Box::pin(pool.submit_async(job()));
    assert!(poll_once(polled.as_mut(), &Count::new()).is_pending());
    drop(polled);
    assert_eq!(alive.count(), 0, "a dropped submission drops its job");

    // A submission that is dropped after it was called passes the call on.
    let (first_woken, second_woken) = (Count::new(), Count::new());
    let mut first = Box::pin(pool.submit_async(job()));
    let mut second = Box::pin(pool.submit_async(job()));
    assert!(poll_once(first.as_mut(), &first_woken).is_pending());
    assert!(poll_once(second.as_mut(), &second_woken).is_pending());
    gate.open();
    first_woken.wait_for(1);
    drop(first);
    second_woken.wait_for(1);
    let handle = ready(second.as_mut()).expect("the pool stays open");
    ended(handle).expect("it runs");

    pool.wait_idle();
    assert_eq!(ran.get(), 1, "only the submission that was kept has run");
    assert_eq!(pool.stats().accepted, accepted + 1);
    let after = pool.try_submit(nothing).expect("nobody is left in line");
    ended(after).expect("it runs");
    Applied::Held
}

const SUBMITTERS: usize = 10;

/// How many later submitters may get in before all that were in line have.
const MAX_PASSED: usize = 2 * SUBMITTERS;

pub(crate) fn r107(subject: Subject) -> Applied {
    those_in_line_are_not_passed(subject);
    all_who_block_get_in(subject);
    line::those_not_polled_hold_up_nobody(subject);
    line::those_inside_pass_no_more_than_others(subject);
    Applied::Held
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum From {
    Line,
    Later,
}

/// With one slot and one worker, jobs start in the order of their admission.
fn those_in_line_are_not_passed(subject: Subject) {
    let (pool, gate) = full_pool(subject);
    let starts = Log::new();
    let job = |from: From| {
        let starts = starts.clone();
        move |_: &JobContext<'_>| {
            starts.note(from);
            Ok::<_, Infallible>(())
        }
    };
    let (in_line, admitted) = (Count::new(), Count::new());
    let limit = thread::now() + PATIENCE;
    let goes_on = || admitted.get() < SUBMITTERS && thread::now() < limit;
    thread::scope(|threads| {
        for _ in 0..SUBMITTERS {
            threads.spawn(|| {
                let mut submission = Box::pin(pool.submit_async(job(From::Line)));
                assert!(poll_once(submission.as_mut(), &Count::new()).is_pending());
                in_line.add();
                ready(submission.as_mut())
                    .expect("the pool stays open")
                    .detach();
                admitted.add();
            });
        }
        in_line.wait_for(SUBMITTERS);
        // One late submitter waits in line, and one tries all the time.
        threads.spawn(|| {
            while goes_on() {
                let handle = pool.submit(job(From::Later));
                handle.expect("the pool stays open").detach();
            }
        });
        threads.spawn(|| {
            while goes_on() {
                // It matters only that this one tries, not whether it gets in.
                let _refused = pool.try_execute(job(From::Later));
            }
        });
        gate.open();
    });
    pool.wait_idle();
    let starts = starts.take();
    let last = starts
        .iter()
        .rposition(|from| *from == From::Line)
        .expect("ten were in line");
    let passed = starts[..last]
        .iter()
        .filter(|from| **from == From::Later)
        .count();
    assert!(
        passed <= MAX_PASSED,
        "{passed} latecomers passed those in line"
    );
}

/// Blocked threads, and one that never blocks but tries again and again.
fn all_who_block_get_in(subject: Subject) {
    let jobs = thread::often(50);
    let pool = pool(subject, 1, 1);
    let (ran, is_over) = (Count::new(), AtomicBool::new(false));
    thread::scope(|threads| {
        threads.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                let _refused = pool.try_execute(nothing);
            }
        });
        let submit = || {
            for _ in 0..jobs {
                let ran = ran.clone();
                let handle = pool.submit_timeout(
                    move |_: &JobContext<'_>| Ok::<_, Infallible>(ran.add()),
                    PATIENCE,
                );
                handle
                    .map(pool_core::JobHandle::detach)
                    .map_err(|error| error.to_string())?;
            }
            Ok::<_, String>(())
        };
        let submitters: Vec<_> = (0..SUBMITTERS).map(|_| threads.spawn(submit)).collect();
        let ends: Vec<_> = submitters
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect();
        is_over.store(true, Ordering::Relaxed);
        for end in ends {
            end.expect("a submitter panics at nothing")
                .expect("everybody gets in");
        }
    });
    ran.wait_for(SUBMITTERS * jobs);
}

const DEPTH: usize = 100;

pub(crate) fn r108(subject: Subject) -> Applied {
    for way in [
        Way::Context,
        Way::ContextExecute,
        Way::Clone,
        Way::CloneExecute,
        Way::CloneTimeout,
    ] {
        let pool = pool(subject, 1, 1);
        let nested = Nested {
            pool: pool.clone(),
            depth: DEPTH,
            way,
            ran_on: Log::new(),
            ran: Count::new(),
        };
        let (ran_on, ran) = (nested.ran_on.clone(), nested.ran.clone());
        let handle = pool.submit(nested).expect("one place is free");
        ended(handle).expect("no level hangs or runs late");
        assert_eq!(ran.get(), DEPTH + 1, "{way:?}");
        let threads = ran_on.take();
        assert!(
            threads.iter().all(|thread| *thread == threads[0]),
            "{way:?} ran on other threads"
        );
    }
    Applied::Held
}

#[derive(Debug, Clone, Copy)]
enum Way {
    Context,
    ContextExecute,
    Clone,
    CloneExecute,
    CloneTimeout,
}

/// Fills the queue, then submits itself once more, `depth` times.
struct Nested<P> {
    pool: P,
    depth: usize,
    way: Way,
    ran_on: Log<ThreadId>,
    ran: Count,
}

impl<P: Executor + Clone + 'static> Job for Nested<P> {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        self.ran.add();
        self.ran_on.note(thread::current().id());
        if self.depth == 0 {
            return Ok(());
        }
        // The one worker is here, so what is in the queue stays there.
        let _full_already = self.pool.try_execute(nothing);
        let refused = self
            .pool
            .try_submit(nothing)
            .expect_err("the queue is full");
        assert!(refused.is_full());
        let before = self.ran.get();
        let (depth, ran) = (self.depth, self.ran.clone());
        self.submit_next(ctx);
        assert_eq!(
            ran.get(),
            before + depth,
            "the child runs before its submission returns"
        );
        Ok(())
    }
}

impl<P: Executor + Clone + 'static> Nested<P> {
    fn submit_next(self, ctx: &JobContext<'_>) {
        let (pool, way) = (self.pool.clone(), self.way);
        let next = Self {
            depth: self.depth - 1,
            ..self
        };
        let refused = "an open pool takes a job";
        let handle = match way {
            Way::Context => Some(ctx.submit(next).expect(refused)),
            Way::Clone => Some(pool.submit(next).expect(refused)),
            Way::CloneTimeout => Some(pool.submit_timeout(next, Duration::MAX).expect(refused)),
            Way::ContextExecute => {
                ctx.execute(next).expect(refused);
                None
            }
            Way::CloneExecute => {
                pool.execute(next).expect(refused);
                None
            }
        };
        if let Some(handle) = handle {
            assert!(handle.is_finished());
            handle.join().expect("the child completed");
        }
    }
}
