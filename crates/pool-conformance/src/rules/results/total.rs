//! Every method of a handle in every state: none panics, and none waits for an outcome that is
//! there.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use pool_core::{
    AsyncJobExt, Executor, ExecutorExt, JobContext, JobError, JobExt, JobHandle, Outcome, Shutdown,
    ShutdownPolicy,
};

use crate::probe::{Count, ROOM, occupy, poll_once, pool};
use crate::subject::Subject;
use crate::thread;

type Handle = JobHandle<u32, Infallible>;

/// What a job of this rule does.
#[derive(Debug, Clone, Copy)]
enum Does {
    Completes,
    Panics,
    ExpiresQueued,
    IsCancelled,
    IsAbandoned,
}

impl Does {
    const ALL: [Self; 5] = [
        Self::Completes,
        Self::Panics,
        Self::ExpiresQueued,
        Self::IsCancelled,
        Self::IsAbandoned,
    ];

    fn outcome(self) -> Outcome {
        match self {
            Self::Completes => Outcome::Completed,
            Self::Panics => Outcome::Panicked,
            Self::ExpiresQueued => Outcome::Expired,
            Self::IsCancelled => Outcome::Cancelled,
            Self::IsAbandoned => Outcome::Abandoned,
        }
    }

    fn run(self) -> u32 {
        match self {
            Self::Panics => panic!("R503 panics on purpose"),
            _ => 7,
        }
    }
}

type Submit = fn(&dyn Executor, Does) -> Handle;

fn closure(pool: &dyn Executor, does: Does) -> Handle {
    let job = move |_: &JobContext<'_>| Ok(does.run());
    if matches!(does, Does::ExpiresQueued) {
        let late = job.with_deadline(thread::now());
        return pool.submit(late).expect(ROOM);
    }
    pool.submit(job).expect(ROOM)
}

fn future(pool: &dyn Executor, does: Does) -> Handle {
    let job = move |_| async move { Ok(does.run()) };
    if matches!(does, Does::ExpiresQueued) {
        let late = job.with_deadline(thread::now());
        return pool.submit_future(late).expect(ROOM);
    }
    pool.submit_future(job).expect(ROOM)
}

/// Part of `R503`: each end, with each way to go on after it.
pub(super) fn every_method_in_every_state(subject: Subject) {
    let mut kinds: Vec<Submit> = vec![closure];
    if subject.capability().async_jobs {
        kinds.push(future);
    }
    for submit in kinds {
        for does in Does::ALL {
            for way in WAYS {
                let handle = ended(subject, submit, does);
                way(handle, does);
            }
        }
        taken_in_a_job(subject, submit);
    }
}

/// A handle whose job has ended that way; its outcome was not taken.
fn ended(subject: Subject, submit: Submit, does: Does) -> Handle {
    let pool = pool(subject, 1, 4);
    let gate = occupy(&pool, 1);
    let mut handle = submit(&pool, does);
    still_waits(&mut handle, does);
    if matches!(does, Does::IsCancelled) {
        handle.cancel();
    }
    if matches!(does, Does::IsAbandoned) {
        // Without a grace it does not start; it is dropped with the report.
        let policy = ShutdownPolicy::new(Duration::ZERO).cancel_grace(Duration::ZERO);
        drop(pool.shutdown(policy));
    }
    gate.open();
    drop(pool);
    assert!(handle.is_finished(), "{does:?}: its pool has ended");
    handle
}

/// A handle of a queued job.
fn still_waits(handle: &mut Handle, does: Does) {
    asks(handle);
    if !matches!(does, Does::ExpiresQueued) {
        assert!(!handle.is_finished(), "{does:?}: no worker is free");
        assert!(polled(handle).is_pending());
    }
}

fn polled(handle: &mut Handle) -> Poll<Result<u32, JobError<Infallible>>> {
    poll_once(Pin::new(handle), &Count::new())
}

