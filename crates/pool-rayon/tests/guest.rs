//! The backend as a guest of rayon: what else runs on the threads neither holds it up nor is held up by it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use pool_core::ShutdownPolicy;
use pool_rayon::RayonPool;

/// A limit that only a hang reaches.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opened by dropping the sender.
fn gate() -> (Sender<()>, Receiver<()>) {
    channel()
}

/// The result of `body` on a thread of its own.
fn within_patience<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let (send, result) = channel();
    thread::spawn(move || send.send(body()));
    result.recv_timeout(PATIENCE).expect("it does not hang")
}

fn rayon_of(threads: usize) -> Arc<rayon::ThreadPool> {
    let rayon = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    Arc::new(rayon.expect("the system gives threads"))
}

fn pools(threads: usize) -> [RayonPool; 2] {
    let builder = || RayonPool::builder().workers(threads).queue_capacity(8);
    let adopted = builder().adopt(rayon_of(threads)).build();
    [builder().build().unwrap(), adopted.unwrap()]
}

#[test]
fn a_stray_rayon_job_does_not_hold_up_the_end() {
    for pool in pools(2) {
        let (open, opened) = gate();
        let (begun, begins) = channel();
        let job = move || {
            rayon::spawn(move || {
                begun.send(()).unwrap();
                let _opened = opened.recv();
            });
        };
        pool.spawn(job).unwrap().join().unwrap();
        begins.recv_timeout(PATIENCE).expect("the stray job begins");
        let report = within_patience(move || pool.shutdown(ShutdownPolicy::now()));
        assert_eq!(report.completed(), 1, "{report}");
        drop(open);
    }
}

thread_local! {
    static IS_IN_A_JOB: Cell<bool> = const { Cell::new(false) };
}

/// What it would run there might want a lock that the waiting job holds.
#[test]
fn no_job_starts_within_a_rayon_wait_of_another() {
    for pool in pools(2) {
        let (open, opened) = gate();
        let (waits, waiting) = channel();
        let first = pool.spawn(move || {
            IS_IN_A_JOB.set(true);
            let (begun, begins) = channel();
            let stolen = move || {
                begun.send(()).unwrap();
                let _opened = opened.recv();
            };
            rayon::join(
                move || {
                    begins
                        .recv_timeout(PATIENCE)
                        .expect("the other half is stolen");
                    waits.send(()).unwrap();
                },
                stolen,
            );
            IS_IN_A_JOB.set(false);
        });
        waiting.recv_timeout(PATIENCE).expect("the first job waits");
        let (begun, begins) = channel();
        let second = pool.spawn(move || {
            begun.send(()).unwrap();
            IS_IN_A_JOB.get()
        });
        // The other thread is taken: until the gate opens the second job can only begin where it must not.
        let _begun_too_early = begins.recv_timeout(Duration::from_millis(50));
        drop(open);
        let pool = within_patience(move || {
            first.unwrap().join().unwrap();
            let is_within = second.unwrap().join().unwrap();
            assert!(!is_within, "it ran on the stack of a job that waits");
            pool
        });
        assert!(pool.shutdown(PATIENCE).is_safe_to_exit());
    }
}

#[test]
fn a_thread_of_the_adopted_pool_may_wait_for_a_job() {
    let rayon = rayon_of(1);
    let pool = RayonPool::builder()
        .workers(1)
        .queue_capacity(1)
        .adopt(Arc::clone(&rayon));
    let pool = pool.build().unwrap();
    let sum = within_patience(move || {
        rayon.install(|| {
            let handles = (0..4).map(|value| pool.spawn(move || value).unwrap());
            handles.map(|handle| handle.join().unwrap()).sum::<i32>()
        })
    });
    assert_eq!(sum, 6);
}
