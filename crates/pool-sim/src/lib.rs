//! Worker pools under schedules drawn from a seed, with virtual time: finds ordering bugs, and
//! replays them.
//!
//! # When to use it
//! In tests of code that gives jobs to a pool. A test that passes a thousand times on a quiet
//! machine has seen a few orders of events; here it sees one for each seed, and a failure prints
//! the seed that brings it back. Nothing waits in real time: an hour's deadline passes at once.
//!
//! ```
//! use pool_sim::SimPool;
//! use std::time::Duration;
//!
//! pool_sim::check(0..100, |sim| {
//!     let pool = SimPool::builder().workers(2).queue_capacity(8).build().expect("two workers can be had");
//!     let slow = pool.spawn(|| pool_sim::sleep(Duration::from_secs(3600))).unwrap();
//!     let slow = slow.join_timeout(Duration::from_secs(60)).unwrap_err();
//!     slow.join().unwrap();
//!     assert!(sim.elapsed() >= Duration::from_secs(3600)); // and took no time
//!     assert!(pool.shutdown(Duration::from_secs(1)).is_clean());
//! });
//! ```
//!
//! Say how many workers the pool has: by default it is as many as the machine has cores, and the
//! schedule of a seed then depends on the machine.
//!
//! With the crate `pool` it is the feature `sim`: this crate is `pool::sim`, and
//! `Pool::builder().backend(Backend::Sim)` is a pool in the simulation.
//!
//! # What is simulated
//! The machine, not the pool. A simulated thread is a thread of the system with its own stack and
//! its own locals; but only one of a simulation's threads runs at any moment, and whose **turn** is
//! next is drawn from the seed. It hands the turn over where it comes to a **point**, where it
//! blocks, and where it ends. The pool is the real one: its cells, ledger, lifecycle, idle
//! protocol, room and shutdown are those of every backend, and wait, read the clock and start
//! threads through one abstraction layer in pool-core, behind which the simulator stands. So the
//! backends that have their own threads run in a simulation as they are; [`SimPool`] is one more,
//! whose workers take *any* queued job, as the seed says, or the oldest with [`Simulation::fifo`].
//!
//! The clock is virtual. Each turn takes a microsecond; if nobody can go on, the clock jumps to the
//! next limit that somebody waits for; and where threads do only ask whether it is time yet, it
//! goes faster and faster.
//!
//! # Where a schedule may switch
//! Before and after each push into a queue, and at each refusal; before a worker looks for a job
//! and after it took one; where a job's code begins, at each poll of a future, and where a job is
//! done; before and after a worker that found nothing announces its sleep; where a pool is closed,
//! cancelled and stopped; at `join`, `cancel`, `is_finished` and `check`; at every wait, every lock
//! of the pool's that somebody else holds, every start and end of a thread; and where the code says
//! [`thread::yield_now`]. A wake is no switch: it is given where locks may be held; the woken one
//! goes on later.
//!
//! # What is not explored
//! - Between two points a thread runs alone. Races of plain memory accesses, and whatever a weaker
//!   memory order allows, are the model checkers' part (`cargo xtask loom` has the protocols); a
//!   schedule here is always sequentially consistent.
//! - Points are those above: a job that shares state by atomics of its own is preempted at them
//!   alone, and at its own calls of [`thread::yield_now`].
//! - A walk takes few of the schedules there are. A pass is evidence, not proof; more seeds explore
//!   more schedules.
//! - `async` and `rayon` run on threads of other libraries, which no simulator knows: they cannot
//!   be built in one.
//!
//! # A job that blocks outside of what the simulator knows
//! A lock of `std`, a channel, a system call: while it waits, it has the turn, and nobody else
//! runs. If what it waits for comes from outside, all is well, except that the simulation is no
//! longer repeatable. If it waits for another thread of the simulation, nothing moves, and after 20
//! seconds of real time ([`Simulation::patience`]) the simulation fails and says so, with the last
//! events: the last thread named there is the one. So hold no lock across a call of the pool's that
//! another thread may want meanwhile, or take it by [`lock`]; and wait through a handle,
//! [`thread::scope`] or [`sleep`], not through a channel. What the code under test reads of the
//! system's clock, of addresses, of a hash map's order or of random numbers is not the seed's, and
//! the trace then differs.
//!
//! # How it ends
//! With what the test returned; or with a [`Failure`]: the test panicked, nobody could go on (a
//! deadlock: the failure says which thread waits for what), no end was found within
//! [`Simulation::most_steps`], or nothing moved. Threads that a failure leaves behind stay parked
//! until the process ends.
//!
//! # Guarantees
//! The same schedule, program and build give the same trace, byte for byte: for every rule of the
//! contract the tests run each schedule twice and compare. All rules of the contract but `R112`
//! (what a thread does as its locals are dropped, after its last turn) hold under it (`cargo xtask
//! sim`); the kit's faulty executors are each found within ten seeds.
//!
//! # Why threads that take turns
//! Workers that are mere indices on one stack would be simpler, and could not return out of order:
//! a job that waits for another would have to run it within itself, which is one order of many.
//! Coroutines would switch faster, but share their thread's locals: the current worker, a user's
//! own, whether it panics. A turn that is handed over costs some microseconds; most points hand
//! nothing over, so a rule of the contract takes about a millisecond.
//!
//! After shuttle and loom, which replace the primitives of the code under test; madsim and tokio's
//! paused clock, for the time; and PCT, for the priorities ([`Schedule`]).
#![forbid(unsafe_code)]

