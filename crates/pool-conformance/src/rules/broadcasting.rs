//! Chapter 10: what every worker is told to do once: a broadcast.

use std::convert::Infallible;

use pool_core::backend::PoolConfig;
use pool_core::{Broadcast, Executor, ExecutorExt, JobContext, JobError, Shutdown, ShutdownPolicy};

use crate::probe::{Alive, Count, PATIENCE, ROOM, WINDOW, ended, meet, occupy, pool, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::Subject;
use crate::thread::{self, ThreadId, often, rounds};

/// Why the rules do not apply.
const NO_THREADS: Applied = Applied::NotHere("the executor does not have threads of its own");

/// How often workers are told to do something as they go to sleep, and under load.
const BROADCASTS: usize = 400;
const UNDER_LOAD: usize = 40;

/// More broadcasts than any executor keeps for a worker that hangs.
const TOO_MANY: usize = 10_000;

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R1070",
            "a broadcast runs once on every worker's own thread, and gives the results by worker",
            r1070,
        ),
        Rule::required(
            "R1071",
            "neither a busy queue nor a pause keeps a worker from its share of a broadcast",
            r1071,
        ),
        Rule::required(
            "R1072",
            "a broadcast takes no place in the queue, and is refused whole",
            r1072,
        ),
        Rule::required(
            "R1073",
            "no job hangs by a broadcast to its own pool",
            r1073,
        ),
        Rule::required(
            "R1074",
            "a shutdown waits for a broadcast up to its limit, and abandons what is left",
            r1074,
        ),
    ]
}

/// Broadcasts, if the executor has threads of its own.
fn send<T: Send + 'static>(
    pool: &(impl Executor + ?Sized),
    f: impl Fn(&JobContext<'_>) -> T + Send + Sync + 'static,
) -> Option<Broadcast<T>> {
    match pool.broadcast(f) {
        Ok(broadcast) => Some(broadcast),
        Err(refused) => {
            assert!(refused.is_unsupported(), "an open pool refuses: {refused}");
            let owns_threads = pool.capability().owns_threads;
            assert!(!owns_threads, "it has threads, and cannot reach them");
            None
        }
    }
}

/// What came of each share.
fn ends<T>(broadcast: Broadcast<T>) -> Vec<Result<T, JobError<Infallible>>> {
    broadcast
        .join_timeout(PATIENCE)
        .unwrap_or_else(|broadcast| panic!("{broadcast:?} is not over after {PATIENCE:?}"))
}

/// The results of a broadcast that every worker has run.
fn results<T>(broadcast: Broadcast<T>) -> Vec<T> {
    let ends = ends(broadcast).into_iter();
    ends.map(|end| end.expect("each worker runs its share"))
        .collect()
}

/// Where a share runs: the index that the start hook of the thread was given, and the thread.
fn place(ctx: &JobContext<'_>) -> (Option<usize>, ThreadId) {
    (ctx.state::<usize>().copied(), thread::current().id())
}

fn r1070(subject: Subject) -> Applied {
    const WORKERS: usize = 3;
    let mut config = PoolConfig::default();
    config.set_workers(WORKERS);
    config.set_capacity(8);
    config.set_on_worker_start(|index| index);
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let Some(first) = send(&pool, place) else {
        return NO_THREADS;
    };
    let places = results(first);
    let indices: Vec<_> = places.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, [Some(0), Some(1), Some(2)], "by worker");
    for (number, (_, thread)) in places.iter().enumerate() {
        let others = &places[number + 1..];
        assert!(others.iter().all(|(_, other)| other != thread));
    }
    let runs = Count::new();
    let mut sent = 0;
    for round in rounds(BROADCASTS) {
        let counted = runs.clone();
        let broadcast = send(&pool, move |ctx| {
            counted.add();
            place(ctx)
        });
        if round % 4 == 1 && pool.capability().async_jobs {
            // Slots go elsewhere and come back.
            ended(pool.spawn_future(async {}).expect(ROOM)).expect("it ends");
        }
        assert_eq!(results(broadcast.expect("it could before")), places);
        sent += WORKERS;
        if round % 4 == 3 {
            meet(&pool, WORKERS);
        }
    }
    assert_eq!(runs.get(), sent, "once on each");
    pool.wait_idle();
    assert_eq!(pool.stats().accepted, pool.stats().completed);
    Applied::Held
}

/// A job that is followed by the next, until it is told to stop: with more of these than workers,
/// something is always queued.
fn goes_on(ctx: &JobContext<'_>, stop: &Count) -> Result<(), Infallible> {
    if stop.get() == 0 {
        let stop = stop.clone();
        let next = move |ctx: &JobContext<'_>| goes_on(ctx, &stop);
        ctx.execute(next).expect("a child of an open pool");
    }
    Ok(())
}

fn r1071(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 16);
    let stop = Count::new();
    for _ in 0..8 {
        let stop = stop.clone();
        let chain = move |ctx: &JobContext<'_>| goes_on(ctx, &stop);
        pool.execute(chain).expect(ROOM);
    }
    let mut is_here = true;
    for _ in 0..often(UNDER_LOAD) {
        let Some(broadcast) = send(&pool, |_| ()) else {
            is_here = false;
            break;
        };
        assert_eq!(results(broadcast).len(), 2);
    }
    stop.add();
    pool.wait_idle();
    if !is_here {
        return NO_THREADS;
    }
    if pool.pause() {
        let started = Count::new();
        let seen = started.clone();
        // A worker that was about to take a job may take one: so the job comes when all have been
        // seen between two jobs since the pause.
        results(send(&pool, |_| ()).expect("it could before"));
        let held = pool.spawn(move || started.add()).expect(ROOM);
        results(send(&pool, |_| ()).expect("it could before"));
        seen.stays_below(1, WINDOW);
        pool.resume();
        ended(held).expect("it runs after the pause");
    }
    Applied::Held
}