/// The methods that change nothing, in any state.
fn asks(handle: &Handle) {
    assert_eq!(handle.id(), handle.id());
    assert!(format!("{handle:?}").contains("is_finished"));
    let abort = handle.abort_handle();
    assert_eq!(abort.id(), handle.id());
    assert_eq!(abort.is_finished(), handle.is_finished());
    assert!(format!("{:?}", abort.clone()).contains("is_finished"));
}

/// Polls until the outcome comes, and checks that it is the right one.
#[track_caller]
fn take(handle: &mut Handle, does: Does) {
    match polled(handle) {
        Poll::Ready(outcome) => assert_eq!(outcome_of(&outcome), does.outcome()),
        Poll::Pending => panic!("{does:?}: a finished handle is pending"),
    }
    asks(handle);
    assert!(handle.is_finished(), "{does:?}: taken is finished");
    handle.cancel();
    handle.abort_handle().cancel();
    assert!(handle.is_finished(), "{does:?}: taken stays finished");
}

fn outcome_of(outcome: &Result<u32, JobError<Infallible>>) -> Outcome {
    outcome
        .as_ref()
        .map_or_else(JobError::outcome, |_| Outcome::Completed)
}

/// An outcome is given once; later calls say that it was taken.
#[track_caller]
fn says_that_it_was_taken(outcome: Result<u32, JobError<Infallible>>) {
    match outcome {
        Err(JobError::Panicked(info)) => assert!(info.message().contains("taken"), "{info}"),
        other => panic!("an outcome that was taken became {other:?}"),
    }
}

/// What may be done with a handle that has given its outcome.
const WAYS: [fn(Handle, Does); 10] = [
    |handle, does| assert_eq!(outcome_of(&handle.join()), does.outcome()),
    |handle, does| {
        let ended = handle.join_timeout(Duration::ZERO);
        let outcome = ended.expect("it is finished");
        assert_eq!(outcome_of(&outcome), does.outcome());
    },
    |handle, _| {
        handle.cancel();
        asks(&handle);
        handle.detach();
    },
    |handle, does| {
        handle.cancel();
        let outcome = handle.cancel_on_drop().join();
        assert_eq!(outcome_of(&outcome), does.outcome(), "it was over before");
    },
    |handle, _| drop(handle.cancel_on_drop()),
    |mut handle, does| {
        take(&mut handle, does);
        says_that_it_was_taken(handle.join());
    },
    |mut handle, does| {
        take(&mut handle, does);
        let ended = handle.join_timeout(Duration::MAX);
        says_that_it_was_taken(ended.expect("it waits for nothing"));
    },
    |mut handle, does| {
        take(&mut handle, does);
        for _ in 0..2 {
            match polled(&mut handle) {
                Poll::Ready(outcome) => says_that_it_was_taken(outcome),
                Poll::Pending => panic!("nobody will wake it"),
            }
        }
        drop(handle);
    },
    |mut handle, does| {
        take(&mut handle, does);
        drop(handle.cancel_on_drop());
    },
    |mut handle, does| {
        take(&mut handle, does);
        handle.cancel_on_drop().into_handle().detach();
    },
];

/// The same on a worker of the pool, which waits in other ways.
fn taken_in_a_job(subject: Subject, submit: Submit) {
    let pool = pool(subject, 1, 4);
    let inside = move |ctx: &JobContext<'_>| {
        for way in WAYS {
            let mut handle = submit(ctx.executor(), Does::Completes);
            // In place, since no other worker is free.
            assert!(
                polled(&mut handle).is_ready(),
                "a child runs within the poll"
            );
            asks(&handle);
            handle.cancel();
            says_that_it_was_taken(handle.join());
            let child = submit(ctx.executor(), Does::Completes);
            ctx.executor().wait_idle();
            way(child, Does::Completes);
        }
        Ok::<_, Infallible>(())
    };
    let inside = pool.submit(inside).expect(ROOM);
    crate::probe::ended(inside).expect("no method of a handle panics");
}
