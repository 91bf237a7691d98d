//! What a pool shows of itself while it works: the jobs that run, and a snapshot.

use std::convert::Infallible;

use pool_core::backend::PoolConfig;
use pool_core::{
    Executor, ExecutorExt, JobContext, JobExt, JobHandle, JobId, PoolPhase, RunningJob, Shutdown,
    ShutdownPolicy,
};

use super::ledger::within_user_code;
use crate::channel::channel;
use crate::polling::Signal;
use crate::probe::{Count, Gate, PATIENCE, Pass, ROOM, ended, occupy, pool, wait_until};
use crate::rule::{Applied, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

/// Jobs that are joined, and looked for afterwards.
const JOINED: usize = 500;

/// Jobs that run while others look.
const LOOKED_AT: usize = 2000;

pub(crate) fn rules() -> Vec<Rule> {
    vec![
        Rule::required(
            "R1020",
            "what runs is named with its id, its name and its worker, and no job that is over",
            r1020,
        ),
        Rule::required(
            "R1021",
            "a look at what runs waits for no job and holds up none",
            r1021,
        ),
        Rule::required(
            "R1022",
            "a snapshot shows each worker, the queue and where the pool is in its life",
            r1022,
        ),
    ]
}

/// The id and the name of each job in a list.
fn named(jobs: &[RunningJob]) -> Vec<(JobId, Option<&str>)> {
    let jobs = jobs.iter().map(|job| (job.id, job.name.as_deref()));
    jobs.collect()
}

fn is_running(pool: &(impl Executor + ?Sized), id: JobId) -> bool {
    pool.running().iter().any(|job| job.id == id)
}

fn r1020(subject: Subject) -> Applied {
    jobs_on_two_workers(subject);
    none_that_was_joined(subject);
    one_within_another(subject);
    what_a_job_leaves_is_no_job(subject);
    a_suspended_future(subject);
    jobs_of_an_older_backend(subject);
    Applied::Held
}

/// Two jobs at a gate, with a name and without: both are listed, where they say that they are.
fn jobs_on_two_workers(subject: Subject) {
    let pool = pool(subject, 2, 8);
    let (gate, (send, mut places)) = (Gate::new(), channel());
    let held = || {
        let (pass, send) = (gate.pass(), send.clone());
        move |ctx: &JobContext<'_>| {
            send.send((ctx.id(), Some(ctx.worker())));
            pass.wait();
            Ok::<_, Infallible>(())
        }
    };
    let seen = thread::now();
    let handles = [
        pool.submit(held().named("invoice")).expect(ROOM),
        pool.submit(held()).expect(ROOM),
    ];
    let mut expected = [(); 2].map(|()| places.recv_timeout(PATIENCE).expect("both start"));
    let queued = pool.spawn(|| ()).expect(ROOM);
    let mut running = pool.running();
    let most = thread::since(seen);
    running.sort_unstable_by_key(|job| job.id);
    expected.sort_unstable();
    let found: Vec<_> = running.iter().map(|job| (job.id, job.worker)).collect();
    assert_eq!(found, expected, "{running:?}");
    assert_eq!(running[0].name.as_deref(), Some("invoice"));
    assert_eq!(running[1].name, None);
    for job in &running {
        assert!(job.running_for <= most, "{job} runs since {most:?} at most");
        assert!(!job.is_ending, "{job}");
    }
    assert!(!is_running(&pool, queued.id()), "it has not started");
    gate.open();
    for handle in handles {
        let id = handle.id();
        ended(handle).expect("the gate is open");
        assert!(!is_running(&pool, id), "it was joined");
    }
}

