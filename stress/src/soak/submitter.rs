//! A thread that submits by every way in, and uses the handles in every way.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use fastrand::Rng;
use pool::{Backend, BuildError, CancelToken, JobError, JobHandle, JobOptions, SubmitError};

use super::books::Record;
use super::jobs::{Coming, Failure, SoakJob, Watched, map, open_a_scope, run_future, take_back};
use super::world::World;

/// The most handles that a submitter keeps for later.
const KEPT: usize = 64;

type Handle = JobHandle<u64, Failure>;
type Submitted = Result<Handle, SubmitError<SoakJob>>;

pub(super) struct Submitter {
    world: Arc<World>,
    rng: Rng,
    kept: Vec<(Arc<Record>, Handle)>,
    /// Cancels the jobs that carry it; replaced after that.
    token: CancelToken,
}

impl Submitter {
    pub(super) fn new(world: Arc<World>, seed: u64) -> Self {
        Self {
            world,
            rng: Rng::with_seed(seed),
            kept: Vec::new(),
            token: CancelToken::new(),
        }
    }

    /// Submits until the round ends or refuses, then resolves the handles that it kept.
    pub(super) fn run(mut self) {
        while !self.world.is_over() && self.step() {}
        for (record, handle) in std::mem::take(&mut self.kept) {
            self.world.books.outcome(&record, &handle.join());
        }
    }

    /// One random operation. False once the pool has closed.
    fn step(&mut self) -> bool {
        match self.rng.u8(0..64) {
            0..=11 => self.execute(),
            12..=23 => self.one("submit", |world, job, _| world.pool.submit(job)),
            24..=29 => self.one("try_submit", |world, job, _| world.pool.try_submit(job)),
            30..=33 => self.one("submit_timeout", |world, job, rng| {
                let timeout = Duration::from_micros(rng.u64(0..2000));
                world.pool.submit_timeout(job, timeout)
            }),
            34..=37 => self.submit_async(),
            38..=39 => self.submit_all(),
            40..=42 => self.spawn(),
            43..=46 => self.future("submit_future", |world, job| world.pool.submit_future(job)),
            47..=49 => self.future("try_submit_future", |world, job| {
                world.pool.try_submit_future(job)
            }),
            50..=52 => self.spawn_future(),
            53 => self.map(),
            54 => self.scope(),
            55..=57 => self.join_one(),
            58 => self.cancel_many(),
            59 => self.swap(),
            60 => {
                self.world.books.check_bound();
                true
            }
            61 => self.pause(),
            _ => self.look(),
        }
    }

    fn execute(&mut self) -> bool {
        let job = self.job("execute");
        let record = Arc::clone(&job.payload.record);
        match self.world.pool.execute(job) {
            Ok(_id) => {
                self.world.books.accepted(&record);
                true
            }
            Err(refused) => self.refused(refused, &record),
        }
    }

    fn one(
        &mut self,
        way: &'static str,
        submit: impl FnOnce(&World, SoakJob, &mut Rng) -> Submitted,
    ) -> bool {
        let job = self.job(way);
        let record = Arc::clone(&job.payload.record);
        let submitted = submit(&self.world, job, &mut self.rng);
        self.took(record, submitted)
    }

    fn future(
        &mut self,
        way: &'static str,
        submit: impl FnOnce(&World, Coming) -> Result<Handle, SubmitError<Coming>>,
    ) -> bool {
        let job = self.job(way);
        let record = Arc::clone(&job.payload.record);
        let submitted = submit(&self.world, Coming(job)).map_err(|it| it.map(|coming| coming.0));
        self.took(record, submitted)
    }

