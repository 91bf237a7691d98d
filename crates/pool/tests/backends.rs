//! The same walk on every backend that is compiled in, by value, and across a swap.

use std::time::Duration;

use pool::{Backend, BuildError, JobContext, JobExt, Pool, ShutdownPolicy};

fn on(backend: Backend, workers: usize, capacity: usize) -> Pool {
    Pool::builder()
        .backend(backend)
        .workers(workers)
        .queue_capacity(capacity)
        .build()
        .expect("a plain configuration is accepted")
}

fn depth(pool: &Pool, levels: u32) -> u32 {
    if levels == 0 {
        return 0;
    }
    let inner = pool.clone();
    let child = pool
        .spawn(move || depth(&inner, levels - 1))
        .expect("the pool is open");
    1 + child.join().expect("the child runs")
}

#[test]
fn the_same_walk_on_every_backend() {
    for backend in Backend::available() {
        let pool = on(backend, 2, 4);
        let handles: Vec<_> = (0..1000_u64)
            .map(|i| pool.spawn(move || i * 2).expect("the pool is open"))
            .collect();
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(
                handle.join().expect("it runs"),
                i as u64 * 2,
                "on {backend}"
            );
        }
        let inner = pool.clone();
        let nested = pool
            .spawn(move || depth(&inner, 100))
            .expect("the pool is open");
        assert_eq!(nested.join().expect("it runs"), 100, "on {backend}");
        let future = pool.spawn_future(async { 7 }).expect("the pool is open");
        assert_eq!(future.join().expect("it runs"), 7, "on {backend}");
        let sum: i32 = pool
            .map(0..100, |x| x + 1)
            .map(|outcome| outcome.expect("it runs"))
            .sum();
        assert_eq!(sum, 5050, "on {backend}");
        pool.wait_idle();
        let report = pool.shutdown(Duration::from_secs(20));
        assert!(
            report.balances() && report.is_clean() && report.is_safe_to_exit(),
            "{report}"
        );
    }
}

#[test]
fn a_hang_is_named_and_given_up_on_every_backend() {
    for backend in Backend::available() {
        let pool = on(backend, 2, 4);
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (start, started) = std::sync::mpsc::channel();
        let job = move |_: &JobContext<'_>| {
            start.send(()).expect("the test listens");
            released.recv()
        };
        let hanging = pool.submit(job.named("hangs")).expect("the pool is open");
        started
            .recv_timeout(Duration::from_secs(20))
            .expect("the job starts");
        let policy = ShutdownPolicy::new(Duration::from_secs(1));
        let report = pool.shutdown(policy.cancel_grace(Duration::from_millis(500)));
        assert!(
            report.balances() && !report.is_safe_to_exit(),
            "on {backend}: {report}"
        );
        let limits = Duration::from_millis(1500)..Duration::from_millis(2500);
        assert!(limits.contains(&report.took()), "on {backend}: {report}");
        assert_eq!(report.still_running().len(), 1, "on {backend}");
        assert_eq!(
            report.still_running()[0].name.as_deref(),
            Some("hangs"),
            "on {backend}"
        );
        drop(release);
        assert!(hanging.join().is_err());
    }
}

#[test]
fn a_swap_under_load_loses_nothing_and_runs_nothing_twice() {
    let backends = Backend::available();
    let Some(&first) = backends.first() else {
        return;
    };
    let pool = on(first, 2, 16);
    let producer = |pool: Pool| {
        move || -> u64 {
            let handles: Vec<_> = (0..5000_u64)
                .map(|i| pool.spawn(move || i).expect("the pool is open"))
                .collect();
            handles
                .into_iter()
                .map(|handle| handle.join().expect("each runs"))
                .sum()
        }
    };
    let producers: Vec<_> = (0..4)
        .map(|_| std::thread::spawn(producer(pool.clone())))
        .collect();
    for backend in backends.iter().cycle().skip(1).take(20) {
        pool.swap(*backend).expect("the next backend can be built");
        assert_eq!(pool.backend(), *backend);
    }
    for producer in producers {
        assert_eq!(producer.join().expect("the producer ends"), 4999 * 5000 / 2);
    }
    let report = pool.shutdown(Duration::from_secs(20));
    assert_eq!(
        (report.accepted(), report.completed()),
        (20_000, 20_000),
        "{report}"
    );
    assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    assert!(matches!(pool.swap(first), Err(BuildError::Closed)));
}

#[test]
fn an_unknown_name_lists_those_compiled_in() {
    let error = "carrier-pigeon"
        .parse::<Backend>()
        .expect_err("there is no such backend");
    let said = error.to_string();
    assert!(said.contains("carrier-pigeon"), "{said}");
    for backend in Backend::available() {
        assert!(said.contains(backend.name()), "{said}");
    }
}

#[test]
fn a_backend_that_is_not_compiled_in_names_its_feature() {
    for backend in Backend::ALL
        .into_iter()
        .filter(|backend| !backend.is_available())
    {
        let error = Pool::builder()
            .backend(backend)
            .build()
            .expect_err("it is not compiled in");
        assert!(error.to_string().contains(backend.name()), "{error}");
    }
}
