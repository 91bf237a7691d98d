//! Chapter 2: accepted jobs start, as many at once as there are workers, and none is forgotten.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::{Capability, Executor, ExecutorExt, Job, JobContext, JobHandle};

use super::{placement, workers};
use crate::channel::{Receiver, Sender, channel};
use crate::probe::{Count, Log, PATIENCE, ended, let_pass, meet, occupy, pool};
use crate::rule::{Applied, Kind, Rule};
use crate::subject::{Subject, TestedPool};
use crate::thread;

pub(crate) fn rules() -> Vec<Rule> {
    let rule = Rule::new;
    let fifo = Kind::Optional("fifo", |capability: &Capability| capability.fifo);
    let owns_threads = Kind::Optional("owns_threads", |capability: &Capability| {
        capability.owns_threads
    });
    let required = Kind::Required;
    vec![
        rule(
            "R201",
            "a pool is built with its workers ready",
            required,
            workers::r201,
        ),
        rule(
            "R202",
            "as many jobs run at once as there are workers",
            required,
            r202,
        ),
        rule("R203", "no wake-up is lost", Kind::Stochastic, r203),
        rule(
            "R204",
            "no job waits while a worker is idle",
            required,
            r204,
        ),
        rule("R205", "first in, first out", fifo, r205),
        rule("R206", "no source of jobs starves another", required, r206),
        rule(
            "R207",
            "workers have their names and stacks",
            owns_threads,
            workers::r207,
        ),
        rule(
            "R208",
            "hooks and state are each worker's own",
            owns_threads,
            workers::r208,
        ),
        rule("R209", "an idle pool burns no CPU", required, workers::r209),
        rule(
            "R210",
            "a job runs on a worker of the pool that accepted it",
            required,
            placement::r210,
        ),
    ]
}

fn r202(subject: Subject) -> Applied {
    for workers in 1..=4 {
        let pool = pool(subject, workers, 8);
        meet(&pool, workers);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let jobs = (0..workers * thread::often(100)).map(|_| {
            let (running, most) = (Arc::clone(&running), Arc::clone(&most));
            move |_: &JobContext<'_>| {
                most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                thread::yield_now();
                running.fetch_sub(1, Ordering::SeqCst);
                Ok::<_, Infallible>(())
            }
        });
        for handle in pool.submit_all(jobs).expect("room appears") {
            ended(handle).expect("it completes");
        }
        let most = most.load(Ordering::SeqCst);
        assert!(
            most <= workers,
            "{most} jobs ran at once on {workers} workers"
        );
        meet(&pool, workers);
    }
    Applied::Held
}

/// Half of the rounds with one worker, half with two.
const ROUNDS: usize = 100_000;

/// Idle times after which a worker is certainly asleep: after the first on a quiet machine, after
/// the last on a busy one.
const IDLE_GAPS: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(100),
    Duration::from_millis(500),
];

fn r203(subject: Subject) -> Applied {
    for workers in [1, 2] {
        let pool = pool(subject, workers, 4);
        let run = |round| {
            let handle = pool.spawn(move || round).expect("the pool is idle");
            assert_eq!(ended(handle).expect("an idle worker takes it"), round);
        };
        for round in thread::rounds(ROUNDS / 2) {
            run(round);
            // The worker is about to sleep: each next job meets it a little later on that way.
            for _ in 0..round % 64 {
                std::hint::spin_loop();
            }
        }
        for (round, gap) in IDLE_GAPS.into_iter().enumerate() {
            let_pass(thread::now() + gap);
            run(round);
        }
    }
    Applied::Held
}

fn r204(subject: Subject) -> Applied {
    const SHORT: usize = 10;
    for workers in [2, 3] {
        let pool = pool(subject, workers, 64);
        for way in [Spawns::Executed, Spawns::Submitted, Spawns::ThroughClone] {
            for _ in 0..thread::often(100) {
                let pool_of_job = pool.clone();
                let long = move |ctx: &JobContext<'_>| {
                    let short = Count::new();
                    for _ in 0..SHORT {
                        way.spawn(ctx, &pool_of_job, &short);
                    }
                    // It goes on until all the short ones have run, on the other workers, since
                    // this one is busy here.
                    short.wait_for(SHORT);
                    Ok::<_, Infallible>(())
                };
                let long = pool.submit(long).expect("there is room");
                ended(long).expect("the short jobs run while the long one does");
            }
        }
        behind_a_long_one(&pool);
    }
    Applied::Held
}