    /// Awaits its admission or, sometimes, drops it half-way, in which case it has submitted
    /// nothing (`R106`).
    fn submit_async(&mut self) -> bool {
        let job = self.job("submit_async");
        let record = Arc::clone(&job.payload.record);
        let world = Arc::clone(&self.world);
        let mut admission = pin!(world.pool.submit_async(job));
        let is_left = self.rng.u8(..) < 64;
        if is_left {
            let mut cx = Context::from_waker(Waker::noop());
            return match admission.as_mut().poll(&mut cx) {
                Poll::Ready(submitted) => self.took(record, submitted),
                Poll::Pending => {
                    world.books.refused(&record);
                    true
                }
            };
        }
        let submitted = block_on(admission);
        self.took(record, submitted)
    }

    fn submit_all(&mut self) -> bool {
        let jobs: Vec<SoakJob> = (0..self.rng.usize(1..8))
            .map(|_| self.job("submit_all"))
            .collect();
        let records: Vec<_> = jobs
            .iter()
            .map(|job| Arc::clone(&job.payload.record))
            .collect();
        match self.world.pool.submit_all(jobs) {
            Ok(handles) => {
                for (record, handle) in records.into_iter().zip(handles) {
                    self.took(record, Ok(handle));
                }
                true
            }
            Err(error) => {
                let told = error.accepted.len() + 1 + error.rest.len();
                if told != records.len() {
                    let what = format!("a batch of {} became {told}", records.len());
                    self.world.books.wrong(what);
                }
                let mut records = records.into_iter();
                for handle in error.accepted {
                    records.next().map(|record| self.took(record, Ok(handle)));
                }
                let is_open = records
                    .next()
                    .is_none_or(|it| self.refused(error.refused, &it));
                records.for_each(|record| self.world.books.refused(&record));
                is_open
            }
        }
    }

    fn spawn(&mut self) -> bool {
        let payload = self.world.books.open("spawn", "completes");
        let (world, record) = (Arc::clone(&self.world), Arc::clone(&payload.record));
        let submitted = self.world.pool.spawn(move || {
            let _body = super::jobs::Body::begin(&world);
            world.books.begins(&payload.record);
            world.books.ends(&payload.record, pool::Outcome::Completed);
            payload.record.number
        });
        self.took_sure(record, submitted.map_err(|refused| refused.is_closed()))
    }

    fn spawn_future(&mut self) -> bool {
        let mut job = self.job("spawn_future");
        if job.act == super::jobs::Act::Panics {
            job.act = super::jobs::Act::Completes;
        }
        let (world, record) = (Arc::clone(&self.world), Arc::clone(&job.payload.record));
        let future = async move { run_future(job, None).await.unwrap_or(u64::MAX) };
        let future = Watched::new(future, world, Arc::clone(&record));
        let submitted = self.world.pool.spawn_future(future);
        self.took_sure(record, submitted.map_err(|refused| refused.is_closed()))
    }

    fn map(&mut self) -> bool {
        map(&self.world, &self.world.pool, &mut self.rng);
        true
    }

    fn scope(&mut self) -> bool {
        open_a_scope(&self.world, &self.world.pool, &mut self.rng);
        true
    }

    /// A job, sometimes with a limit, a token or a name.
    fn job(&mut self, way: &'static str) -> SoakJob {
        let mut job = SoakJob::new(&self.world, &mut self.rng, way, 0);
        let options = JobOptions::new();
        job.options = match self.rng.u8(0..24) {
            0 => options.with_deadline(Instant::now()),
            1..=3 => options.with_timeout(Duration::from_micros(self.rng.u64(0..3000))),
            4 => options.with_timeout(Duration::MAX),
            5..=7 => options.with_token(&self.token),
            8 => options
                .with_token(&self.token)
                .with_timeout(Duration::from_millis(1)),
            9 => options.named("soaked"),
            _ => options,
        };
        job
    }

    fn took(&mut self, record: Arc<Record>, submitted: Submitted) -> bool {
        match submitted {
            Ok(handle) => {
                self.world.books.accepted(&record);
                self.keep(record, handle);
                true
            }
            Err(refused) => self.refused(refused, &record),
        }
    }

