//! Chapters 1 and 2, the workers themselves: their start, names, state and cost.

mod starting;

use std::convert::Infallible;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Duration;

use pool_core::backend::PoolConfig;
use pool_core::{
    BuildError, Executor, ExecutorExt, JobContext, MAX_WORKERS, MIN_STACK, Shutdown, ShutdownPolicy,
};

use crate::probe::{Alive, AliveValue, Count, Gate, Log, ended, meet, pool};
use crate::rule::Applied;
use crate::subject::{Subject, TestedPool};
use crate::thread::{self, ThreadId};
use crate::threads::{count, cpu_nanos, unique_prefix, wait_until_gone};

const WORKERS: usize = 3;

/// A configuration of `workers` with room for 64, on threads of this prefix.
fn config(workers: usize, prefix: &str) -> PoolConfig {
    let mut config = PoolConfig::default();
    config.set_workers(workers);
    config.set_capacity(64);
    config.set_thread_name(prefix);
    config
}

fn build(subject: Subject, config: PoolConfig) -> TestedPool {
    subject
        .build(config)
        .expect("a right configuration is accepted")
}

/// Checks that the build fails and leaves nothing behind.
fn refused(subject: Subject, mut config: PoolConfig, prefix: &str) -> BuildError {
    let alive = Alive::new();
    let value = alive.value();
    config.set_on_worker_start(move |_| {
        let _held = &value;
    });
    let Err(error) = subject.build(config) else {
        panic!("a wrong configuration was accepted");
    };
    wait_until_gone(prefix);
    assert_eq!(
        alive.count(),
        0,
        "a pool that was not built holds its hooks"
    );
    error
}

pub(crate) fn r109(subject: Subject) -> Applied {
    let prefix = unique_prefix();
    let error = refused(subject, config(0, &prefix), &prefix);
    assert!(matches!(error, BuildError::NoWorkers), "{error}");

    let mut no_room = config(WORKERS, &prefix);
    no_room.set_capacity(0);
    let error = refused(subject, no_room, &prefix);
    assert!(matches!(error, BuildError::ZeroCapacity), "{error}");

    let error = refused(subject, config(MAX_WORKERS + 1, &prefix), &prefix);
    assert!(
        matches!(error, BuildError::TooManyWorkers { .. }),
        "{error}"
    );

    let mut no_stack = config(WORKERS, &prefix);
    no_stack.set_stack_size(MIN_STACK - 1);
    let error = refused(subject, no_stack, &prefix);
    assert!(matches!(error, BuildError::StackTooSmall { .. }), "{error}");

    if subject.capability().owns_threads {
        // Two such stacks are as large as all the memory that a process can address.
        let mut too_large = config(WORKERS, &prefix);
        too_large.set_stack_size(1 << 46);
        refused(subject, too_large, &prefix);

        let error = refused(subject, config(WORKERS, &format!("{prefix}-\0")), &prefix);
        assert!(matches!(error, BuildError::ThreadName { .. }), "{error}");
        starting::a_start_that_fails_fails_the_build(subject);
    }
    Applied::Held
}

pub(crate) fn r201(subject: Subject) -> Applied {
    for _ in 0..thread::often(20) {
        let pool = pool(subject, WORKERS, WORKERS);
        assert_eq!(
            pool.stats().workers,
            WORKERS,
            "`build` returned before all workers were there"
        );
        meet(&pool, WORKERS);
    }
    if subject.capability().owns_threads {
        build_waits_for_the_last(subject);
    }
    Applied::Held
}

/// A worker that is slow to start delays `build`.
fn build_waits_for_the_last(subject: Subject) {
    let (gate, entered, built) = (Gate::new(), Count::new(), Count::new());
    let (pass, entering) = (gate.pass(), entered.clone());
    let mut config = config(WORKERS, &unique_prefix());
    config.set_on_worker_start(move |index| {
        entering.add();
        if index == WORKERS - 1 {
            pass.wait();
        }
    });
    thread::scope(|threads| {
        let builder = threads.spawn(|| {
            let pool = build(subject, config);
            built.add();
            pool
        });
        entered.wait_for(WORKERS);
        built.stays_below(1, Duration::from_millis(50));
        gate.open();
        builder.join().expect("the pool is built in the end");
    });
}

const MIB: usize = 1 << 20;

pub(crate) fn r207(subject: Subject) -> Applied {
    let prefix = unique_prefix();
    let mut config = config(WORKERS, &prefix);
    config.set_stack_size(8 * MIB);
    let pool = build(subject, config);
    let here = Count::new();
    let jobs = (0..WORKERS).map(|_| {
        let here = here.clone();
        move |ctx: &JobContext<'_>| {
            here.add();
            here.wait_for(WORKERS);
            dig(4 * MIB);
            let name = thread::current().name().map(str::to_owned);
            Ok::<_, Infallible>((ctx.worker(), name))
        }
    });
    let handles = pool.submit_all(jobs).expect("there is room");
    let mut names: Vec<_> = handles
        .into_iter()
        .map(|handle| ended(handle).expect("the stack is large enough"))
        .collect();
    names.sort();
    let expected: Vec<_> = (0..WORKERS)
        .map(|index| (index, Some(format!("{prefix}-{index}"))))
        .collect();
    assert_eq!(names, expected);
    assert!(
        count(&prefix).is_none_or(|threads| threads == WORKERS),
        "the system shows the names as well"
    );
    Applied::Held
}