/// How a long job submits its short jobs.
#[derive(Debug, Clone, Copy)]
enum Spawns {
    Executed,
    Submitted,
    ThroughClone,
}

impl Spawns {
    fn spawn<E: ExecutorExt>(self, ctx: &JobContext<'_>, pool: &E, short: &Count) {
        let short = short.clone();
        let job = move |_: &JobContext<'_>| Ok::<_, Infallible>(short.add());
        match self {
            Self::Executed => {
                ctx.execute(job).expect("there is room");
            }
            Self::Submitted => ctx.submit(job).expect("there is room").detach(),
            Self::ThroughClone => pool.submit(job).expect("there is room").detach(),
        }
    }
}

/// Jobs from outside, queued while every worker is busy, a long one first. A worker that takes
/// several at a time must not keep the short ones behind the long one.
fn behind_a_long_one(pool: &TestedPool) {
    const SHORT: usize = 40;
    let workers = Executor::capability(pool).workers;
    for _ in 0..thread::often(20) {
        let gate = occupy(pool, workers);
        let short = Count::new();
        let awaited = short.clone();
        let long = pool
            .spawn(move || awaited.wait_for(SHORT))
            .expect("there is room");
        for _ in 0..SHORT {
            let short = short.clone();
            pool.spawn(move || short.add())
                .expect("there is room")
                .detach();
        }
        gate.open();
        ended(long).expect("the short jobs run on the other workers");
    }
}

fn r205(subject: Subject) -> Applied {
    let jobs = thread::often(1000);
    let pool = pool(subject, 1, jobs);
    let started = Log::new();
    // Two threads, so that each thread's order is observed among the jobs of the other; the gate
    // makes sure that jobs are queued.
    let gate = occupy(&pool, 1);
    thread::scope(|threads| {
        for thread in 0..2 {
            let (pool, started) = (&pool, &started);
            threads.spawn(move || {
                for number in 0..jobs / 2 {
                    let started = started.clone();
                    pool.spawn(move || started.note((thread, number)))
                        .expect("there is room")
                        .detach();
                }
            });
        }
    });
    gate.open();
    // And once more while the worker runs.
    for number in jobs / 2..jobs {
        let started = started.clone();
        pool.spawn(move || started.note((0, number)))
            .expect("room appears")
            .detach();
    }
    pool.wait_idle();
    let started = started.take();
    assert_eq!(started.len(), jobs / 2 + jobs);
    for thread in 0..2 {
        let numbers = started
            .iter()
            .filter(|start| start.0 == thread)
            .map(|start| start.1);
        assert!(
            numbers.is_sorted(),
            "the jobs of one thread started out of order"
        );
    }
    Applied::Held
}

/// The most jobs of one source that a worker may start before it starts a waiting job of the other.
/// It is many times what the queue holds at once.
const MAX_STARTS: usize = 2048;

/// How often a job's wait is measured.
const SAMPLES: usize = 50;

fn r206(subject: Subject) -> Applied {
    for workers in [1, MAX_WORKERS] {
        workers_do_not_starve_outsiders(subject, workers);
        outsiders_do_not_starve_workers(subject, workers);
    }
    Applied::Held
}

/// The most workers that a flood is run on.
const MAX_WORKERS: usize = 2;

/// Starts, by worker.
///
/// The starts of the worker that finally starts a job measure how long the job was passed over. The
/// starts of other workers do not: the system may preempt a worker that has already taken the job,
/// and the others start thousands meanwhile.
type Starts = [usize; MAX_WORKERS];

/// A start: the worker that made it, and how many it had made before.
type Start = (usize, usize);

/// Endless jobs, until this is dropped. A failed test must stop them too, since a pool cannot drain
/// them.
struct Flood(Link);

/// One job of a flood: counts itself and, if it belongs to a worker, submits the next.
#[derive(Clone, Default)]
struct Link {
    is_over: Arc<AtomicBool>,
    starts: Arc<[AtomicUsize; MAX_WORKERS]>,
    /// The next job to start waits here.
    gate: Arc<Mutex<Option<Gate>>>,
}

/// Holds one job of a flood, so that what another source submits meanwhile is older than the next
/// job of the flood.
struct Gate {
    reached: Sender<()>,
    open: Receiver<()>,
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
    }
}

impl Link {
    fn starts(&self) -> Starts {
        std::array::from_fn(|worker| self.starts[worker].load(Ordering::SeqCst))
    }