    /// The same for a job that cannot fail; the error says whether the pool is closed.
    fn took_sure<E>(
        &mut self,
        record: Arc<Record>,
        submitted: Result<JobHandle<u64, E>, bool>,
    ) -> bool {
        let books = &self.world.books;
        match submitted {
            Ok(handle) => {
                books.accepted(&record);
                if self.rng.bool() {
                    books.outcome(&record, &handle.join());
                }
                true
            }
            Err(is_closed) => {
                books.refused(&record);
                !is_closed
            }
        }
    }

    fn refused(&self, refused: SubmitError<SoakJob>, record: &Arc<Record>) -> bool {
        let is_closed = refused.is_closed();
        take_back(&self.world, refused, record);
        self.world.events.note(record.number, "refused");
        !is_closed
    }

    fn keep(&mut self, record: Arc<Record>, handle: Handle) {
        match self.rng.u8(0..10) {
            0..=1 => handle.detach(),
            2 => {
                handle.cancel();
                self.kept.push((record, handle));
            }
            3 => self.world.books.outcome(&record, &handle.join()),
            4 => {
                let timeout = Duration::from_micros(self.rng.u64(0..500));
                match handle.join_timeout(timeout) {
                    Ok(said) => self.world.books.outcome(&record, &said),
                    Err(handle) => self.kept.push((record, handle)),
                }
            }
            5 => {
                let said: Result<u64, JobError<Failure>> = block_on(pin!(handle));
                self.world.books.outcome(&record, &said);
            }
            _ => self.kept.push((record, handle)),
        }
        if self.kept.len() > KEPT {
            self.join_one();
        }
    }

    fn join_one(&mut self) -> bool {
        if !self.kept.is_empty() {
            let (record, handle) = self.kept.swap_remove(self.rng.usize(..self.kept.len()));
            self.world.books.outcome(&record, &handle.join());
        }
        true
    }

    fn cancel_many(&mut self) -> bool {
        self.world.events.note(0, "a token is cancelled");
        std::mem::take(&mut self.token).cancel();
        for (_, handle) in &self.kept {
            if self.rng.bool() {
                handle.cancel();
            }
        }
        true
    }

    fn swap(&mut self) -> bool {
        if !self.world.swaps || self.rng.u8(..) < 200 {
            return true;
        }
        self.world.events.note(0, "a swap begins");
        let backends = Backend::ALL;
        let swapped = if self.rng.bool() {
            let backend = backends[self.rng.usize(..backends.len())];
            self.world.pool.swap(backend)
        } else {
            let (pool, name) = (&self.world.pool, format!("soak-{}", self.rng.u8(..)));
            pool.reconfigure(|config| config.set_thread_name(name.clone()))
        };
        self.world.events.note(0, "a swap is over");
        match swapped {
            Ok(()) => true,
            Err(BuildError::Closed) => false,
            Err(error) => {
                self.world.books.wrong(format!("a swap failed: {error}"));
                true
            }
        }
    }

    /// Pauses the pool for a moment, in which the others go on.
    fn pause(&mut self) -> bool {
        self.world.events.note(0, "a pause begins");
        self.world.pool.pause();
        (0..self.rng.u8(..)).for_each(|_| std::thread::yield_now());
        self.world.pool.resume();
        self.world.events.note(0, "a pause is over");
        true
    }

    /// Reads the stats at any moment (`R701`), and a handle.
    fn look(&self) -> bool {
        let stats = self.world.pool.stats();
        if stats.finished() + stats.unstarted > stats.accepted {
            self.world
                .books
                .wrong(format!("more ended than accepted: {stats}"));
        }
        if let Some((record, handle)) = self.kept.last()
            && handle.is_finished()
        {
            self.world.events.note(record.number, "seen to be finished");
        }
        true
    }
}

/// Unparks the thread that waits.
struct Unparks(Thread);

impl Wake for Unparks {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread.
pub(super) fn block_on<F: Future>(mut future: std::pin::Pin<&mut F>) -> F::Output {
    let waker = Waker::from(Arc::new(Unparks(thread::current())));
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        thread::park();
    }
}
