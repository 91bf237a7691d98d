//! Rows 1, 5 and 7: thousands of panics, and panics at every place where a pool calls user code.

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use pool::{AsyncContext, Backend, Job, JobContext, JobError, JobOptions, Panic, Pool};

use crate::child::{backend_of_this_child, each_backend_in_a_child, run_again, say};
use crate::on::{builder, each_backend, ended, ends_clean, nothing, on, value};
use crate::system::threads;

/// A panic for which the process's hook prints nothing: there are many here.
fn quietly(payload: impl std::any::Any + Send) -> ! {
    resume_unwind(Box::new(payload))
}

/// Panics when it is dropped, with a payload that does so too.
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0 && !thread::panicking() {
            quietly(Self(false));
        }
    }
}

#[test]
fn a_thousand_jobs_a_third_of_which_panic() {
    const JOBS: usize = 1000;
    each_backend_in_a_child(|backend| {
        let pool = on(backend, 3, 64);
        let before = threads();
        let handles: Vec<_> = (0..JOBS)
            .map(|number| {
                let job = move || match number % 12 {
                    0 => quietly("a literal"),
                    3 => quietly(format!("text of {number}")),
                    6 => quietly(number),
                    9 => quietly(Bomb(true)),
                    _ => number,
                };
                pool.spawn(job).expect("submit waits for room")
            })
            .collect();
        for (number, handle) in handles.into_iter().enumerate() {
            match ended(handle) {
                Ok(value) => assert!(number % 3 != 0 && value == number),
                Err(JobError::Panicked(_)) => assert_eq!(number % 3, 0),
                Err(other) => panic!("{backend}: {number} became {other}"),
            }
        }
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.panicked, 334, "{backend}: {stats}");
        assert_eq!((stats.workers, threads()), (3, before), "{backend}");
        ends_clean(&pool);
    });
}

#[test]
fn a_hook_that_panics_is_counted_and_changes_no_outcome() {
    each_backend(|backend| {
        let pool = builder(backend, 2)
            .on_worker_stop(|_| quietly("the stop"))
            .on_failure(|_| quietly(Bomb(true)))
            .build()
            .unwrap_or_else(|error| panic!("{backend}: {error}"));
        let failing = pool.submit(|_: &JobContext<'_>| Err::<(), _>("no ink"));
        let failing = ended(failing.expect("there is room"));
        assert!(
            matches!(failing, Err(JobError::Failed("no ink"))),
            "{backend}"
        );
        assert_eq!(value(pool.spawn(|| 5).expect("there is room")), 5);
        assert_eq!(pool.stats().hook_panics, 1, "{backend}: one failure");
        ends_clean(&pool);
        assert_eq!(pool.stats().hook_panics, 3, "{backend}: and two stops");
    });
}

/// A job whose options panic.
struct Wishes;

impl Job for Wishes {
    type Output = ();
    type Error = Infallible;

    fn run(self, _ctx: &JobContext<'_>) -> Result<(), Infallible> {
        Ok(())
    }

    fn options(&self) -> JobOptions {
        quietly("the options")
    }
}

/// An iterator that panics at its second item.
fn faulty() -> impl Iterator<Item = u32> {
    (0..3).inspect(|item| {
        if *item == 1 {
            quietly("the iterator")
        }
    })
}

/// All user code that a pool calls, each panicking: on a user's thread, which sees the panic, or on
/// a worker.
fn every_call_of_user_code(pool: &Pool) {
    fn heard(call: impl FnOnce()) {
        assert!(
            catch_unwind(AssertUnwindSafe(call)).is_err(),
            "it is the caller's panic"
        );
    }
    heard(|| drop(pool.submit(Wishes)));
    heard(|| drop(pool.execute(Wishes)));
    heard(|| drop(pool.submit_all(faulty().map(|_| nothing))));
    heard(|| drop(pool.map(faulty(), |item| item)));
    heard(|| drop(pool.map_unordered(faulty(), |item| item)));
    heard(|| drop(pool.scope(|_| quietly("the scope"))));

    for outcome in pool.map(0..4, |_| -> u8 { quietly(Bomb(true)) }) {
        assert!(matches!(outcome, Err(JobError::Panicked(_))));
    }
    for outcome in pool.map_unordered(0..4, |_| Bomb(true)) {
        std::mem::forget(outcome.expect("it completes"));
    }
    drop(pool.map(0..4, |_| Bomb(true)));
    drop(pool.map_unordered(0..4, |_| Bomb(true)));
    let scoped = pool.scope(|scope| {
        for _ in 0..4 {
            drop(scope.spawn(|| quietly(Bomb(true))));
        }
    });
    assert!(scoped.is_err(), "a scope tells of its jobs' panics");

    let unmade =
        |_: AsyncContext| -> std::future::Ready<Result<(), Infallible>> { quietly("no future") };
    let unmade = pool.submit_future(unmade).expect("the pool is open");
    assert!(matches!(ended(unmade), Err(JobError::Panicked(_))));
    let halves = |ctx: &JobContext<'_>| {
        let join =
            || -> ((), ()) { ctx.join(|_| quietly("the first half"), |_| panic_any(Bomb(false))) };
        Ok::<_, Infallible>(catch_unwind(AssertUnwindSafe(join)).is_err())
    };
    assert!(
        value(pool.submit(halves).expect("the pool is open")),
        "its panic is the caller's"
    );
}