    fn start(&self, ctx: &JobContext<'_>) -> Result<Start, Infallible> {
        let worker = ctx.worker();
        Ok((worker, self.starts[worker].fetch_add(1, Ordering::SeqCst)))
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst)
    }

    fn gate(&self) -> std::sync::MutexGuard<'_, Option<Gate>> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Holds the next job that starts: returns once it has. It goes on when the answer is dropped.
    fn hold_next(&self) -> Sender<()> {
        let ((reached, mut is_reached), (opens, open)) = (channel(), channel());
        *self.gate() = Some(Gate { reached, open });
        is_reached.recv().expect("the flood goes on");
        opens
    }
}

impl Job for Link {
    type Output = ();
    type Error = Infallible;

    fn run(self, ctx: &JobContext<'_>) -> Result<(), Infallible> {
        let Ok(_start) = self.start(ctx);
        let gate = self.gate().take();
        if let Some(mut gate) = gate {
            gate.reached.send(());
            let _dropped = gate.open.recv();
        }
        if !self.is_over() {
            ctx.execute(self)
                .expect("the pool is open while the flood is on");
        }
        Ok(())
    }
}

#[track_caller]
fn soon(accepted_at: Starts, (worker, started_at): Start) {
    let waited = started_at.saturating_sub(accepted_at[worker]);
    assert!(
        waited <= MAX_STARTS,
        "worker {worker} started {waited} jobs of another source first"
    );
}

/// After this many starts by each worker, the test gives up on the job.
const HOPELESS: usize = 50 * MAX_STARTS;

/// Waits for a job's start, unless the workers have run other jobs for so long that they will never
/// start it.
fn started(
    mut job: JobHandle<Start, Infallible>,
    flood: &Flood,
    accepted_at: Starts,
    workers: usize,
) -> Start {
    let limit = thread::now() + PATIENCE;
    loop {
        assert!(thread::now() < limit, "{job:?} has not started");
        match job.join_timeout(Duration::from_millis(5)) {
            Ok(start) => return start.expect("it starts"),
            Err(waiting) => job = waiting,
        }
        let starts = flood.0.starts();
        let waited = (0..workers).map(|worker| starts[worker] - accepted_at[worker]);
        let waited = waited.min().unwrap_or_default();
        assert!(
            waited <= HOPELESS,
            "each worker has started {waited} jobs of another source, and not this one"
        );
    }
}

fn workers_do_not_starve_outsiders(subject: Subject, workers: usize) {
    const CHAINS: usize = 8;
    let pool = pool(subject, workers, 64);
    let flood = Flood(Link::default());
    for _ in 0..CHAINS {
        pool.execute(flood.0.clone()).expect("there is room");
    }
    for _ in 0..thread::often(SAMPLES) {
        let link = flood.0.clone();
        let held = flood.0.hold_next();
        let outsider = pool.submit(move |ctx: &JobContext<'_>| link.start(ctx));
        let outsider = outsider.expect("the pool is open");
        let accepted_at = flood.0.starts();
        drop(held);
        soon(accepted_at, started(outsider, &flood, accepted_at, workers));
    }
}

fn outsiders_do_not_starve_workers(subject: Subject, workers: usize) {
    const OUTSIDERS: usize = 4;
    const AT_ONCE: usize = 8;
    let pool = pool(subject, workers, 64);
    let flood = Flood(Link::default());
    thread::scope(|threads| {
        for _ in 0..OUTSIDERS {
            let (pool, link) = (&pool, flood.0.clone());
            threads.spawn(move || {
                while !link.is_over() {
                    let batch = [(); AT_ONCE].map(|()| {
                        let link = link.clone();
                        pool.submit(move |ctx: &JobContext<'_>| link.start(ctx))
                            .expect("the pool is open")
                    });
                    for handle in batch {
                        ended(handle).expect("it starts");
                    }
                }
            });
        }
        // Moved in, so that a failure ends the flood before the threads are waited for.
        let flood = flood;
        for _ in 0..thread::often(SAMPLES) {
            let link = flood.0.clone();
            let parent = move |ctx: &JobContext<'_>| {
                let own = link.clone();
                let child = ctx.submit(move |ctx: &JobContext<'_>| own.start(ctx));
                Ok::<_, Infallible>((link.starts(), child.expect("the pool is open")))
            };
            let parent = pool.submit(parent).expect("the pool is open");
            let (accepted_at, child) = ended(parent).expect("it starts");
            soon(accepted_at, ended(child).expect("it starts"));
        }
    });
}
