//! The backend as a guest of rayon: neither it nor the other work on the threads holds up the
//! other.

use std::cell::Cell;
use std::convert::Infallible;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use pool_core::{Job, JobContext, ShutdownPolicy};
use pool_rayon::RayonPool;

/// A limit that only a hang reaches.
const PATIENCE: Duration = Duration::from_secs(30);

/// Opened by dropping the sender.
fn gate() -> (Sender<()>, Receiver<()>) {
    channel()
}

/// The result of `body` on its own thread.
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

/// A run on an adopted pool's thread may be over after one job, and the next run looks where
/// this one has left off.
#[test]
fn jobs_that_outlast_a_run_starve_no_outsider() {
    /// Jobs of the chain before the outsider's job starts.
    const MOST: usize = 1000;
    for pool in pools(1) {
        let (starts, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let chain = Arc::new((starts, is_over));
        let stop = Stop(Arc::clone(&chain));
        pool.execute(Link(Arc::clone(&chain))).unwrap();
        for _ in 0..3 {
            let seen = Arc::clone(&chain);
            let begun = chain.0.load(Ordering::SeqCst);
            let outsider = pool.spawn(move || seen.0.load(Ordering::SeqCst)).unwrap();
            let starts = outsider.join_timeout(PATIENCE).expect("it starts").unwrap();
            assert!(starts - begun <= MOST, "after {} starts", starts - begun);
        }
        drop(stop);
        let report = within_patience(move || pool.shutdown(PATIENCE));
        assert!(report.is_safe_to_exit(), "{report}");
    }
}

/// How often the job of a chain has started, and whether that is to be the last one.
type Chain = Arc<(AtomicUsize, AtomicBool)>;

/// Ends the chain.
struct Stop(Chain);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.1.store(true, Ordering::SeqCst);
    }
}

/// A job that lasts longer than a run, and submits itself again.
struct Link(Chain);

impl Job for Link {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        let end = Instant::now() + 2 * pool_core::backend::STAY;
        while Instant::now() < end {
            thread::yield_now();
        }
        if !self.0.1.load(Ordering::SeqCst) {
            ctx.execute(self).expect("the pool is open");
        }
        Ok(())
    }
}

thread_local! {
    static IS_IN_A_JOB: Cell<bool> = const { Cell::new(false) };
}

/// A job that it ran there might want a lock that the waiting job holds.
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
        // The other thread is busy: until the gate opens, the second job could only begin where it
        // must not.
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

static POOL: Mutex<Option<RayonPool>> = Mutex::new(None);

/// Tells this binary that it is the child of the test below.
const CHILD: &str = "POOL_RAYON_EXITS";

/// The code with which the child exits.
const CODE: i32 = 7;

/// The locals of the thread are gone by then, and the run that the handler waits for happens there.
#[test]
fn a_wait_in_a_handler_of_an_exit_on_a_thread_of_an_adopted_pool_returns() {
    extern "C" fn handler() {
        let pool = POOL.lock().unwrap().take().expect("the child has a pool");
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.completed, 2, "{stats}");
    }
    if std::env::var_os(CHILD).is_none() {
        let name = "a_wait_in_a_handler_of_an_exit_on_a_thread_of_an_adopted_pool_returns";
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args([name, "--exact", "--nocapture"]).env(CHILD, "");
        let ended = within_patience(move || child.output().unwrap());
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(CODE), "{}: {said}", ended.status);
        return;
    }
    // SAFETY: the handler is a function that does not unwind: a panic there aborts the process.
    assert_eq!(unsafe { libc::atexit(handler) }, 0);
    let rayon = rayon_of(1);
    let pool = RayonPool::builder().workers(1).adopt(Arc::clone(&rayon));
    let pool = pool.build().unwrap();
    // The thread has made a run before.
    pool.spawn(|| ()).unwrap().join().unwrap();
    rayon.spawn(move || {
        pool.spawn(|| ()).unwrap().detach();
        *POOL.lock().unwrap() = Some(pool);
        std::process::exit(CODE);
    });
    loop {
        thread::park();
    }
}
