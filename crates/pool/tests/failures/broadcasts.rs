//! Row 66: broadcasts to a pool that is swapped, hangs, or ends, and what they leave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;

use pool::{Broadcast, JobContext, JobError, Pool};

use crate::on::{LIMIT, builder, each_backend, ends_clean, hold, on, value};

/// The results of a broadcast that every worker has run.
fn results<T>(broadcast: Broadcast<T>) -> Vec<T> {
    let results = broadcast.join_timeout(LIMIT).expect("every worker comes");
    let results = results.into_iter();
    results.map(|it| it.expect("it runs")).collect()
}

#[test]
fn a_backend_that_is_swapped_away_runs_its_shares_before_it_ends() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (release, held) = hold(&pool);
        let old = thread_of_worker(&pool);
        let before = pool.broadcast(|_| thread::current().id());
        let before = before.expect("the pool is open");
        pool.swap(backend).expect("the backend can be built");
        let after = pool.broadcast(|_| thread::current().id());
        let after = results(after.expect("the pool is open"));
        assert!(!before.is_finished(), "{backend}: the worker runs a job");
        drop(release);
        assert!(value(held));
        let before = results(before);
        assert_ne!(before, after, "{backend}: each on its own generation");
        assert_eq!(before, results(old), "{backend}");
        ends_clean(&pool);
    });
}

/// What says which thread the one worker is on, once it has the time.
fn thread_of_worker(pool: &Pool) -> Broadcast<thread::ThreadId> {
    let thread = pool.broadcast(|_| thread::current().id());
    thread.expect("the pool is open")
}

#[test]
fn broadcasts_next_to_swaps_reach_the_workers_of_one_generation_each() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let begin = Arc::new(Barrier::new(2));
        let swaps = {
            let (pool, begin) = (pool.clone(), Arc::clone(&begin));
            thread::spawn(move || {
                begin.wait();
                for workers in [1, 3, 2, 4] {
                    let resized = pool.reconfigure(|config| config.set_workers(workers));
                    resized.expect("the pool can have that size");
                }
            })
        };
        begin.wait();
        for _ in 0..40 {
            let runs = Arc::new(AtomicUsize::new(0));
            let counts = Arc::clone(&runs);
            let broadcast = pool.broadcast(move |_| counts.fetch_add(1, Ordering::Relaxed));
            let broadcast = broadcast.expect("the pool is open");
            let workers = broadcast.workers();
            assert_eq!(results(broadcast).len(), workers, "{backend}");
            assert_eq!(runs.load(Ordering::Relaxed), workers, "{backend}");
        }
        swaps.join().expect("the swaps succeed");
        assert_eq!(results(thread_of_worker(&pool)).len(), 4, "{backend}");
        ends_clean(&pool);
    });
}

fn panics(_: &JobContext<'_>) {
    panic!("a share that panics, on purpose");
}

#[test]
fn a_share_that_panics_or_is_dropped_badly_costs_no_worker() {
    struct PanicsAsItDrops;

    impl Drop for PanicsAsItDrops {
        fn drop(&mut self) {
            panic!("a destructor that panics, on purpose");
        }
    }

    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let panics = pool.broadcast(panics);
        let ends = panics.expect("the pool is open").join_timeout(LIMIT);
        for end in ends.expect("every worker comes") {
            assert!(matches!(end, Err(JobError::Panicked(_))), "{backend}");
        }
        // A result that nobody takes, and a closure whose last share drops it.
        let captured = PanicsAsItDrops;
        let dropped = pool.broadcast(move |_| {
            let _captured = &captured;
            PanicsAsItDrops
        });
        dropped.expect("the pool is open").detach();
        pool.wait_idle();
        assert_eq!(results(thread_of_worker(&pool)).len(), 2, "{backend}");
        let report = pool.shutdown(LIMIT);
        assert!(report.balances() && report.is_safe_to_exit(), "{report}");
    });
}

/// However late the caller is: nothing of an accepted closure stays with it, whose destructor might
/// panic or hang in the middle of the call.
#[test]
fn an_accepted_closure_is_dropped_by_a_worker() {
    struct TellsWhere(mpsc::Sender<thread::ThreadId>);

    impl Drop for TellsWhere {
        fn drop(&mut self) {
            let sent = self.0.send(thread::current().id());
            sent.expect("the test listens");
        }
    }

    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let own = results(thread_of_worker(&pool));
        for _ in 0..200 {
            let (sender, told) = mpsc::channel();
            let tells = TellsWhere(sender);
            let broadcast = pool.broadcast(move |_| {
                let _tells = &tells;
            });
            results(broadcast.expect("the pool is open"));
            let dropped_on = told.recv_timeout(LIMIT).expect("it is dropped");
            assert_eq!(own, [dropped_on], "{backend}");
        }
        ends_clean(&pool);
    });
}

/// The closure's destructor uses the pool: no lock is held then.
#[test]
fn a_destructor_of_a_refused_or_finished_broadcast_may_use_the_pool() {
    struct Uses(Pool);

    impl Drop for Uses {
        fn drop(&mut self) {
            let _refused = self.0.broadcast(|_| ()).map(Broadcast::detach);
            self.0.close();
        }
    }

    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        let uses = Uses(pool.clone());
        let broadcast = pool.broadcast(move |_| {
            let _uses = &uses;
        });
        results(broadcast.expect("the pool is open"));
        pool.wait_idle();
        assert!(pool.broadcast(|_| ()).is_err_and(|it| it.is_closed()));
        assert_eq!(pool.stats().accepted, pool.stats().finished(), "{backend}");
        ends_clean(&pool);
    });
}

/// A worker whose slot a future holds comes to its share once the future waits for its own pool.
#[test]
fn a_future_that_waits_for_its_pool_keeps_no_worker_from_its_share() {
    each_backend(|backend| {
        let pool = on(backend, 1, 8);
        let (start, started) = mpsc::channel();
        let own = pool.clone();
        let future = pool.spawn_future(async move {
            own.pause();
            let child = own.spawn(|| 7).expect("there is room");
            start.send(()).expect("the test listens");
            child.await
        });
        let future = future.expect("there is room");
        started.recv_timeout(LIMIT).expect("the future starts");
        assert_eq!(results(thread_of_worker(&pool)).len(), 1, "{backend}");
        pool.resume();
        assert!(matches!(value(future), Ok(7)), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn state_and_thread_locals_of_each_worker_are_reached() {
    each_backend(|backend| {
        let pool = builder(backend, 3)
            .queue_capacity(8)
            .on_worker_start(|index| std::cell::RefCell::new(vec![index]))
            .build()
            .expect("the pool can be built");
        let flushed = pool.broadcast(|ctx| {
            ctx.with_state_mut(|state: &mut Vec<usize>| std::mem::take(state))
                .expect("the hook has made it")
        });
        let flushed = results(flushed.expect("the pool is open"));
        assert_eq!(flushed, [vec![0], vec![1], vec![2]], "{backend}");
        ends_clean(&pool);
    });
}
