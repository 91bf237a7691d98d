//! Threads that the system refuses, that jobs interfere with, and that jobs panic on.

use std::convert::Infallible;
use std::env;
use std::panic::{panic_any, resume_unwind};
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

use pool::{Backend, BuildError, JobContext, JobError, Outcome, Pool};
use pool_conformance::probe::{Alive, Count, Gate, Log, ended, meet};

use crate::each::{ROOM, ends_clean, on_each_backend, pool};

/// Two such stacks are as large as all the memory that a process can address.
const TOO_LARGE: usize = 1 << 46;

#[test]
fn a_pool_whose_threads_are_refused_leaves_nothing_and_the_next_one_is_built() {
    const WORKERS: usize = 10;
    on_each_backend(|backend| {
        for _ in 0..5 {
            let (started, stopped) = (Log::new(), Log::new());
            let (starts, stops) = (started.clone(), stopped.clone());
            let builder = Pool::builder().backend(backend).workers(WORKERS);
            let builder = builder
                .stack_size(TOO_LARGE)
                .on_worker_start(move |index| starts.note(index))
                .on_worker_stop(move |index| stops.note(index));
            match builder.build() {
                Err(BuildError::Spawn {
                    worker, workers, ..
                }) => assert!(worker < 2 && workers == WORKERS, "{worker} of {workers}"),
                Err(other) => panic!("{backend} was refused its threads, and said: {other}"),
                Ok(_) => panic!("{backend} got stacks that no memory holds"),
            }
            let (mut started, mut stopped) = (started.take(), stopped.take());
            started.sort_unstable();
            stopped.sort_unstable();
            assert_eq!(started, stopped, "whoever started has stopped");
            let next = pool(backend, WORKERS, 4);
            meet(&next, WORKERS);
            ends_clean(&next);
        }
    });
}

/// The backend to build on, set in a process that has memory for only a few stacks.
const CHILD: &str = "FOREIGN_REFUSED_HALF_WAY";

/// In KiB. Each stack is so large that the child process can address only a few of them.
const STACK: usize = 512 << 20;
const ADDRESSES_KIB: usize = 4 << 20;

/// The system gives some threads and refuses the rest: those that it gave stop again.
#[test]
#[cfg(target_os = "linux")]
fn threads_that_were_given_before_one_is_refused_stop_again() {
    if let Ok(backend) = env::var(CHILD) {
        return refused_half_way(backend.parse().expect("the parent names a backend"));
    }
    on_each_backend(|backend| {
        let name = concat!(
            "jsr166::threads::",
            "threads_that_were_given_before_one_is_refused_stop_again"
        );
        let this = env::current_exe().expect("the system knows this program");
        let limited =
            format!("ulimit -v {ADDRESSES_KIB} && exec \"$0\" --exact {name} --nocapture");
        let child = Command::new("sh")
            .args(["-c", &limited])
            .arg(this)
            .env(CHILD, backend.name())
            .output()
            .expect("there is a shell");
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{}: {said}", child.status);
    });
}

fn refused_half_way(backend: Backend) {
    const WORKERS: usize = 20;
    let (started, stopped) = (Count::new(), Count::new());
    let (starts, stops) = (started.clone(), stopped.clone());
    let builder = Pool::builder().backend(backend).workers(WORKERS);
    let built = builder
        .stack_size(STACK)
        .on_worker_start(move |_| starts.add())
        .on_worker_stop(move |_| {
            stops.add();
        })
        .build();
    let error = built.expect_err("so many stacks cannot be had");
    let BuildError::Spawn { worker, .. } = error else {
        panic!("{backend} was refused its threads, and said: {error}");
    };
    assert!(
        (1..WORKERS).contains(&worker),
        "the first to be refused is {worker}"
    );
    // The async backend tries its runtime's threads first, and then those of its workers.
    let expected = if backend == Backend::Async {
        started.get()
    } else {
        worker
    };
    stopped.wait_for(expected);
    assert_eq!((started.get(), stopped.get()), (expected, expected));
    let next = pool(backend, 2, 4);
    meet(&next, 2);
    ends_clean(&next);
}

/// Threads of workers, for code that wakes them for no reason.
type Threads = Arc<Mutex<Vec<Thread>>>;

/// Wakes a worker that has not asked for it.
fn meddle(threads: &Threads, number: usize) {
    let threads = threads.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(thread) = threads.get(number % threads.len().max(1)) {
        thread.unpark();
    }
}

