//! R611: after the end no thread, job or hook of the pool is left.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use pool_core::backend::PoolConfig;
use pool_core::machine;
use pool_core::{Executor, ExecutorExt, Shutdown, ShutdownPolicy};

use crate::probe::{Alive, FAR, PROMPT, ROOM, ended};
use crate::rule::Applied;
use crate::subject::Subject;

const WORKERS: usize = 3;

pub(super) fn r611(subject: Subject) -> Applied {
    for policy in [ShutdownPolicy::drain(), ShutdownPolicy::new(FAR)] {
        leaves_nothing(subject, policy);
    }
    Applied::Held
}

fn leaves_nothing(subject: Subject, policy: ShutdownPolicy) {
    let (alive, prefix) = (Alive::new(), unique_prefix());
    let mut config = PoolConfig::default();
    config.set_workers(WORKERS);
    config.set_capacity(64);
    config.set_thread_name(prefix.clone());
    let (states, in_start) = (alive.clone(), Arc::new(alive.value()));
    config.set_on_worker_start(move |_| (states.value(), Arc::clone(&in_start)));
    let (in_stop, in_failure) = (alive.value(), alive.value());
    config.set_on_worker_stop(move |_| {
        let _held = &in_stop;
    });
    config.set_on_failure(move |_| {
        let _held = &in_failure;
    });
    let pool = subject
        .build(config)
        .expect("a plain configuration is accepted");
    // A simulated thread ends in virtual time; the system's lists of threads do not follow it.
    let is_listed = cfg!(target_os = "linux") && !machine::is_simulated();
    let owns_threads = pool.capability().owns_threads && is_listed;
    if owns_threads {
        assert_eq!(threads_named(&prefix), WORKERS, "threads of a live pool");
    }
    use_in_every_way(&pool, &alive);
    let report = pool.shutdown(policy);
    assert!(report.still_running().is_empty(), "{report}");
    assert!(report.is_safe_to_exit(), "{report}");
    if owns_threads {
        promptly("its threads have ended", || threads_named(&prefix) == 0);
    }
    drop((pool, report));
    promptly("all it allocated is gone", || alive.count() == 0);
}

/// A name that no other pool of the process has, within the bytes that Linux shows.
fn unique_prefix() -> String {
    if machine::is_simulated() {
        return "r611x".to_owned();
    }
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    format!("r611x{}x", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Jobs with and without handles, that complete, panic, are cancelled, and futures that slept.
fn use_in_every_way(pool: &impl Executor, alive: &Alive) {
    for _ in 0..8 {
        let (captured, output) = (alive.value(), alive.value());
        let job = move || {
            drop(captured);
            output
        };
        pool.spawn(job).expect(ROOM).detach();
    }
    let captured = alive.value();
    let panicking = move || {
        let _captured = captured;
        panic!("with a value in hand");
    };
    assert!(ended::<(), _>(pool.spawn(panicking).expect(ROOM)).is_err());
    let captured = alive.value();
    let cancelled = pool.spawn(move || drop(captured)).expect(ROOM);
    cancelled.cancel();
    drop(cancelled);
    if pool.capability().async_jobs {
        let (captured, sleeping) = (alive.value(), alive.value());
        let future = async move {
            tokio::task::yield_now().await;
            captured
        };
        pool.spawn_future(future).expect(ROOM).detach();
        let asleep = async move {
            std::future::pending::<()>().await;
            drop(sleeping);
        };
        let asleep = pool.spawn_future(asleep).expect(ROOM);
        asleep.cancel();
        drop(asleep);
    }
}

/// The threads of this process whose names begin with this prefix.
fn threads_named(prefix: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux lists the threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.starts_with(prefix)).count()
}

/// The system takes a thread off its lists only after the threads that joined it have gone on.
fn promptly(what: &str, is_so: impl Fn() -> bool) {
    let limit = Instant::now() + PROMPT;
    while !is_so() {
        assert!(Instant::now() < limit, "not after {PROMPT:?}: {what}");
        thread::yield_now();
    }
}
