//! One job's life in every combination: what panics, when its handle is dropped, when and how it is
//! cancelled, when its pool ends.

use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::thread;

use pool::{
    Backend, CancelToken, JobContext, JobError, JobHandle, JobOptions, Outcome, Pool,
    ShutdownPolicy, Stats,
};
use pool_conformance::probe::{Count, ended, occupy, poll_once, wait_until};
use tokio::sync::oneshot;

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

/// Declares an enum, and a list of all its variants.
macro_rules! choice {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $stage:literal),* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        enum $name { $($variant = $stage),* }

        impl $name {
            const ALL: &'static [Self] = &[$(Self::$variant),*];
        }
    };
}

choice! { Kind { Closure = 0, Future = 1 } }
choice! {
    /// What of the job panics.
    Panics { Nowhere = 0, OnRun = 1, OnDrop = 2 }
}
choice! {
    /// Whether its output panics as it is dropped.
    Output { Quiet = 0, PanicsOnDrop = 1 }
}
choice! {
    /// Whether its handle is polled before the job can start.
    Polled { No = 0, Yes = 1 }
}
choice! {
    /// When its handle is dropped.
    Handle { AtOnce = 1, AfterStart = 2, AfterEnd = 3, Consumed = 4 }
}
choice! { Cancelled { AtOnce = 1, AfterStart = 2, AfterEnd = 3, Never = 5 } }
choice! { By { Handle = 0, Token = 1 } }
choice! {
    /// When its pool is shut down, at once.
    Shut { BeforeStart = 1, AfterStart = 2, AfterEnd = 3, Later = 4 }
}

#[derive(Debug, Clone, Copy)]
struct Case {
    kind: Kind,
    panics: Panics,
    output: Output,
    polled: Polled,
    handle: Handle,
    cancelled: Cancelled,
    by: By,
    shut: Shut,
}

impl Case {
    /// The possible combinations of one kind: a dropped handle cannot cancel.
    fn all(kind: Kind) -> Vec<Self> {
        let mut cases = Vec::new();
        for &panics in Panics::ALL {
            for &output in Output::ALL {
                for &polled in Polled::ALL {
                    for &handle in Handle::ALL {
                        for &cancelled in Cancelled::ALL {
                            for &by in By::ALL {
                                cases.extend(Shut::ALL.iter().map(|&shut| Self {
                                    kind,
                                    panics,
                                    output,
                                    polled,
                                    handle,
                                    cancelled,
                                    by,
                                    shut,
                                }));
                            }
                        }
                    }
                }
            }
        }
        cases.retain(|case| case.by == By::Token || case.has_handle_to_cancel());
        cases
    }

    fn has_handle_to_cancel(self) -> bool {
        self.cancelled == Cancelled::Never || self.handle as u8 >= self.cancelled as u8
    }

    fn starts(self) -> bool {
        self.cancelled != Cancelled::AtOnce && self.shut != Shut::BeforeStart
    }

    /// A suspended future is dropped; a closure goes on.
    fn is_cut_short(self) -> bool {
        let is_stopped = self.cancelled == Cancelled::AfterStart || self.shut == Shut::AfterStart;
        self.kind == Kind::Future && is_stopped
    }

    fn makes_output(self) -> bool {
        self.starts() && !self.is_cut_short() && self.panics != Panics::OnRun
    }

    /// What the handle says.
    fn outcome(self) -> Outcome {
        if self.cancelled == Cancelled::AtOnce {
            return Outcome::Cancelled;
        }
        if !self.starts() {
            return Outcome::Abandoned;
        }
        match self.panics {
            _ if self.is_cut_short() => Outcome::Cancelled,
            Panics::Nowhere => Outcome::Completed,
            Panics::OnRun | Panics::OnDrop => Outcome::Panicked,
        }
    }
}

/// Counts its drop, and panics if told to.
struct Value {
    dropped: Count,
    panics: bool,
}

impl Drop for Value {
    fn drop(&mut self) {
        self.dropped.add();
        // During another panic it would end the process, and no pool could prevent it.
        if self.panics && !thread::panicking() {
            resume_unwind(Box::new("as it is dropped"));
        }
    }
}

/// What a test observes of a job.
#[derive(Default)]
struct Seen {
    started: Count,
    captured_dropped: Count,
    output_dropped: Count,
    woken: Count,
}

/// The end of a job's body, after it has waited.
fn finish(case: Case, captured: Value, output_dropped: Count) -> Value {
    if case.panics == Panics::OnRun {
        resume_unwind(Box::new("as it runs"));
    }
    let output = Value {
        dropped: output_dropped,
        panics: case.output == Output::PanicsOnDrop,
    };
    // Panics, if told to, while it holds the output.
    drop(captured);
    output
}

fn submit(
    pool: &Pool,
    case: Case,
    token: &CancelToken,
    seen: &Seen,
    opened: oneshot::Receiver<()>,
) -> JobHandle<Value, Infallible> {
    let captured = Value {
        dropped: seen.captured_dropped.clone(),
        panics: case.panics == Panics::OnDrop,
    };
    let (started, output_dropped) = (seen.started.clone(), seen.output_dropped.clone());
    let options = JobOptions::new().with_token(token);
    match case.kind {
        Kind::Closure => {
            let body = move |_: &JobContext<'_>| {
                started.add();
                opened.blocking_recv().expect("the test opens it");
                Ok(finish(case, captured, output_dropped))
            };
            pool.submit(pool::JobExt::with_options(body, options))
                .expect(ROOM)
        }
        Kind::Future => {
            let body = move |_: pool::AsyncContext| async move {
                asleep(opened, started).await;
                Ok(finish(case, captured, output_dropped))
            };
            pool.submit_future(pool::AsyncJobExt::with_options(body, options))
                .expect(ROOM)
        }
    }
}