#[test]
fn jobs_that_park_and_unpark_threads_at_random_lose_nothing() {
    const WORKERS: usize = 3;
    const JOBS: usize = 4000;
    on_each_backend(|backend| {
        let (workers, waiter) = (Threads::default(), Threads::default());
        let of_worker = Arc::clone(&workers);
        let builder = Pool::builder().backend(backend).workers(WORKERS);
        let pool = builder
            .queue_capacity(16)
            .on_worker_start(move |_| {
                let mut threads = of_worker.lock().unwrap_or_else(PoisonError::into_inner);
                threads.push(thread::current());
            })
            .build()
            .expect("a plain configuration is accepted");
        let mut own = waiter.lock().unwrap_or_else(PoisonError::into_inner);
        own.push(thread::current());
        drop(own);
        let mut handles = Vec::new();
        for number in 0..JOBS {
            let (threads, all) = (Arc::clone(&workers), Arc::clone(&waiter));
            let plays = move |ctx: &JobContext<'_>| {
                meddle(&threads, number);
                // Also the thread that waits for these jobs.
                meddle(&all, 0);
                match number % 4 {
                    0 => thread::current().unpark(),
                    1 => thread::park_timeout(Duration::from_micros(1)),
                    2 => {
                        let child =
                            ctx.submit(move |_: &JobContext<'_>| Ok::<_, Infallible>(number));
                        thread::current().unpark();
                        assert_eq!(child.expect(ROOM).join().expect("it completes"), number);
                    }
                    _ => {}
                }
                Ok::<_, Infallible>(number)
            };
            handles.push(pool.submit(plays).expect("room appears"));
            meddle(&workers, number + 1);
        }
        for (number, handle) in handles.into_iter().enumerate() {
            assert_eq!(ended(handle).expect("it completes"), number);
        }
        let report = ends_clean(&pool);
        assert_eq!(report.completed(), (JOBS + JOBS / 4) as u64, "{report}");
    });
}

/// A park token that another call left makes no join return before its job has ended.
#[test]
fn a_stray_token_ends_no_wait() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 4);
        let joiner = |held: pool::JobHandle<u32, Infallible>, ready: Count| {
            move || {
                thread::current().unpark();
                ready.add();
                held.join()
            }
        };
        let gate = Gate::new();
        let (pass, ready) = (gate.pass(), Count::new());
        let held = pool.spawn(move || {
            pass.wait();
            9
        });
        let inside = pool
            .spawn(joiner(held.expect(ROOM), ready.clone()))
            .expect(ROOM);
        ready.wait_for(1);
        Count::new().stays_below(1, Duration::from_millis(20));
        assert!(!inside.is_finished(), "the gate is shut");
        gate.open();
        assert_eq!(
            ended(inside)
                .expect("it completes")
                .expect("as does what it joined"),
            9
        );
        ends_clean(&pool);
    });
}

#[test]
fn a_storm_of_panics_costs_no_worker_and_each_is_observed() {
    const WORKERS: usize = 4;
    const EACH: usize = 100;
    on_each_backend(|backend| {
        let observed = Log::new();
        let seen = observed.clone();
        let builder = Pool::builder().backend(backend).workers(WORKERS);
        let pool = builder
            .queue_capacity(16)
            .on_failure(move |failure| {
                seen.note((failure.outcome, failure.message.map(str::to_owned)))
            })
            .build()
            .expect("a plain configuration is accepted");
        let mut before = meet(&pool, WORKERS);
        // The process's hook, which is not ours, prints nothing.
        let throws: [fn(); 4] = [
            || resume_unwind(Box::new("text")),
            || resume_unwind(Box::new(String::from("text"))),
            || resume_unwind(Box::new(5_u8)),
            || (),
        ];
        for throw in throws.into_iter().cycle().take(throws.len() * EACH) {
            let thrower = move |_: &JobContext<'_>| {
                throw();
                Ok::<_, Infallible>(())
            };
            pool.execute(thrower).expect("room appears");
        }
        pool.wait_idle();
        let stats = pool.stats();
        assert_eq!(stats.panicked, 3 * EACH as u64, "{stats}");
        assert_eq!(stats.completed, (EACH + WORKERS) as u64, "{stats}");
        let mut after = meet(&pool, WORKERS);
        before.sort_unstable_by_key(|place| place.0);
        after.sort_unstable_by_key(|place| place.0);
        assert_eq!(after, before, "the same workers, on the same threads");
        ends_clean(&pool);
        let observed = observed.take();
        assert_eq!(observed.len(), 3 * EACH);
        let texts = observed
            .iter()
            .filter(|it| it.1.as_deref() == Some("text"))
            .count();
        assert_eq!(texts, 2 * EACH);
        assert!(observed.iter().all(|it| it.0 == Outcome::Panicked));
    });
}

/// The payload of a panic goes to the owner of the handle, and to no other.
#[test]
fn payloads_of_panics_are_not_kept() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 16);
        let alive = Alive::new();
        for number in 0..300 {
            let payload = alive.value();
            let throws = pool.spawn(move || -> () { resume_unwind(Box::new(payload)) });
            let throws = throws.expect("room appears");
            match number % 3 {
                0 => drop(throws),
                1 => drop(ended(throws)),
                _ => match ended(throws) {
                    Err(JobError::Panicked(info)) => drop(info.into_payload()),
                    other => panic!("a panic became {other:?}"),
                },
            }
        }
        ends_clean(&pool);
        assert_eq!(alive.count(), 0);
    });
}

/// Workers start at the build, and never again: neither for more jobs nor after panics.
#[test]
fn no_thread_is_started_after_the_build() {
    on_each_backend(|backend: Backend| {
        let started = Count::new();
        let starts = started.clone();
        let builder = Pool::builder().backend(backend).workers(2);
        let pool = builder
            .on_worker_start(move |_| starts.add())
            .build()
            .expect("a plain configuration is accepted");
        for round in 0..50 {
            let body = move || {
                if round % 5 == 0 {
                    panic_any(round);
                }
            };
            drop(ended(pool.spawn(body).expect(ROOM)));
            pool.wait_idle();
        }
        assert_eq!(started.get(), 2);
        ends_clean(&pool);
        assert_eq!(started.get(), 2);
    });
}