/// A thread that has joined a job, while the job's worker is about to leave it, finds it no more.
fn none_that_was_joined(subject: Subject) {
    let pool = pool(subject, 2, 8);
    for round in 0..thread::often(JOINED) {
        let handle = match round % 3 {
            0 => pool.submit(text).expect(ROOM),
            1 => pool.submit(text.named("round")).expect(ROOM),
            _ if pool.capability().async_jobs => {
                let twice = |_| async {
                    tokio::task::yield_now().await;
                    Ok::<_, String>("text".to_owned())
                };
                pool.submit_future(twice).expect(ROOM)
            }
            _ => pool
                .submit(|_: &JobContext<'_>| Err("no ink".to_owned()))
                .expect(ROOM),
        };
        let id = handle.id();
        drop(ended(handle));
        let running = pool.running();
        let found = running.iter().find(|job| job.id == id);
        assert!(found.is_none(), "in round {round}, over: {found:?}");
        let snapshot = pool.snapshot();
        assert!(snapshot.running().all(|job| job.id != id), "{snapshot}");
    }
}

fn text(_: &JobContext<'_>) -> Result<String, String> {
    Ok("text".to_owned())
}

/// A child that runs in place is listed after its parent, on the same worker.
fn one_within_another(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let (gate, (send, mut started)) = (Gate::new(), channel());
    let pass = gate.pass();
    let child = move |ctx: &JobContext<'_>| {
        send.send((ctx.id(), ctx.worker()));
        pass.wait();
        Ok::<_, Infallible>(())
    };
    let parent = move |ctx: &JobContext<'_>| ctx.submit(child.named("child")).expect(ROOM).join();
    let parent = pool.submit(parent.named("parent")).expect(ROOM);
    let (child, worker) = started.recv_timeout(PATIENCE).expect("the child starts");
    let running = pool.running();
    let expected = [(parent.id(), Some("parent")), (child, Some("child"))];
    assert_eq!(named(&running), expected, "{running:?}");
    assert!(running.iter().all(|job| job.worker == Some(worker)));
    gate.open();
    ended(parent).expect("the gate is open");
}

/// Waits at a gate as it is dropped, and says so before.
struct SlowDrop(Count, Pass);

impl Drop for SlowDrop {
    fn drop(&mut self) {
        self.0.add();
        self.1.wait();
    }
}

/// A job has ended, and what it returned is being dropped: it does not run, but keeps its worker.
fn what_a_job_leaves_is_no_job(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let (gate, dropping) = (Gate::new(), Count::new());
    let slow = SlowDrop(dropping.clone(), gate.pass());
    let leaves = |_: &JobContext<'_>| Ok::<_, Infallible>(slow);
    let id = pool.execute(leaves).expect(ROOM);
    dropping.wait_for(1);
    assert!(!is_running(&pool, id), "it has ended");
    let snapshot = pool.snapshot();
    let on_worker = &snapshot.workers[0].jobs;
    assert_eq!(on_worker.len(), 1, "the worker is not free: {snapshot}");
    assert!(on_worker[0].is_ending, "{snapshot}");
    assert_eq!(snapshot.running().count(), 0, "{snapshot}");
    gate.open();
    let closure = |_: &JobContext<'_>| Err::<(), _>("no ink");
    while_observed(subject, |pool| pool.submit(closure).expect(ROOM));
    if pool.capability().async_jobs {
        let at_once = |_| async { Err::<(), _>("no ink") };
        while_observed(subject, |pool| pool.submit_future(at_once).expect(ROOM));
        let later = |_| async {
            tokio::task::yield_now().await;
            Err::<(), _>("no ink")
        };
        while_observed(subject, |pool| pool.submit_future(later).expect(ROOM));
    }
}

/// The same with a job that fails, of which the observer is told.
fn while_observed(subject: Subject, submit: impl Fn(&TestedPool) -> JobHandle<(), &'static str>) {
    let (gate, observed) = (Gate::new(), Count::new());
    let (pass, count) = (gate.pass(), observed.clone());
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_on_failure(move |_| {
        count.add();
        pass.wait();
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let failing = submit(&pool);
    observed.wait_for(1);
    assert!(!is_running(&pool, failing.id()), "it has ended");
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.running().count(), 0, "{snapshot}");
    let on_worker = &snapshot.workers[0].jobs;
    assert!(on_worker[0].is_ending, "{snapshot}");
    gate.open();
    assert!(ended(failing).is_err());
}

/// A future that sleeps is listed, with or without a worker; one that has ended is not.
fn a_suspended_future(subject: Subject) {
    let pool = pool(subject, 1, 8);
    if !pool.capability().async_jobs {
        return;
    }
    let signal = Signal::default();
    let asleep = pool.spawn_future(signal.clone()).expect(ROOM);
    let _waker = signal.wait_for_sleeper();
    let running = pool.running();
    assert_eq!(named(&running), [(asleep.id(), None)], "{running:?}");
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.running().count(), 1, "{snapshot}");
    signal.fire();
    let id = asleep.id();
    ended(asleep).expect("it was woken");
    assert!(!is_running(&pool, id), "it was joined");
}

/// A job that was running before a swap goes on in the old backend, and is listed.
fn jobs_of_an_older_backend(subject: Subject) {
    let pool = pool(subject, 1, 8);
    let gate = occupy(&pool, 1);
    let before = pool.running();
    if let Some(swapped) = pool.swap() {
        swapped.expect("the other backend can be built");
        assert_eq!(named(&pool.running()), named(&before), "after the swap");
        let other = occupy(&pool, 1);
        let running = pool.running();
        assert_eq!(running.len(), 2, "one on each backend: {running:?}");
        assert_eq!(pool.snapshot().running().count(), 2);
        other.open();
    }
    gate.open();
}