/// Every public call that takes or returns something, after all that.
fn every_call_works(pool: &Pool, backend: Backend) {
    let ran = Arc::new(AtomicUsize::new(0));
    let count = || {
        let ran = Arc::clone(&ran);
        move |_: &JobContext<'_>| Ok::<_, Infallible>(ran.fetch_add(1, Ordering::SeqCst))
    };
    let open = "the pool is open";
    let _id = pool.execute(count()).expect(open);
    value(pool.submit(count()).expect(open));
    value(pool.submit_timeout(count(), crate::on::LIMIT).expect(open));
    pool.submit_all([count(), count()])
        .expect(open)
        .into_iter()
        .for_each(|it| {
            value(it);
        });
    assert_eq!(value(pool.spawn_future(async { 4 }).expect(open)), 4);
    assert_eq!(pool.map(0..5, |n| n).flatten().sum::<i32>(), 10);
    assert_eq!(pool.map_unordered(0..5, |n| n).flatten().sum::<i32>(), 10);
    pool.scope(|scope| drop(scope.spawn(|| ())))
        .expect("nothing panics");
    pool.swap(backend).expect("it can be built again");
    pool.wait_idle();
    assert_eq!(ran.load(Ordering::SeqCst), 5, "{backend}");
    let stats = pool.stats();
    assert_eq!(
        stats.accepted,
        stats.finished() + stats.unstarted,
        "{stats}"
    );
}

#[test]
fn after_a_panic_at_every_call_of_user_code_every_call_works() {
    each_backend(|backend| {
        let pool = on(backend, 2, 8);
        for _ in 0..3 {
            every_call_of_user_code(&pool);
            every_call_works(&pool, backend);
        }
        ends_clean(&pool);
    });
}

/// The hook of failures is told first, so that there is something to read.
#[test]
fn a_pool_that_is_to_abort_at_a_panic_does_so_after_its_hook() {
    let body = |backend: Backend| {
        let pool = builder(backend, 1)
            .on_panic(Panic::Abort)
            .on_failure(|failure| {
                say(&format!("told: {}", failure.message.unwrap_or_default()));
            });
        let pool = pool.build().expect("it starts");
        assert!(
            ended(
                pool.submit(|_: &JobContext<'_>| Err::<(), _>(1))
                    .expect("it is open")
            )
            .is_err()
        );
        say("an error aborts nothing");
        let _never = pool
            .spawn(|| panic!("out of ink"))
            .map(|handle| handle.join());
        say("still alive");
    };
    aborts(body);
}

fn aborts<F: Fn(Backend)>(body: F) {
    if let Some(backend) = backend_of_this_child() {
        return body(backend);
    }
    for backend in Backend::available() {
        let end = run_again::<F>(backend, |command| command);
        assert_eq!(end.signal, Some(libc::SIGABRT), "{backend}: {}", end.said);
        for said in ["an error aborts nothing", "told: out of ink"] {
            assert!(end.said.contains(said), "{backend}: {}", end.said);
        }
        assert!(!end.said.contains("still alive"), "{backend}: {}", end.said);
    }
}

/// A job of an older backend closes all of them.
#[test]
fn a_panic_closes_a_pool_that_was_swapped() {
    each_backend(|backend| {
        let pool = builder(Backend::Channel, 1).on_panic(Panic::Close);
        let pool = pool.build().expect("it starts");
        let (release, held) = std::sync::mpsc::channel::<()>();
        let (start, started) = std::sync::mpsc::channel();
        let panics = pool.spawn(move || {
            start.send(()).expect("the test listens");
            let _released = held.recv();
            quietly("an old backend's");
        });
        started.recv_timeout(crate::on::LIMIT).expect("it starts");
        pool.swap(backend).expect("it is compiled in");
        drop(release);
        assert!(ended(panics.expect("it was open")).is_err());
        assert!(pool.spawn(|| ()).is_err_and(|refused| refused.is_closed()));
        assert!(pool.swap(backend).is_err(), "it is closed for good");
    });
}
