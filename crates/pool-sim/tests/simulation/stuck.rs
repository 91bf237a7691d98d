//! What a simulation reports if no thread can go on, or none seems to.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::JobContext;
use pool_sim::{SimPool, Simulation, sleep, thread};

use super::{fails, named, pool};

#[test]
fn a_deadlock_is_told_with_who_waits() {
    let failure = fails(&Simulation::new(1).fifo(), |_| {
        let pool = pool(1);
        let gate = Arc::new(Mutex::new(Vec::new()));
        let inner = Arc::clone(&gate);
        // Waits for a job that can only run after it, on the one worker, without a join that would
        // run it.
        let waits = move || {
            while inner.lock().unwrap().is_empty() {
                sleep(Duration::MAX);
            }
        };
        let waits = pool.spawn(waits).unwrap();
        let opens = pool.spawn(move || gate.lock().unwrap().push(())).unwrap();
        (waits.join().unwrap(), opens.join().unwrap()).0
    });
    assert!(failure.reason.contains("deadlock"), "{failure}");
    assert!(failure.reason.contains("worker-0: is parked"), "{failure}");
}

/// The one worker of each pool waits for a job of the other pool, which no worker is left to run.
#[test]
fn a_circle_of_waits_between_pools_is_named() {
    let failure = fails(&Simulation::new(1), |_| {
        let (here, there) = (named("here", 1), named("there", 1));
        let waits = |on: &SimPool, other: &SimPool| {
            let other = other.clone();
            let job = move || {
                // Waits until the other pool's worker is busy as well.
                sleep(Duration::from_millis(1));
                other.spawn(|| ()).unwrap().join().unwrap();
            };
            on.spawn(job).unwrap()
        };
        let both = [waits(&here, &there), waits(&there, &here)];
        for job in both {
            job.join().unwrap();
        }
    });
    assert!(failure.reason.contains("a circle of waits: "), "{failure}");
    for name in ["here-0 waits for job", "there-0 waits for job"] {
        assert!(failure.reason.contains(name), "{failure}");
    }
    assert!(
        failure.reason.contains("which is queued for t"),
        "{failure}"
    );
}

/// A thread that polls repeatedly does not keep the others from running, whatever its priority.
#[test]
fn time_does_not_run_away_while_somebody_has_something_to_do() {
    let simulation = Simulation::new(0).pct(3, 4000);
    let found = simulation.find(0..50, |sim| {
        let pool = pool(1);
        let is_over = AtomicUsize::new(0);
        thread::scope(|threads| {
            threads.spawn(|| {
                while is_over.load(Ordering::Relaxed) == 0 {
                    let _refused = pool.try_execute(|_: &JobContext<'_>| Ok::<_, Infallible>(()));
                }
            });
            threads.spawn(|| {
                for _ in 0..100 {
                    thread::yield_now();
                }
                is_over.store(1, Ordering::Relaxed);
            });
        });
        assert!(sim.elapsed() < Duration::from_secs(1));
    });
    assert!(found.is_none(), "{}", found.expect("there is one"));
}

#[test]
fn a_loop_without_end_is_an_error_after_so_many_steps() {
    let simulation = Simulation::new(1).most_steps(1000);
    let failure = fails(&simulation, |_| {
        loop {
            thread::yield_now();
        }
    });
    assert_eq!(failure.reason, "no end after 1000 steps");
    assert!(failure.trace.len() < 1100, "it went on");
}

#[test]
fn a_wait_that_the_simulator_does_not_know_is_told_after_a_while() {
    let simulation = Simulation::new(1).patience(Duration::from_millis(200));
    let failure = fails(&simulation, |_| {
        let pool = pool(1);
        let (send, receive) = std::sync::mpsc::channel();
        pool.spawn(move || send.send(())).unwrap().detach();
        // It never gives up its turn, so the worker never gets one.
        receive.recv().unwrap();
    });
    assert!(failure.reason.contains("nothing moved"), "{failure}");
}