fn r1072(subject: Subject) -> Applied {
    let pool = pool(subject, 1, 1);
    let gate = occupy(&pool, 1);
    pool.spawn(|| ()).expect(ROOM).detach();
    let alive = Alive::new();
    let share = || {
        let captured = alive.value();
        move |_: &JobContext<'_>| {
            let _captured = &captured;
        }
    };
    let Some(first) = send(&pool, share()) else {
        gate.open();
        return NO_THREADS;
    };
    let (accepted, queued) = (pool.stats().accepted, pool.stats().queued);
    assert_eq!(
        (accepted, queued),
        (3, 2),
        "a share is a job beyond the bound"
    );
    let mut waiting = vec![first];
    let refused = loop {
        match pool.broadcast(share()) {
            Ok(broadcast) => waiting.push(broadcast),
            Err(refused) => break refused,
        }
        assert!(waiting.len() < TOO_MANY, "a worker that hangs has no bound");
    };
    assert!(refused.is_full(), "{refused}");
    assert_eq!(alive.count(), waiting.len() + 1, "the closure comes back");
    drop(refused.into_closure());
    assert_eq!(pool.stats().accepted, 2 + waiting.len() as u64);
    // Those that are cancelled end at once, and make way.
    waiting.iter().for_each(Broadcast::cancel);
    assert_eq!(alive.count(), 0);
    for cancelled in waiting.drain(..) {
        assert!(matches!(ends(cancelled)[..], [Err(JobError::Cancelled)]));
    }
    let last = send(&pool, |_| 42).expect("it could before");
    gate.open();
    assert_eq!(results(last), [42]);
    pool.wait_idle();
    assert_eq!(pool.stats().accepted, pool.stats().finished());
    Shutdown::close(&pool);
    let refused = pool.broadcast(share()).expect_err("the pool is closed");
    assert!(refused.is_closed(), "{refused}");
    assert_eq!(alive.count(), 1, "the closure comes back");
    Applied::Held
}

fn r1073(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 8);
    if send(&pool, |_| ()).is_none() {
        return NO_THREADS;
    }
    pool.wait_idle();
    // Two jobs, on all workers, that broadcast to each other and wait.
    let here = Count::new();
    let joins = |_| {
        let here = here.clone();
        let job = move |ctx: &JobContext<'_>| {
            let broadcast = ctx.executor().broadcast(|ctx| ctx.id());
            here.add();
            here.wait_for(2);
            let refused = broadcast.expect("the pool is open").join();
            Ok::<_, Infallible>(refused.expect_err("it would wait for itself"))
        };
        pool.submit(job).expect(ROOM)
    };
    let jobs: Vec<_> = (0..2).map(joins).collect();
    for job in jobs {
        let refused = ended(job).expect("the job goes on");
        assert_eq!(results(refused.into_broadcast()).len(), 2);
    }
    // All workers wait for the whole pool, of which the shares are a part.
    let waits = |_| {
        let pool = pool.clone();
        move || {
            let broadcast = pool.broadcast(|_| ()).expect("the pool is open");
            pool.wait_idle();
            broadcast.is_finished()
        }
    };
    let jobs: Vec<_> = (0..2).map(waits).map(|job| pool.spawn(job)).collect();
    for job in jobs {
        assert!(ended(job.expect(ROOM)).expect("the job goes on"));
    }
    if pool.capability().async_jobs {
        let own = pool.clone();
        let awaits = async move {
            let broadcast = own.broadcast(|_| ()).expect("the pool is open");
            broadcast.await.is_err()
        };
        let future = pool.spawn_future(awaits).expect(ROOM);
        assert!(ended(future).expect("it goes on"));
    }
    Applied::Held
}

fn r1074(subject: Subject) -> Applied {
    for policy in [
        ShutdownPolicy::now(),
        ShutdownPolicy::now().hand_back(),
        ShutdownPolicy::within(WINDOW),
    ] {
        let pool = pool(subject, 2, 4);
        let gate = occupy(&pool, 1);
        let done = Count::new();
        let counted = done.clone();
        let Some(broadcast) = send(&pool, move |_| counted.add()) else {
            gate.open();
            return NO_THREADS;
        };
        wait_until("the free worker has run its share", &pool, || {
            let stats = pool.stats();
            (stats.completed, stats.running) == (1, 1)
        });
        let report = pool.shutdown(policy);
        assert!(report.balances(), "{report}");
        assert_eq!(report.completed(), 1, "{report}");
        assert_eq!(report.unstarted(), 1, "{report}");
        let unstarted = report.unstarted_jobs();
        assert_eq!(unstarted[0].name.as_deref(), Some("broadcast"), "{report}");
        assert!(
            report.take_unstarted().is_empty(),
            "no other pool can run it"
        );
        let ends = ends(broadcast);
        let left = ends.iter().filter(|end| end.is_err());
        assert_eq!(left.count(), 1, "{ends:?}");
        let is_abandoned = |end: &_| matches!(end, Err(JobError::Abandoned));
        assert!(ends.iter().any(is_abandoned), "{ends:?}");
        assert_eq!(done.get(), 1);
        gate.open();
    }
    // A drain waits for it.
    let pool = pool(subject, 2, 4);
    let gate = occupy(&pool, 2);
    let done = Count::new();
    let counted = done.clone();
    let broadcast = send(&pool, move |_| counted.add()).expect("it could before");
    gate.open();
    let report = pool.shutdown(ShutdownPolicy::drain());
    assert!(report.is_clean(), "{report}");
    assert_eq!((done.get(), results(broadcast).len()), (2, 2));
    Applied::Held
}
