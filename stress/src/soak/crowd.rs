//! A round in which many jobs of a pool that goes on end in its queue: they are cancelled, or have
//! deadlines of some microseconds, while others are pushed, popped and run. The others must not
//! suffer from it, and each place must be free again.

use std::convert::Infallible;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier, Mutex};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use fastrand::Rng;
use pool::{Backend, ExecutorExt, JobContext, JobExt, JobHandle, Outcome, Pool, ShutdownPolicy};

use super::books::lock;
use super::round::{Tally, await_threads, threads};
use super::watch::Watched;
use super::world::Events;

/// Jobs of one submitter, whose handles are joined batch by batch.
const BATCHES: usize = 64;
const BATCH: usize = 256;
/// What does not happen within this time never will.
const LIMIT: Duration = Duration::from_secs(30);

/// What a submitter did to a job.
#[derive(Debug, Clone, Copy)]
struct Done {
    has_deadline: bool,
    is_cancelled: bool,
}

impl Done {
    fn may_end(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::Completed => true,
            Outcome::Cancelled => self.is_cancelled,
            Outcome::Expired => self.has_deadline,
            _ => false,
        }
    }
}

type Submitted = (Done, JobHandle<(), Infallible>);
type Batch = Vec<Submitted>;

/// What the threads of a round share.
struct Crowd {
    pool: Pool,
    accepted: AtomicUsize,
    wrong: Mutex<Vec<String>>,
}

impl Crowd {
    fn wrong(&self, what: String) {
        lock(&self.wrong).push(what);
    }

    /// Submits one job, here or as a child, and may cancel it at once.
    fn submit<X: ExecutorExt + ?Sized>(&self, executor: &X, rng: &mut Rng) -> Option<Submitted> {
        let done = Done {
            has_deadline: rng.bool(),
            is_cancelled: rng.bool(),
        };
        let job = |_: &JobContext<'_>| Ok(());
        let submitted = if done.has_deadline {
            let limit = Duration::from_micros(rng.u64(0..30));
            executor.submit(job.with_timeout(limit)).ok()
        } else {
            let submitted = executor.submit(job);
            submitted
                .map_err(|refused| self.wrong(format!("a job without a limit: {refused}")))
                .ok()
        };
        let handle = submitted?;
        self.accepted.fetch_add(1, SeqCst);
        if done.is_cancelled {
            handle.cancel();
        }
        Some((done, handle))
    }

    fn submit_a_batch<X: ExecutorExt + ?Sized>(&self, executor: &X, rng: &mut Rng) -> Batch {
        (0..BATCH)
            .filter_map(|_| self.submit(executor, rng))
            .collect()
    }

    /// The same, in a job of the pool.
    fn submit_a_batch_inside(self: &Arc<Self>, rng: &mut Rng) -> Batch {
        let (crowd, mut rng) = (Arc::clone(self), rng.fork());
        let parent = move |ctx: &JobContext<'_>| {
            Ok::<_, Infallible>(crowd.submit_a_batch(ctx.executor(), &mut rng))
        };
        self.accepted.fetch_add(1, SeqCst);
        match self.pool.submit(parent).map(JobHandle::join) {
            Ok(Ok(batch)) => batch,
            Ok(Err(error)) => {
                self.wrong(format!("a parent: {error}"));
                Batch::new()
            }
            Err(refused) => {
                self.wrong(format!("a parent: {refused}"));
                Batch::new()
            }
        }
    }

    fn join(&self, batch: Batch) {
        for (done, handle) in batch {
            let outcome = match handle.join_timeout(LIMIT) {
                Ok(result) => result.map_or_else(|error| error.outcome(), |()| Outcome::Completed),
                Err(handle) => return self.wrong(format!("{done:?}: {handle:?} has no outcome")),
            };
            if !done.may_end(outcome) {
                self.wrong(format!("{done:?} ended as {outcome}"));
            }
        }
    }

    /// Holds all workers, and checks that as many jobs get in as there are places.
    fn check_places(&self, workers: usize, capacity: usize) {
        let met = Arc::new(Barrier::new(workers + 1));
        let hold = || {
            let met = Arc::clone(&met);
            self.pool.spawn(move || {
                met.wait();
                met.wait();
            })
        };
        let held: Result<Vec<_>, _> = (0..workers).map(|_| hold()).collect();
        let Ok(held) = held else {
            return self.wrong("a job was refused by a pool that is open".to_owned());
        };
        met.wait();
        let got_in = (0..=capacity).map_while(|_| self.pool.try_spawn(|| ()).ok());
        let queued: Vec<_> = got_in.collect();
        met.wait();
        if queued.len() != capacity {
            self.wrong(format!(
                "{} jobs got into the {capacity} places",
                queued.len()
            ));
        }
        self.accepted.fetch_add(held.len() + queued.len(), SeqCst);
    }
}

/// Runs the round of a seed.
pub(super) fn run(backend: Backend, seed: u64, watched: &Watched) -> Result<Tally> {
    let rng = &mut Rng::with_seed(seed);
    let before = threads()?;
    let (workers, capacity) = (rng.usize(1..4), [8, 64, 1024][rng.usize(0..3)]);
    let builder = Pool::builder().backend(backend).workers(workers);
    let pool = builder.queue_capacity(capacity).build()?;
    let what = format!("a crowd: {backend}, {workers} workers, {capacity} places");
    watched.begins(seed, &Events::new(), &pool, &what);
    let crowd = Arc::new(Crowd {
        pool,
        accepted: AtomicUsize::new(0),
        wrong: Mutex::default(),
    });
    let submitters = (0..rng.usize(1..3)).map(|_| {
        let (crowd, mut rng) = (Arc::clone(&crowd), rng.fork());
        thread::spawn(move || {
            for _ in 0..BATCHES {
                let batch = if rng.bool() {
                    crowd.submit_a_batch(&crowd.pool, &mut rng)
                } else {
                    crowd.submit_a_batch_inside(&mut rng)
                };
                crowd.join(batch);
            }
        })
    });
    for submitter in submitters.collect::<Vec<_>>() {
        if submitter.join().is_err() {
            crowd.wrong("a submitter panicked".to_owned());
        }
    }
    crowd.pool.wait_idle();
    crowd.check_places(workers, capacity);
    crowd.pool.wait_idle();
    let report = crowd.pool.shutdown(ShutdownPolicy::drain());
    let accepted = crowd.accepted.load(SeqCst);
    let is_whole = report.balances() && report.accepted() == accepted as u64;
    if !is_whole || report.abandoned() + report.unstarted() > 0 {
        crowd.wrong(format!("of {accepted} jobs: {report}"));
    }
    watched.forgets_the_pool();
    let mut wrong = std::mem::take(&mut *lock(&crowd.wrong));
    drop(crowd);
    await_threads(before, |what| wrong.push(what))?;
    watched.ends();
    ensure!(wrong.is_empty(), "{what}:\n  {}", wrong.join("\n  "));
    Ok(Tally { jobs: accepted })
}