/// Waits until it is opened, and counts as started once it sleeps: what comes then finds it
/// suspended.
async fn asleep(mut opened: oneshot::Receiver<()>, started: Count) {
    let mut is_told = false;
    poll_fn(|cx| {
        let polled = Pin::new(&mut opened).poll(cx);
        if !std::mem::replace(&mut is_told, true) {
            started.add();
        }
        polled
    })
    .await
    .expect("the test opens it");
}

fn shut_down_at_once(pool: &Pool) {
    let report = pool.shutdown(ShutdownPolicy::now());
    assert!(report.balances(), "{report}");
}

/// Runs one case. The pool has one worker, and nothing to do.
fn live(pool: &Pool, case: Case) {
    let (before, seen, token) = (pool.stats(), Seen::default(), CancelToken::new());
    let (open, opened) = oneshot::channel();
    let blocker = occupy(pool, 1);
    let mut handle = Some(submit(pool, case, &token, &seen, opened));
    if let (Polled::Yes, Some(handle)) = (case.polled, &mut handle) {
        assert!(poll_once(Pin::new(handle), &seen.woken).is_pending());
    }
    let cancel = |handle: &Option<JobHandle<Value, Infallible>>| match (case.by, handle) {
        (By::Token, _) => token.cancel(),
        (By::Handle, Some(handle)) => handle.cancel(),
        (By::Handle, None) => unreachable!("the case has none"),
    };
    let at = |stage: u8, handle: &mut Option<JobHandle<Value, Infallible>>| {
        if case.cancelled as u8 == stage {
            cancel(handle);
        }
        if case.handle as u8 == stage {
            drop(handle.take());
        }
        if case.shut as u8 == stage {
            shut_down_at_once(pool);
        }
    };
    at(1, &mut handle);
    blocker.open();
    let are_books_closed = || {
        let stats = pool.stats();
        stats.accepted == stats.finished() + stats.unstarted
    };
    if case.starts() {
        seen.started.wait_for(1);
    } else {
        wait_until("the job is found not to start", pool, are_books_closed);
    }
    at(2, &mut handle);
    // The receiver is gone if the job never started or was dropped.
    let _heard = open.send(());
    wait_until("the books are closed", pool, are_books_closed);
    // The end of a job is counted before the last of the job is dropped, and the pool is idle after
    // that.
    pool.wait_idle();
    at(3, &mut handle);
    if let Some(handle) = handle {
        consumed(case, handle);
        let woken = usize::from(case.polled == Polled::Yes);
        assert_eq!(seen.woken.get(), woken, "wakes of the handle's waker");
    }
    // A worker drops what an abandoned job had captured; the shutdown does not wait for that.
    seen.captured_dropped.wait_for(1);
    assert_eq!(seen.started.get(), usize::from(case.starts()), "starts");
    assert_eq!(
        seen.captured_dropped.get(),
        1,
        "drops of what the job captured"
    );
    let outputs = usize::from(case.makes_output());
    assert_eq!(seen.output_dropped.get(), outputs, "drops of the output");
    booked(case, &before, &pool.stats());
}

fn consumed(case: Case, handle: JobHandle<Value, Infallible>) {
    let outcome = match ended(handle) {
        Ok(mut output) => {
            output.panics = false;
            Outcome::Completed
        }
        Err(JobError::Failed(never)) => match never {},
        Err(error) => error.outcome(),
    };
    assert_eq!(outcome, case.outcome());
}

/// The job is in the column of its outcome; the one that held the worker completed.
fn booked(case: Case, before: &Stats, after: &Stats) {
    let is = |outcome| u64::from(case.outcome() == outcome);
    let expected = [
        1 + is(Outcome::Completed),
        is(Outcome::Panicked),
        is(Outcome::Cancelled),
        is(Outcome::Abandoned),
    ];
    let booked = [
        after.completed - before.completed,
        after.panicked - before.panicked,
        after.cancelled - before.cancelled,
        // The shutdown handed it back, and it was dropped with the report.
        after.unstarted - before.unstarted,
    ];
    assert_eq!(
        booked, expected,
        "completed, panicked, cancelled, unstarted"
    );
    assert_eq!(after.abandoned + after.failed + after.expired, 0, "{after}");
}

fn live_through_all(backend: Backend, kind: Kind) {
    let shared = pool(backend, 1, 4);
    for case in Case::all(kind) {
        let lived = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            if case.shut == Shut::Later {
                live(&shared, case);
            } else {
                live(&pool(backend, 1, 4), case);
            }
        }));
        assert!(lived.is_ok(), "{case:?}");
    }
    ends_clean(&shared);
}

#[test]
fn a_closure_lives_through_every_combination() {
    on_each_backend(|backend| live_through_all(backend, Kind::Closure));
}

#[test]
fn a_future_lives_through_every_combination() {
    on_each_backend(|backend| live_through_all(backend, Kind::Future));
}

/// The cases are complete: each choice is made, and each outcome except two occurs.
#[test]
fn the_combinations_are_all_there() {
    for &kind in Kind::ALL {
        let cases = Case::all(kind);
        // 3 panics, 2 outputs, 2 polls, 4 ends; with a token 4 handles and 4 cancels, with a handle
        // 4 + 3 + 2 + 4.
        assert_eq!(cases.len(), 3 * 2 * 2 * 4 * (4 * 4 + 4 + 3 + 2 + 4));
        for outcome in [
            Outcome::Completed,
            Outcome::Panicked,
            Outcome::Cancelled,
            Outcome::Abandoned,
        ] {
            assert!(
                cases.iter().any(|case| case.outcome() == outcome),
                "{outcome}"
            );
        }
    }
}