/// Uses this many bytes of stack.
fn dig(bytes: usize) {
    fn below(start: usize, bytes: usize) {
        let block = [0_u8; 4096];
        let here = black_box(&block).as_ptr().addr();
        if start.abs_diff(here) < bytes {
            below(start, bytes);
        }
        black_box(&block);
    }
    let here = 0_u8;
    below(black_box(&raw const here).addr(), bytes);
}

/// The state of a worker. It cannot leave its thread.
struct Own {
    index: usize,
    thread: ThreadId,
    dropped: Log<(usize, ThreadId)>,
    _alive: AliveValue,
    _not_send: Rc<()>,
}

impl Drop for Own {
    fn drop(&mut self) {
        self.dropped.note((self.index, thread::current().id()));
    }
}

/// What the hooks of one pool saw: each entry is a worker and its thread.
#[derive(Clone, Default)]
struct Seen {
    started: Log<(usize, ThreadId)>,
    stopped: Log<(usize, ThreadId)>,
    dropped: Log<(usize, ThreadId)>,
    states: Alive,
}

impl Seen {
    fn observe(&self, config: &mut PoolConfig) {
        let seen = self.clone();
        config.set_on_worker_start(move |index| seen.start(index));
        let seen = self.clone();
        config.set_on_worker_stop(move |index| seen.stopped.note((index, thread::current().id())));
    }

    /// What a worker makes at its start.
    fn start(&self, index: usize) -> Own {
        let thread = thread::current().id();
        self.started.note((index, thread));
        Own {
            index,
            thread,
            dropped: self.dropped.clone(),
            _alive: self.states.value(),
            _not_send: Rc::new(()),
        }
    }
}

pub(crate) fn r208(subject: Subject) -> Applied {
    let seen = Seen::default();
    let mut config = config(WORKERS, &unique_prefix());
    seen.observe(&mut config);
    let pool = build(subject, config);
    assert_eq!(
        seen.states.count(),
        WORKERS,
        "each worker made its state before the first job"
    );
    let mut places = meet(&pool, WORKERS);
    let jobs = (0..20 * WORKERS).map(|_| every_job_sees_its_workers_state);
    for handle in pool.submit_all(jobs).expect("room appears") {
        ended(handle).expect("the state is there");
    }
    assert_eq!(
        seen.states.count(),
        WORKERS,
        "a state lives as long as its worker"
    );
    assert!(
        seen.stopped.take().is_empty(),
        "no worker stops before its pool"
    );

    pool.shutdown(ShutdownPolicy::drain());
    drop(pool);
    places.sort_by_key(|place| place.0);
    for (what, log) in [
        ("start", &seen.started),
        ("stop", &seen.stopped),
        ("drop of the state", &seen.dropped),
    ] {
        let mut saw = log.take();
        saw.sort_by_key(|place| place.0);
        assert_eq!(saw, places, "{what}: once for each worker, on it");
    }
    Applied::Held
}

fn every_job_sees_its_workers_state(ctx: &JobContext<'_>) -> Result<(), Infallible> {
    let own = ctx
        .state::<Own>()
        .expect("the state that `on_worker_start` made");
    assert_eq!(
        (own.index, own.thread),
        (ctx.worker(), thread::current().id())
    );
    assert!(
        ctx.state::<String>().is_none(),
        "there is no state of another type"
    );
    Ok(())
}

/// CPU time that an idle second may cost. Going to sleep is part of it.
const IDLE_NANOS: u64 = 1_000_000;

/// Turns that it may take in a simulation: as many as four workers need to fall asleep.
const IDLE_TURNS: u64 = 100;

/// Seconds within which an idle pool must have fallen asleep.
const IDLE_SECONDS: usize = 3;

pub(crate) fn r209(subject: Subject) -> Applied {
    if !subject.capability().owns_threads {
        return Applied::NotHere("its threads are another's, and what they do when idle is too");
    }
    let prefix = unique_prefix();
    let pool = build(subject, config(4, &prefix));
    for handle in pool
        .submit_all((0..100).map(|_| |_: &JobContext<'_>| Ok::<_, Infallible>(())))
        .expect("room appears")
    {
        ended(handle).expect("it completes");
    }
    pool.wait_idle();
    if let Some(before) = thread::turns() {
        // A simulated second costs no time, but a thread that is awake in it takes turns.
        Count::new().stays_below(1, Duration::from_secs(1));
        let turns = thread::turns().map_or(0, |turns| turns - before);
        assert!(turns < IDLE_TURNS, "an idle second took {turns} turns");
        return Applied::Held;
    }
    let Some(mut before) = cpu_nanos(&prefix) else {
        return Applied::NotHere("this system does not tell the CPU time of a thread");
    };
    // A worker looks a few times before it sleeps, and a busy machine spreads these looks over
    // seconds. So only one of several seconds must be idle.
    let is_idle = (0..IDLE_SECONDS).any(|_| {
        Count::new().stays_below(1, Duration::from_secs(1));
        let now = cpu_nanos(&prefix).expect("the system told it before");
        now - std::mem::replace(&mut before, now) < IDLE_NANOS
    });
    assert!(
        is_idle,
        "none of {IDLE_SECONDS} idle seconds cost less than {IDLE_NANOS} ns of CPU time"
    );
    meet(&pool, 4);
    Applied::Held
}
