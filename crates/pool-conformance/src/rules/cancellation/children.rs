//! R406: a parent's cancellation and deadline hold for its children too, and not the other way
//! round.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use pool_core::{
    AsyncContext, AsyncJobExt, CancelToken, Executor, ExecutorExt, Interrupted, JobContext,
    JobError, JobExt, JobHandle,
};

use super::in_time;
use crate::channel::channel;
use crate::probe::{Count, FAR, Gate, PATIENCE, ROOM, ended, let_pass, pool};
use crate::rule::Applied;
use crate::subject::Subject;
use crate::thread;

pub(super) fn r406(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 8);
    the_earlier_deadline_holds(&pool);
    a_queued_child_expires_with_its_parent(&pool);
    a_queued_child_is_cancelled_with_its_parent(&pool);
    a_running_grandchild_sees_it(&pool);
    a_child_with_a_token_of_its_own_sees_both(&pool);
    a_child_is_cancelled_alone(&pool);
    if pool.capability().async_jobs {
        a_future_hands_on_what_it_has(&pool);
    }
    Applied::Held
}

fn deadline_of(ctx: &JobContext<'_>) -> Result<Option<Instant>, Infallible> {
    Ok(ctx.deadline())
}

fn the_earlier_deadline_holds(pool: &impl Executor) {
    let own = thread::now() + FAR;
    let (sooner, later) = (own - Duration::from_secs(1), own + Duration::from_secs(1));
    let parent = move |ctx: &JobContext<'_>| {
        let plain = ctx.submit(deadline_of).expect(ROOM);
        let hurried = ctx.submit(deadline_of.with_deadline(sooner)).expect(ROOM);
        let patient = ctx.submit(deadline_of.with_deadline(later)).expect(ROOM);
        let unrelated = ctx.executor().submit(deadline_of).expect(ROOM);
        let all = [plain, hurried, patient, unrelated];
        Ok::<_, Infallible>(all.map(|child| child.join().expect("it cannot fail")))
    };
    let seen = ended(pool.submit(parent.with_deadline(own)).expect(ROOM));
    let expected = [Some(own), Some(sooner), Some(own), None];
    assert_eq!(seen.expect("the parent completes"), expected);
    let free = |ctx: &JobContext<'_>| ctx.submit(deadline_of).expect(ROOM).join();
    let seen = ended(pool.submit(free).expect(ROOM));
    assert_eq!(seen.expect("the parent completes"), None);
}

/// A child that counts its runs, submitted both with and without a handle.
fn submit_children(ctx: &JobContext<'_>, ran: &Count) -> JobHandle<(), Infallible> {
    let counting = |ran: Count| {
        move |_: &JobContext<'_>| {
            ran.add();
            Ok::<_, Infallible>(())
        }
    };
    ctx.execute(counting(ran.clone())).expect(ROOM);
    ctx.submit(counting(ran.clone())).expect(ROOM)
}

fn a_queued_child_expires_with_its_parent(pool: &impl Executor) {
    let ran = Count::new();
    in_time(|timeout| {
        let runs = ran.clone();
        let parent = move |ctx: &JobContext<'_>| {
            let child = submit_children(ctx, &runs);
            let_pass(ctx.deadline().expect("the parent has a deadline"));
            Ok::<_, Infallible>(child)
        };
        let child = match ended(pool.submit(parent.with_timeout(timeout)).expect(ROOM)) {
            Ok(child) => child,
            Err(JobError::Expired) => return None,
            Err(error) => panic!("the parent ended otherwise: {error:?}"),
        };
        let outcome = ended(child);
        assert!(matches!(outcome, Err(JobError::Expired)), "{outcome:?}");
        Some(())
    });
    pool.wait_idle();
    assert_eq!(ran.get(), 0, "a child ran past its parent's deadline");
}

fn a_queued_child_is_cancelled_with_its_parent(pool: &impl Executor) {
    for token in [None, Some(CancelToken::new())] {
        let (gate, ran) = (Gate::new(), Count::new());
        let (pass, runs) = (gate.pass(), ran.clone());
        let (send, mut children) = channel();
        let parent = move |ctx: &JobContext<'_>| {
            let child = submit_children(ctx, &runs);
            send.send(child);
            pass.wait();
            Ok::<_, Infallible>(())
        };
        let handle = match &token {
            Some(token) => pool.submit(parent.with_token(token)).expect(ROOM),
            None => pool.submit(parent).expect(ROOM),
        };
        let child = children.recv_timeout(PATIENCE).expect("the parent starts");
        match &token {
            Some(token) => token.cancel(),
            None => handle.cancel(),
        }
        gate.open();
        assert!(ended(handle).is_ok(), "the parent takes no notice");
        let outcome = ended(child);
        assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
        pool.wait_idle();
        assert_eq!(ran.get(), 0, "a child ran after its parent was cancelled");
    }
}

