//! R607 and R609: the end of a pool as its own jobs see it and cause it.

use std::convert::Infallible;
use std::time::Duration;

use pool_core::{
    AsyncContext, Executor, ExecutorExt, JobContext, JobHandle, Shutdown, ShutdownPolicy,
    ShutdownReport,
};

use super::nested::ends_within_ends;
use super::{holding, refused, unit};
use crate::polling::Signal;
use crate::probe::{Alive, Count, FAR, Gate, ROOM, ended, pool, until_interrupted};
use crate::rule::Applied;
use crate::subject::Subject;

pub(super) fn r607(subject: Subject) -> Applied {
    children_of_a_draining_pool(&pool(subject, 2, 8));
    children_after_the_grace(&pool(subject, 1, 8));
    if subject.capability().async_jobs {
        children_of_a_future(pool(subject, 2, 8));
    }
    Applied::Held
}

fn worker_of(ctx: &JobContext<'_>) -> Result<usize, Infallible> {
    Ok(ctx.worker())
}

/// The parent's children and grandchildren run on its worker and are counted.
fn children_of_a_draining_pool(pool: &(impl Executor + Shutdown)) {
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, begun) = (gate.pass(), started.clone());
    let parent = move |ctx: &JobContext<'_>| {
        begun.add();
        pass.wait();
        let grandparent = |ctx: &JobContext<'_>| ctx.submit(worker_of).expect("draining").join();
        let children = [
            ctx.submit(worker_of).expect("draining"),
            ctx.executor().submit(worker_of).expect("draining"),
            ctx.executor()
                .submit_timeout(worker_of, FAR)
                .expect("draining"),
        ];
        let nested = ctx.submit(grandparent).expect("draining");
        ctx.execute(unit).expect("draining");
        ctx.executor().spawn(|| ()).expect("draining").detach();
        let nested = nested.join().expect("a child cannot fail");
        let mut workers = children
            .map(|child| child.join().expect("a child cannot fail"))
            .to_vec();
        workers.push(nested);
        Ok::<_, Infallible>((ctx.worker(), workers))
    };
    let parent = pool.submit(parent).expect(ROOM);
    started.wait_for(1);
    pool.close();
    let _from_outside = refused(pool.submit(unit));
    gate.open();
    let (own, workers) = ended(parent).expect("the parent cannot fail");
    assert_eq!(
        workers, [own; 4],
        "children run on their submitter's worker"
    );
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert_eq!((report.accepted(), report.completed()), (8, 8), "{report}");
}

fn children_after_the_grace(pool: &(impl Executor + Shutdown)) {
    let (alive, started) = (Alive::new(), Count::new());
    let (captured, begun) = (
        [alive.value(), alive.value(), alive.value()],
        started.clone(),
    );
    let parent = move |ctx: &JobContext<'_>| {
        begun.add();
        until_interrupted(ctx);
        let [first, second, third] = captured.map(holding);
        drop(refused(ctx.submit(first)));
        drop(refused(ctx.execute(second)));
        drop(refused(ctx.executor().submit(third)));
        Ok::<_, Infallible>(())
    };
    let parent = pool.submit(parent).expect(ROOM);
    started.wait_for(1);
    let report = pool.shutdown(ShutdownPolicy::new(Duration::ZERO).cancel_grace(FAR));
    assert!(ended(parent).is_ok(), "each child was refused as closed");
    assert_eq!(alive.count(), 0, "each child came back");
    assert_eq!((report.accepted(), report.completed()), (1, 1), "{report}");
}

/// A future that has slept, so that its worker is not the one it began on, has children of every
/// kind.
fn children_of_a_future<P: Executor + Shutdown + Clone + 'static>(pool: P) {
    let (signal, started) = (Signal::default(), Count::new());
    let (fired, begun, inner) = (signal.clone(), started.clone(), pool.clone());
    let parent = move |_: AsyncContext| async move {
        begun.add();
        fired.await;
        let blocking = inner.submit(unit).expect("draining");
        let waiting = inner.submit_async(unit).await.expect("draining");
        let future = inner
            .spawn_future(tokio::task::yield_now())
            .expect("draining");
        Ok::<[JobHandle<(), Infallible>; 3], Infallible>([blocking, waiting, future])
    };
    let parent = pool.submit_future(parent).expect(ROOM);
    started.wait_for(1);
    pool.close();
    signal.fire();
    for child in ended(parent).expect("children are accepted") {
        assert!(ended(child).is_ok());
    }
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert_eq!((report.accepted(), report.completed()), (4, 4), "{report}");
}

