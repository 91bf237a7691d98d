//! Observers, and the values that jobs carry, where their code does what it may.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use pool::backend::PoolConfig;
use pool::{
    AsyncJobExt, Backend, Job, JobContext, JobEnd, JobExt, JobInfo, JobOptions, Observer, Outcome,
    Pool, ShutdownPolicy, ShutdownReport, infallible_fn,
};

use crate::on::{LIMIT, block_on, each_backend, ended, hold, on};

fn idle(_: &JobContext<'_>) -> Result<(), Infallible> {
    Ok(())
}

/// Counts what it hears, and keeps what it heard of the last run.
#[derive(Default)]
struct Counts {
    submitted: AtomicU64,
    ended: AtomicU64,
    backends: Mutex<Vec<&'static str>>,
}

impl Observer for Counts {
    fn submitted(&self, _options: &mut JobOptions) {
        self.submitted.fetch_add(1, Ordering::SeqCst);
    }

    fn ended(&self, job: &JobInfo<'_>, _end: &JobEnd<'_>) {
        self.backends.lock().expect("it is whole").push(job.backend);
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

fn observed(backend: Backend, workers: usize, observer: impl Observer) -> Pool {
    let pool = Pool::builder()
        .backend(backend)
        .workers(workers)
        .queue_capacity(64);
    pool.observe(observer).build().expect("it starts")
}

/// Puts other options in place of those that it sees, and keeps these.
struct Replaces(Arc<Mutex<Vec<JobOptions>>>);

impl Observer for Replaces {
    fn submitted(&self, options: &mut JobOptions) {
        let seen = std::mem::take(options);
        self.0.lock().expect("it is whole").push(seen);
    }
}

/// Notes which jobs are submitted by `execute`.
struct Detached(mpsc::Sender<bool>);

impl Observer for Detached {
    fn submitted(&self, options: &mut JobOptions) {
        self.0.send(options.is_detached()).expect("the test waits");
    }
}

#[test]
fn each_observer_knows_which_jobs_have_no_handle() {
    for backend in Backend::available() {
        let (kept, (sender, seen)) = (Arc::default(), mpsc::channel());
        let builder = Pool::builder().backend(backend).workers(1);
        let builder = builder.observe(Replaces(Arc::clone(&kept)));
        let pool = builder.observe(Detached(sender)).build().expect("starts");
        pool.execute(infallible_fn(|| ())).expect("there is room");
        assert_eq!(seen.recv(), Ok(true), "the first took the options out");
        let of_executed = kept.lock().expect("it is whole").pop();
        let of_executed = of_executed.expect("it was submitted");
        assert!(of_executed.is_detached());
        let job = infallible_fn(|| 42).with_options(of_executed);
        let handle = pool.submit(job).expect("there is room");
        assert_eq!(seen.recv(), Ok(false), "that one has a handle");
        assert!(matches!(ended(handle), Ok(42)));
    }
}

/// One generation after another, with jobs that are queued as a swap moves them.
#[test]
fn an_observer_hears_of_the_jobs_of_all_generations() {
    let counts = Arc::new(Counts::default());
    let pool = observed(Backend::Channel, 1, Arc::clone(&counts));
    for backend in Backend::available() {
        let (release, _held) = hold(&pool);
        let queued = pool.spawn(|| 42).expect("there is room");
        pool.swap(backend).expect("it is compiled in");
        drop(release);
        assert!(matches!(ended(queued), Ok(42)));
    }
    pool.reconfigure(|config| *config = PoolConfig::default())
        .expect("it is open");
    assert!(matches!(
        ended(pool.spawn(|| 42).expect("there is room")),
        Ok(42)
    ));
    pool.wait_idle();
    let jobs = 2 * Backend::available().len() as u64 + 1;
    assert_eq!(counts.ended.load(Ordering::SeqCst), jobs);
    assert_eq!(counts.submitted.load(Ordering::SeqCst), jobs);
    let backends = counts.backends.lock().expect("it is whole");
    for backend in Backend::available() {
        assert!(
            backends.contains(&backend.to_string().as_str()),
            "{backends:?}"
        );
    }
}

/// Every way in but those that submit tasks.
#[test]
fn an_observer_sees_each_way_in() {
    each_backend(|backend| {
        let counts = Arc::new(Counts::default());
        let pool = observed(backend, 2, Arc::clone(&counts));
        pool.execute(idle).expect("it is open");
        pool.try_execute(idle).expect("there is room");
        pool.spawn_future(async { 1 }).expect("it is open").detach();
        assert!(block_on(pool.submit_async(idle)).is_ok());
        assert_eq!(pool.map(0..3, |n| n).count(), 3);
        pool.scope(|scope| scope.spawn(|| ()).expect("it is open"))
            .expect("it completes");
        pool.submit_all([idle, idle]).expect("it is open");
        pool.wait_idle();
        let heard = [&counts.submitted, &counts.ended].map(|it| it.load(Ordering::SeqCst));
        assert_eq!(heard, [10, 10], "{}", pool.stats());
    });
}

/// What an observer enters first it leaves last.
#[test]
fn observers_are_nested() {
    struct Nested(char, mpsc::Sender<String>);

    impl Observer for Nested {
        fn enter(&self, _: &JobInfo<'_>) {
            drop(self.1.send(format!("enter {}", self.0)));
        }

        fn exit(&self, job: &JobInfo<'_>) {
            assert!(
                job.worker.is_some() && job.kind.contains("Named"),
                "{job:?}"
            );
            drop(self.1.send(format!("exit {}", self.0)));
        }

        fn ended(&self, job: &JobInfo<'_>, _: &JobEnd<'_>) {
            drop(
                self.1
                    .send(format!("{} ended {}", job.name.unwrap_or(""), self.0)),
            );
        }
    }

    struct Named;

    impl Job for Named {
        type Output = ();
        type Error = Infallible;

        fn run(self, _: &JobContext<'_>) -> Result<(), Infallible> {
            Ok(())
        }
    }

    each_backend(|backend| {
        let (send, heard) = mpsc::channel();
        let pool = Pool::builder().backend(backend).workers(1);
        let pool = pool
            .observe(Nested('a', send.clone()))
            .observe(Nested('b', send));
        let pool = pool.build().expect("it starts");
        assert!(ended(pool.submit(Named.named("job")).expect("it is open")).is_ok());
        pool.wait_idle();
        drop(pool);
        let heard: Vec<_> = heard.iter().collect();
        let order = [
            "enter a",
            "enter b",
            "exit b",
            "exit a",
            "job ended b",
            "job ended a",
        ];
        assert_eq!(heard, order, "on {backend}");
    });
}

/// A job whose kind panics whenever it is asked.
struct Unkind;

impl Job for Unkind {
    type Output = u32;
    type Error = Infallible;

    fn run(self, _: &JobContext<'_>) -> Result<u32, Infallible> {
        Ok(42)
    }

    fn kind() -> &'static str {
        panic!("a kind panics on purpose")
    }
}

#[test]
fn a_kind_that_panics_costs_no_worker_and_no_handle() {
    each_backend(|backend| {
        let counts = Arc::new(Counts::default());
        let pool = observed(backend, 1, Arc::clone(&counts));
        assert!(matches!(
            ended(pool.submit(Unkind).expect("it is open")),
            Ok(42)
        ));
        let (release, _held) = hold(&pool);
        let queued = pool.submit(Unkind).expect("there is room");
        queued.cancel();
        assert!(ended(queued).is_err());
        pool.submit(Unkind).expect("there is room").detach();
        drop(release);
        pool.wait_idle();
        assert_eq!(counts.ended.load(Ordering::SeqCst), 4);
    });
}

/// Shuts its pool down as it is dropped, and tells what the report says.
struct ShutsDown(Pool, mpsc::Sender<ShutdownReport>);

impl Drop for ShutsDown {
    fn drop(&mut self) {
        drop(self.1.send(self.0.shutdown(LIMIT)));
    }
}

/// The value is dropped on a worker: after a closure, with a handle and without, after a future,
/// and by a worker that cleans up after a shutdown.
#[test]
fn a_value_may_shut_the_pool_down_as_it_goes() {
    each_backend(|backend| {
        for way in 0..3 {
            let pool = on(backend, 1, 8);
            let (send, reports) = mpsc::channel();
            let value = ShutsDown(pool.clone(), send);
            let carried = JobOptions::new().with_extension(value);
            match way {
                0 => drop(pool.execute(idle.with_options(carried))),
                1 => drop(
                    pool.submit(idle.with_options(carried))
                        .map(|handle| handle.detach()),
                ),
                _ => {
                    let future = |_| async { Ok::<_, Infallible>(()) };
                    let handle = pool.submit_future(future.with_options(carried));
                    handle.expect("it is open").detach();
                }
            }
            let report = reports.recv_timeout(LIMIT).expect("it returns in time");
            // A job whose value is still dropped counts once: as one that runs.
            assert_eq!(
                (report.accepted(), report.completed()),
                (1, 0),
                "{way}: {report}"
            );
            assert!(report.balances(), "{report}");
        }
    });
}

/// An observer that blocks holds up a worker, and no shutdown.
#[test]
fn an_observer_that_blocks_holds_up_no_shutdown() {
    struct Blocks(Mutex<mpsc::Receiver<()>>, mpsc::Sender<Outcome>);

    impl Observer for Blocks {
        fn ended(&self, _: &JobInfo<'_>, end: &JobEnd<'_>) {
            if end.outcome == Outcome::Abandoned {
                let _opened = self.0.lock().expect("it is whole").recv_timeout(LIMIT);
            }
            let _gone = self.1.send(end.outcome);
        }
    }

    each_backend(|backend| {
        let (open, gate) = mpsc::channel();
        let (send, heard) = mpsc::channel();
        let pool = observed(backend, 1, Blocks(Mutex::new(gate), send));
        let (release, _held) = hold(&pool);
        for _ in 0..3 {
            pool.execute(idle).expect("there is room");
        }
        let releases = std::thread::spawn(move || drop(release));
        let policy = ShutdownPolicy::now().cancel_grace(Duration::from_millis(100));
        let report = pool.shutdown(policy);
        releases.join().expect("it returns");
        assert_eq!(report.accepted(), 4, "{report}");
        for _ in 0..3 {
            open.send(()).expect("the observer waits");
        }
        let outcomes: Vec<_> = (0..4).map(|_| heard.recv_timeout(LIMIT)).collect();
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    });
}