fn a_running_grandchild_sees_it(pool: &impl Executor) {
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let grandchild = move |ctx: &JobContext<'_>| {
        assert!(ctx.check().is_ok(), "not cancelled yet");
        begun.add();
        pass.wait();
        Ok::<_, Infallible>((ctx.is_cancelled(), ctx.check()))
    };
    let child = |ctx: &JobContext<'_>| ctx.submit(grandchild).expect(ROOM).join();
    let parent = |ctx: &JobContext<'_>| {
        let seen = ctx.submit(child).expect(ROOM).join();
        Ok::<_, Infallible>(seen.map_err(|error| error.to_string()))
    };
    let handle = pool.submit(parent).expect(ROOM);
    started.wait_for(1);
    handle.cancel();
    gate.open();
    let seen = ended(handle).expect("the parent completes");
    assert_eq!(seen, Ok((true, Err(Interrupted::Cancelled))));
}

fn a_child_with_a_token_of_its_own_sees_both(pool: &impl Executor) {
    for cancels_parent in [true, false] {
        let (gate, started, own) = (Gate::new(), Count::new(), CancelToken::new());
        let (pass, begun, token) = (gate.pass(), started.clone(), own.clone());
        let child = move |ctx: &JobContext<'_>| {
            begun.add();
            pass.wait();
            Ok::<_, Infallible>(ctx.is_cancelled())
        };
        let parent = move |ctx: &JobContext<'_>| {
            let child = ctx.submit(child.with_token(&token)).expect(ROOM);
            let seen = child.join().expect("a child that has begun goes on");
            Ok::<_, Infallible>((seen, ctx.is_cancelled()))
        };
        let handle = pool.submit(parent).expect(ROOM);
        started.wait_for(1);
        if cancels_parent {
            handle.cancel();
        } else {
            own.cancel();
        }
        gate.open();
        let seen = ended(handle).expect("the parent completes");
        assert_eq!(
            seen,
            (true, cancels_parent),
            "what the child saw, and its parent"
        );
    }
}

fn a_child_is_cancelled_alone(pool: &impl Executor) {
    let ran = Count::new();
    let runs = ran.clone();
    let parent = move |ctx: &JobContext<'_>| {
        let first = submit_children(ctx, &runs);
        let second = submit_children(ctx, &runs);
        first.cancel();
        Ok::<_, Infallible>((ctx.is_cancelled(), second))
    };
    let (is_cancelled, sibling) = ended(pool.submit(parent).expect(ROOM)).expect("it cannot fail");
    assert!(!is_cancelled, "a child's cancellation reached its parent");
    assert!(ended(sibling).is_ok(), "nor does it reach its siblings");
    pool.wait_idle();
    assert_eq!(ran.get(), 3, "all children but the cancelled one ran");
}

fn a_future_hands_on_what_it_has(pool: &impl Executor) {
    let own = thread::now() + FAR;
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let (send, mut inherited) = channel();
    let parent = move |ctx: AsyncContext| async move {
        send.send(ctx.inherited());
        begun.add();
        pass.wait();
        Ok::<_, Infallible>(())
    };
    let parent = pool.submit_future(parent.with_deadline(own)).expect(ROOM);
    let inherited = inherited.recv_timeout(PATIENCE).expect("the parent starts");
    let child = pool.submit(deadline_of.with_options(inherited.clone()));
    parent.cancel();
    gate.open();
    let outcome = ended(child.expect(ROOM));
    assert!(matches!(outcome, Err(JobError::Cancelled)), "{outcome:?}");
    assert!(
        ended(parent).is_ok(),
        "a future that does not suspend goes on"
    );
    let free = |ctx: AsyncContext| async move { Ok::<_, Infallible>(ctx.inherited()) };
    let free = pool.submit_future(free.with_deadline(own)).expect(ROOM);
    let options = ended(free).expect("it cannot fail");
    let child = pool.submit(deadline_of.with_options(options)).expect(ROOM);
    assert_eq!(ended(child).expect("it cannot fail"), Some(own));
}