pub(super) fn r609(subject: Subject) -> Applied {
    let limited = ShutdownPolicy::new(Duration::from_millis(20)).cancel_grace(Duration::ZERO);
    for policy in [ShutdownPolicy::drain(), limited, ShutdownPolicy::now()] {
        by_its_only_job(&pool(subject, 1, 8), policy);
        by_a_joined_child(&pool(subject, 1, 8), policy);
        by_every_worker(&pool(subject, 2, 8), policy);
        with_jobs_queued_behind(&pool(subject, 1, 8), policy);
    }
    if subject.capability().async_jobs {
        by_a_future_that_has_slept(&pool(subject, 1, 8));
        by_a_future_that_awaits(&pool(subject, 1, 8));
    }
    ends_within_ends(subject);
    Applied::Held
}

/// A job that shuts its own pool down once the gate is open.
fn shut_down_inside<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    policy: ShutdownPolicy,
    gate: &Gate,
) -> JobHandle<ShutdownReport, Infallible> {
    let (inner, pass, started) = (pool.clone(), gate.pass(), Count::new());
    let begun = started.clone();
    let job = move || {
        begun.add();
        pass.wait();
        inner.shutdown(policy)
    };
    let handle = pool.spawn(job).expect(ROOM);
    started.wait_for(1);
    handle
}

fn by_its_only_job<P: Executor + Shutdown + Clone + 'static>(pool: &P, policy: ShutdownPolicy) {
    let gate = Gate::new();
    let job = shut_down_inside(pool, policy, &gate);
    let id = job.id();
    gate.open();
    let report = ended(job).expect("the shutdown returns");
    assert!(report.balances() && report.accepted() == 1, "{report}");
    assert_eq!(
        report.still_running().len(),
        1,
        "the caller itself: {report}"
    );
    assert_eq!(report.still_running()[0].id, id);
    assert!(pool.is_closed());
}

fn by_a_joined_child<P: Executor + Shutdown + Clone + 'static>(pool: &P, policy: ShutdownPolicy) {
    let inner = pool.clone();
    let parent = move |ctx: &JobContext<'_>| {
        let child = move |_: &JobContext<'_>| Ok::<_, Infallible>(inner.shutdown(policy));
        ctx.submit(child).expect(ROOM).join()
    };
    let report = ended(pool.submit(parent).expect(ROOM)).expect("the shutdown returns");
    assert!(report.balances() && report.accepted() == 2, "{report}");
}

fn by_every_worker<P: Executor + Shutdown + Clone + 'static>(pool: &P, policy: ShutdownPolicy) {
    let gate = Gate::new();
    let jobs = [(); 2].map(|()| shut_down_inside(pool, policy, &gate));
    gate.open();
    let reports = jobs.map(|job| ended(job).expect("the shutdown returns"));
    for report in &reports {
        assert!(report.balances() && report.accepted() == 2, "{report}");
    }
}

/// The jobs behind it run or come back: its worker is the only one.
fn with_jobs_queued_behind<P: Executor + Shutdown + Clone + 'static>(
    pool: &P,
    policy: ShutdownPolicy,
) {
    let gate = Gate::new();
    let job = shut_down_inside(pool, policy, &gate);
    let queued: Vec<_> = (0..3).map(|_| pool.submit(unit).expect(ROOM)).collect();
    gate.open();
    let report = ended(job).expect("the shutdown returns");
    assert!(report.balances() && report.accepted() == 4, "{report}");
    drop(report);
    for handle in queued {
        let _either = ended(handle);
    }
}

/// It blocks its worker in `shutdown`, but in a later poll than its first.
fn by_a_future_that_has_slept<P: Executor + Shutdown + Clone + 'static>(pool: &P) {
    let inner = pool.clone();
    let future = async move {
        tokio::task::yield_now().await;
        inner.shutdown(ShutdownPolicy::drain())
    };
    let report = ended(pool.spawn_future(future).expect(ROOM)).expect("it returns");
    assert!(report.balances() && report.accepted() == 1, "{report}");
}

fn by_a_future_that_awaits<P: Executor + Shutdown + Clone + 'static>(pool: &P) {
    let inner = pool.clone();
    let future = async move { inner.shutdown_async(ShutdownPolicy::drain()).await };
    let report = ended(pool.spawn_future(future).expect(ROOM)).expect("it returns");
    assert!(report.balances() && report.accepted() == 1, "{report}");
}