fn r1021(subject: Subject) -> Applied {
    look_while_busy(subject);
    look_within_user_code(subject);
    jobs_go_on_meanwhile(subject);
    Applied::Held
}

/// All workers are in jobs, the queue is full, a submitter waits.
fn look_while_busy(subject: Subject) {
    let pool = pool(subject, 2, 1);
    let gate = occupy(&pool, 2);
    pool.spawn(|| ()).expect("there is one place").detach();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| pool.spawn(|| ()).expect("the gate opens").join());
        assert_eq!(pool.running().len(), 2);
        let snapshot = pool.snapshot();
        assert_eq!(snapshot.idle_workers(), 0, "{snapshot}");
        gate.open();
        let waited = waiting.join().expect("the submitter does not panic");
        waited.expect("the job completes");
    });
}

/// In the observer of failures, in a job, and in the drops of jobs.
fn look_within_user_code(subject: Subject) {
    within_user_code(
        subject,
        |pool| drop((pool.running(), pool.snapshot().to_string())),
        |ctx| assert_eq!(ctx.executor().running()[0].id, ctx.id()),
    );
}

/// Jobs begin, suspend and end while two threads do nothing but look.
fn jobs_go_on_meanwhile(subject: Subject) {
    let pool = pool(subject, 2, 16);
    let is_over = Count::new();
    thread::scope(|threads| {
        let readers = [(); 2].map(|()| {
            threads.spawn(|| {
                while is_over.get() == 0 {
                    drop((pool.running(), pool.snapshot()));
                    thread::yield_now();
                }
            })
        });
        for round in 0..thread::often(LOOKED_AT) {
            let job = |_: &JobContext<'_>| Ok::<_, Infallible>(());
            let submitted = match round % 2 {
                0 => pool.execute(job.named("round")).is_ok(),
                _ => pool.execute(job).is_ok(),
            };
            assert!(submitted, "submit waits for room");
        }
        pool.wait_idle();
        is_over.add();
        for reader in readers {
            reader.join().expect("a look does not panic");
        }
    });
}

fn r1022(subject: Subject) -> Applied {
    let pool = pool(subject, 2, 4);
    let (gate, started) = (Gate::new(), Count::new());
    let (pass, count) = (gate.pass(), started.clone());
    let held = move |_: &JobContext<'_>| {
        count.add();
        pass.wait();
        Ok::<_, Infallible>(())
    };
    let held = pool.submit(held.named("invoice")).expect(ROOM);
    started.wait_for(1);
    let snapshot = pool.snapshot();
    let capability = pool.capability();
    assert_eq!(snapshot.phase, PoolPhase::Open, "{snapshot}");
    assert_eq!(snapshot.backend, capability.name, "{snapshot}");
    assert_eq!(snapshot.capacity, capability.capacity, "{snapshot}");
    assert_eq!(snapshot.workers.len(), 2, "{snapshot}");
    assert_eq!(snapshot.idle_workers(), 1, "{snapshot}");
    assert_eq!(snapshot.stats.running, 1, "{snapshot}");
    let text = snapshot.to_string();
    let id = held.id().to_string();
    for part in ["open", "1 of 2 workers", &id, "`invoice`"] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    the_queue(subject);
    wait_until("the other worker asleep", &pool, || {
        pool.snapshot().asleep == 1
    });

    pool.close();
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.phase, PoolPhase::Draining, "{snapshot}");
    let report = pool.shutdown(ShutdownPolicy::now());
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.phase, PoolPhase::Stopped, "{snapshot}");
    let left: Vec<_> = report.still_running().iter().map(|job| job.id).collect();
    let running: Vec<_> = snapshot.running().map(|job| job.id).collect();
    assert_eq!(running, left, "what the report names goes on: {snapshot}");
    gate.open();
    ended(held).expect("it goes on");
    wait_until("no worker", &pool, || pool.snapshot().workers.is_empty());
    Applied::Held
}

/// Queued jobs are counted, and are on no worker.
fn the_queue(subject: Subject) {
    let pool = pool(subject, 1, 4);
    let gate = occupy(&pool, 1);
    for _ in 0..3 {
        pool.spawn(|| ()).expect(ROOM).detach();
    }
    let snapshot = pool.snapshot();
    assert_eq!(snapshot.stats.queued, 3, "{snapshot}");
    assert_eq!(snapshot.running().count(), 1, "{snapshot}");
    gate.open();
}
