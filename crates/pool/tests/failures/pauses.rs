//! Row 65: pauses of a pool that changes, is used within its jobs, or ends.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use pool::{Executor, JobError, JobExt, Pool, ShutdownPolicy};

use crate::on::{LIMIT, block_on, each_backend, ended, ends_clean, hold, on, value};

/// Submits jobs that note their numbers as they run.
fn noted(pool: &Pool, ran: &Arc<Mutex<Vec<usize>>>, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let ran = Arc::clone(ran);
        let note = move || ran.lock().expect("nobody panics").push(number);
        pool.spawn(note).expect("there is room").detach();
    }
}

#[test]
fn a_paused_pool_stays_paused_whatever_it_becomes() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        let ran = Arc::default();
        pool.pause();
        noted(&pool, &ran, 0..2);
        pool.swap(backend).expect("the backend can be built");
        noted(&pool, &ran, 2..4);
        let resized = pool.reconfigure(|config| config.set_capacity(16));
        resized.expect("the pool can have that size");
        noted(&pool, &ran, 4..6);
        assert!(pool.is_paused());
        drop(release);
        assert!(
            value(held),
            "what runs goes on, on the backend that it began on"
        );
        let limit = std::time::Instant::now() + crate::on::LIMIT;
        while pool.stats().running > 0 {
            assert!(std::time::Instant::now() < limit, "what ran is not over");
            std::thread::yield_now();
        }
        assert_eq!(pool.stats().queued, 6, "{backend}: {}", pool.stats());
        assert!(ran.lock().expect("nobody panics").is_empty(), "{backend}");
        pool.resume();
        pool.wait_idle();
        let mut ran = std::mem::take(&mut *ran.lock().expect("nobody panics"));
        if !pool.capability().fifo {
            ran.sort_unstable();
        }
        assert_eq!(ran, [0, 1, 2, 3, 4, 5], "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn a_pause_that_ends_while_the_next_backend_is_built_ends_there_too() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        pool.pause();
        let queued = pool.spawn(|| 7).expect("there is room");
        pool.reconfigure(|config| {
            let other = pool.clone();
            config.set_on_worker_start(move |_| other.resume());
        })
        .expect("the pool can be reconfigured");
        assert!(!pool.is_paused());
        assert_eq!(value(queued), 7, "{backend}");
        drop(release);
        assert!(value(held));
        ends_clean(&pool);
        // The hook holds the pool.
        std::mem::forget(pool);
    });
}

#[test]
fn a_pause_begins_and_ends_within_jobs() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let inner = pool.clone();
        let outer = pool.spawn(move || {
            inner.pause();
            let queued = inner.spawn(|| 7).expect("there is room");
            let is_paused = inner.is_paused();
            inner.resume();
            (is_paused, queued)
        });
        let (was_paused, queued) = value(outer.expect("there is room"));
        assert!(was_paused && !pool.is_paused());
        assert_eq!(value(queued), 7, "{backend}");
        ends_clean(&pool);
    });
}

/// A pool of one worker, which is busy until the sender is dropped, and paused with two queued jobs
/// that are counted.
fn paused(backend: pool::Backend) -> (Pool, mpsc::Sender<()>, Arc<AtomicUsize>) {
    let pool = on(backend, 1, 8);
    let (release, held) = hold(&pool);
    held.detach();
    pool.pause();
    let ran = Arc::new(AtomicUsize::new(0));
    for _ in 0..2 {
        let ran = Arc::clone(&ran);
        let counts = move || _ = ran.fetch_add(1, Ordering::Relaxed);
        pool.spawn(counts).expect("there is room").detach();
    }
    (pool, release, ran)
}

#[test]
fn what_ends_a_pool_ends_its_pause() {
    each_backend(|backend| {
        let (pool, release, ran) = paused(backend);
        pool.close();
        assert!(pool.is_paused(), "a close alone ends no pause");
        drop(release);
        let report = block_on(pool.shutdown_async(LIMIT));
        assert!(report.is_clean() && report.completed() == 3, "{report}");
        assert_eq!(ran.load(Ordering::Relaxed), 2);
        pool.pause();
        assert!(!pool.is_paused(), "it comes too late");

        // Within a job of a swapped pool, both of whose backends are paused.
        let pool = on(backend, 1, 8);
        let ((tell, told), (start, started)) = (mpsc::channel::<()>(), mpsc::channel());
        let within = pool.clone();
        let ends = pool.spawn(move || {
            start.send(()).expect("the test listens");
            told.recv().map(|()| within.shutdown(LIMIT))
        });
        let ends = ends.expect("there is room");
        started.recv_timeout(LIMIT).expect("the job starts");
        pool.pause();
        pool.swap(backend).expect("the backend can be built");
        let queued = pool.spawn(|| 7).expect("there is room");
        tell.send(()).expect("the job listens");
        assert!(ended(ends).expect("it returns").is_ok());
        assert_eq!(value(queued), 7, "{backend}");

        let (pool, release, ran) = paused(backend);
        drop(release);
        drop(pool);
        assert_eq!(ran.load(Ordering::Relaxed), 2, "{backend}");
    });
}

/// A shutdown that has no time to drain the pool starts none of what the pause has held back.
#[test]
fn a_shutdown_without_grace_gives_back_what_a_pause_has_held_back() {
    each_backend(|backend| {
        let pool = on(backend, 2, 64);
        let (release, held) = hold(&pool);
        let other = hold(&pool);
        pool.pause();
        let ran = Arc::new(Mutex::new(Vec::new()));
        noted(&pool, &ran, 0..40);
        drop((release, other.0));
        assert!(value(held) && value(other.1));
        let report = pool.shutdown(ShutdownPolicy::now().hand_back());
        assert_eq!(report.take_unstarted().len(), 40, "{backend}: {report}");
        assert!(ran.lock().expect("nobody panics").is_empty(), "{backend}");
    });
}

/// What delayed jobs captured is dropped by workers, whose frames the report names.
#[test]
fn destructors_of_delayed_jobs_that_hang_hold_up_no_shutdown() {
    struct Hangs(Arc<Mutex<mpsc::Receiver<()>>>);

    impl Drop for Hangs {
        fn drop(&mut self) {
            let gate = self.0.lock().expect("nobody panics");
            let _released = gate.recv_timeout(LIMIT);
        }
    }

    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, gate) = mpsc::channel();
        let gate = Arc::new(Mutex::new(gate));
        let handles: Vec<_> = (0..3)
            .map(|_| {
                let hangs = Hangs(Arc::clone(&gate));
                let job = pool::infallible_fn(move || drop(hangs)).named("delayed");
                pool.after(Duration::from_secs(3600), job)
                    .expect("it is open")
            })
            .collect();
        let report = pool.shutdown(Duration::from_millis(100));
        assert!(!report.is_safe_to_exit(), "{backend}: {report}");
        for handle in handles {
            assert!(matches!(ended(handle), Err(JobError::Abandoned)));
        }
        for _ in 0..3 {
            release.send(()).expect("they wait");
        }
    });
}