mod check;
mod engine;
mod random;
mod schedule;
mod sim;
mod simulation;
mod state;
mod trace;
mod waits;
mod world;

pub use check::check;
pub use engine::SimEngine;
pub use schedule::{ParseScheduleError, Schedule};
pub use sim::Sim;
pub use simulation::{Failure, Ran, Simulation, VARIABLE};
pub use trace::Trace;

use pool_core::machine;

pub use pool_core::machine::lock;

/// Workers of a simulation, on a queue that they take from as the seed says.
///
/// Built outside of a simulation, it is an error that says so.
///
/// It keeps every rule that the other backends keep. Its workers are threads of the simulation;
/// give their number, or a seed means different things on different machines.
///
/// # Examples
///
/// ```
/// use pool_core::ExecutorExt;
/// use pool_sim::{SimPool, Simulation};
///
/// assert!(SimPool::builder().workers(2).build().is_err()); // no simulation here
///
/// let ran = Simulation::new(7).try_run(|_sim| {
///     let pool = SimPool::builder().workers(2).build().expect("two workers can be had");
///     pool.spawn(|| 6 * 7).unwrap().join().unwrap()
/// })?;
/// assert_eq!(ran.value, 42);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type SimPool = pool_core::backend::WorkerPool<SimEngine>;

/// Threads of the system, which take turns where a simulation runs the one that starts them.
pub mod thread {
    pub use pool_core::machine::{JoinHandle, Scope, ScopedJoinHandle, scope, spawn, yield_now};
}

/// Blocks the calling thread until `time` has passed: of the simulation's, where one runs it.
///
/// In a simulation it costs no real time: if nobody else can go on, the clock jumps. Outside of one
/// it blocks as `std::thread::sleep` does.
///
/// # Examples
///
/// ```
/// use pool_sim::Simulation;
/// use std::time::Duration;
///
/// let ran = Simulation::new(7).try_run(|sim| {
///     pool_sim::sleep(Duration::from_secs(3600));
///     sim.elapsed()
/// })?;
/// assert!(ran.value >= Duration::from_secs(3600));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn sleep(time: std::time::Duration) {
    let until = machine::now().checked_add(time);
    while until.is_none_or(|until| machine::now() < until) {
        machine::park(until);
    }
}
