//! R405: futures that sleep, or that yield forever, are dropped once they are cancelled.

use std::convert::Infallible;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Instant;

use pool_core::{
    AsyncContext, CancelToken, Configured, Executor, ExecutorExt, JobError, JobHandle, JobOptions,
};

use super::in_time;
use crate::probe::{Alive, Count, Gate, PROMPT, ROOM, ended, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

pub(super) fn r405(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    dropped_when_cancelled(&pool);
    dropped_at_its_deadline(&pool);
    dropped_while_giving_way(&pool);
    dropped_after_the_poll_it_is_in(&pool);
    Applied::Held
}

/// A future that is never woken, and the receiver that shows that it was dropped.
struct Asleep {
    handle: JobHandle<(), Infallible>,
    alive: Alive,
    polls: Count,
}

impl Asleep {
    fn submit(pool: &impl Executor, options: JobOptions) -> Self {
        let (alive, polls) = (Alive::new(), Count::new());
        let (captured, polled) = (alive.value(), polls.clone());
        let job = move |_: AsyncContext| async move {
            let _captured = captured;
            poll_fn(move |_| {
                polled.add();
                Poll::<()>::Pending
            })
            .await;
            Ok::<_, Infallible>(())
        };
        let handle = pool.submit_future(Configured::new(job, options));
        Self {
            handle: handle.expect(ROOM),
            alive,
            polls,
        }
    }

    fn dropped_promptly(self, since: Instant) -> JobError<Infallible> {
        let outcome = ended(self.handle);
        let late = thread::since(since);
        assert!(late <= PROMPT, "it was dropped only after {late:?}");
        assert_eq!(self.alive.count(), 0, "the future is over but not dropped");
        outcome.expect_err("the future never completes")
    }
}

fn dropped_when_cancelled(pool: &impl Executor) {
    let by_handle = Asleep::submit(pool, JobOptions::new());
    by_handle.polls.wait_for(1);
    by_handle.handle.cancel();
    let error = by_handle.dropped_promptly(thread::now());
    assert!(matches!(error, JobError::Cancelled), "{error:?}");

    let token = CancelToken::new();
    let by_token = Asleep::submit(pool, JobOptions::new().with_token(&token));
    by_token.polls.wait_for(1);
    token.cancel();
    let error = by_token.dropped_promptly(thread::now());
    assert!(matches!(error, JobError::Cancelled), "{error:?}");
}

fn dropped_at_its_deadline(pool: &impl Executor) {
    in_time(|timeout| {
        let deadline = thread::now() + timeout;
        let asleep = Asleep::submit(pool, JobOptions::new().with_deadline(deadline));
        let polls = asleep.polls.clone();
        let error = asleep.dropped_promptly(deadline);
        assert!(thread::now() >= deadline, "it was dropped too early");
        assert!(matches!(error, JobError::Expired), "{error:?}");
        (polls.get() > 0).then_some(())
    });
}

fn dropped_while_giving_way(pool: &impl Executor) {
    let (alive, polls) = (Alive::new(), Count::new());
    let (captured, polled) = (alive.value(), polls.clone());
    let job = move |_: AsyncContext| async move {
        let _captured = captured;
        poll_fn(move |cx| {
            polled.add();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
        Ok::<_, Infallible>(())
    };
    let handle = pool.submit_future(job).expect(ROOM);
    polls.wait_for(3);
    handle.cancel();
    let outcome = ended(handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert_eq!(alive.count(), 0);
}

/// The cancellation comes in the middle of a poll: that poll is the last one.
fn dropped_after_the_poll_it_is_in(pool: &impl Executor) {
    let (alive, polls, gate) = (Alive::new(), Count::new(), Gate::new());
    let (captured, polled, pass) = (alive.value(), polls.clone(), gate.pass());
    let job = move |_: AsyncContext| async move {
        let _captured = captured;
        poll_fn(move |cx| {
            polled.add();
            pass.wait();
            cx.waker().wake_by_ref();
            Poll::<()>::Pending
        })
        .await;
        Ok::<_, Infallible>(())
    };
    let handle = pool.submit_future(job).expect(ROOM);
    polls.wait_for(1);
    handle.cancel();
    gate.open();
    let outcome = ended(handle);
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert_eq!((polls.get(), alive.count()), (1, 0), "(polls, alive)");
}
