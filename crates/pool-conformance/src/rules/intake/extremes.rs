//! R111 and R112: a bound is only a bound, and a thread that ends may still submit.

use std::cell::RefCell;
use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, Sender};
use std::thread;

use pool_core::backend::PoolConfig;
use pool_core::machine;
use pool_core::{Executor, ExecutorExt, JobContext, Shutdown, ShutdownPolicy};

use crate::probe::{Count, PATIENCE, ROOM, ended, occupy, pool};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};

/// Capacities on both sides of any threshold by which a queue may choose its form, up to the
/// largest number.
const CAPACITIES: [usize; 8] = [
    1,
    2,
    (1 << 16) - 1,
    1 << 16,
    (1 << 16) + 1,
    u32::MAX as usize,
    isize::MAX as usize,
    usize::MAX,
];

/// Jobs that a queue of more slots is asked to hold.
const JOBS: usize = 300;

pub(crate) fn r111(subject: Subject) -> Applied {
    for capacity in CAPACITIES {
        let pool = pool(subject, 1, capacity);
        assert_eq!(pool.capability().capacity, Some(capacity));
        let gate = occupy(&pool, 1);
        let ran = Count::new();
        let mut accepted = 0;
        for _ in 0..JOBS {
            let ran = ran.clone();
            let job = move |_: &JobContext<'_>| Ok::<_, Infallible>(ran.add());
            accepted += usize::from(pool.try_submit(job).is_ok());
        }
        assert_eq!(accepted, JOBS.min(capacity), "with {capacity} places");
        gate.open();
        let report = pool.shutdown(ShutdownPolicy::drain());
        assert!(report.is_clean() && report.balances(), "{report}");
        assert_eq!(ran.get(), accepted, "with {capacity} places");
    }
    Applied::Held
}

thread_local! {
    static LAST_WORDS: RefCell<LastWords> = const { RefCell::new(LastWords(None)) };
}

type Words = Box<dyn FnOnce()>;

/// Reports as its thread ends, when some or all of the thread's other locals are gone.
struct LastWords(Option<Words>);

impl Drop for LastWords {
    fn drop(&mut self) {
        if let Some(words) = self.0.take() {
            words();
        }
    }
}

fn at_the_end_of_this_thread(words: impl FnOnce() + 'static) {
    LAST_WORDS.with(|last| last.borrow_mut().0 = Some(Box::new(words)));
}

/// Uses the pool in every way that waits, and returns whether all of it succeeded. A panic here
/// would end the process.
fn use_and_tell<P: Executor>(pool: &P, tell: &Sender<bool>) {
    let uses = || {
        let cheap = |_: &JobContext<'_>| Ok::<_, Infallible>(());
        pool.execute(cheap).expect(ROOM);
        assert_eq!(ended(pool.spawn(|| 7).expect(ROOM)).expect("it runs"), 7);
        // With one slot, the second of these finds the queue full, or the worker alternates with
        // this thread.
        let handles = [1, 2, 3].map(|n| pool.spawn(move || n).expect(ROOM));
        let sum: i32 = handles.map(|it| ended(it).expect("it runs")).iter().sum();
        assert_eq!(sum, 6);
    };
    let is_well = catch_unwind(AssertUnwindSafe(uses)).is_ok();
    // The rule waits for it, or has failed already.
    let _heard = tell.send(is_well);
}

pub(crate) fn r112(subject: Subject) -> Applied {
    if machine::is_simulated() {
        return Applied::NotHere(
            "a simulated thread has its last turn before its locals are dropped",
        );
    }
    let pool = pool(subject, 1, 1);
    for comes_first in [true, false] {
        threads_of_others(&pool, comes_first);
    }
    workers_of_its_own(subject, &pool);
    Applied::Held
}

/// Locals are dropped in the reverse order of their first use, so the pool's are either gone or
/// not.
fn threads_of_others(pool: &TestedPool, comes_first: bool) {
    let (tell, told) = mpsc::channel();
    let inner = pool.clone();
    let thread = thread::spawn(move || {
        let (later, telling) = (inner.clone(), tell.clone());
        let words = move || use_and_tell(&later, &telling);
        if comes_first {
            at_the_end_of_this_thread(words);
            use_and_tell(&inner, &tell);
        } else {
            use_and_tell(&inner, &tell);
            at_the_end_of_this_thread(words);
        }
    });
    for when in ["in its life", "at its end"] {
        let is_well = told.recv_timeout(PATIENCE).expect("the thread gets on");
        assert!(is_well, "a thread could not use the pool {when}");
    }
    thread.join().expect("it ends as it should");
}

/// Threads of another pool: as they end, their own pool is closed, and `open` is not.
fn workers_of_its_own(subject: Subject, open: &TestedPool) {
    if !subject.capability().owns_threads {
        return;
    }
    let mut config = PoolConfig::default();
    config.set_workers(1);
    config.set_capacity(4);
    let (tell, told) = mpsc::channel();
    let (other, telling) = (open.clone(), tell.clone());
    config.set_on_worker_start(move |_| {
        let (other, telling) = (other.clone(), telling.clone());
        at_the_end_of_this_thread(move || use_and_tell(&other, &telling));
    });
    let ending = subject
        .build(config)
        .expect("a plain configuration is accepted");
    let own = ending.clone();
    let job = move || {
        thread_local! {
            static LATER: RefCell<LastWords> = const { RefCell::new(LastWords(None)) };
        }
        let words = move || {
            let is_refused = catch_unwind(AssertUnwindSafe(|| own.spawn(|| ()).is_err()));
            // As in `use_and_tell`.
            let _heard = tell.send(is_refused.unwrap_or(false));
        };
        LATER.with(|later| later.borrow_mut().0 = Some(Box::new(words)));
    };
    ended(ending.spawn(job).expect(ROOM)).expect("it runs");
    let report = ending.shutdown(PATIENCE.into());
    assert!(report.is_clean(), "{report}");
    for what in ["its own pool refuses", "another accepts"] {
        let is_well = told
            .recv_timeout(PATIENCE)
            .expect("the worker's thread ends");
        assert!(is_well, "not as a worker's thread ends: {what}");
    }
}
