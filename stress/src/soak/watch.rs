//! The watchdog: reports a round that does not end, with its seed, its pool's state and its last
//! events.

use std::fmt::Write;
use std::process;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use pool::Pool;

use super::books::lock;
use super::world::Events;

/// A round takes some milliseconds.
const LIMIT: Duration = Duration::from_secs(60);

/// What the watchdog sees of the running round.
#[derive(Debug, Default)]
pub(super) struct Watched(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    round: u64,
    runs: Option<Round>,
    is_over: bool,
}

#[derive(Debug)]
struct Round {
    seed: u64,
    what: String,
    events: Arc<Events>,
    pool: Option<Pool>,
}

impl Watched {
    pub(super) fn begins(&self, seed: u64, events: &Arc<Events>, pool: &Pool, what: &str) {
        let mut state = lock(&self.0.0);
        state.round += 1;
        state.runs = Some(Round {
            seed,
            what: what.to_owned(),
            events: Arc::clone(events),
            pool: Some(pool.clone()),
        });
    }

    /// The watchdog's handle must not be the last.
    pub(super) fn forgets_the_pool(&self) {
        let pool = lock(&self.0.0).runs.as_mut().and_then(|it| it.pool.take());
        drop(pool);
    }

    pub(super) fn ends(&self) {
        let ended = lock(&self.0.0).runs.take();
        drop(ended);
    }

    /// Runs `act`, with a watchdog next to it.
    pub(super) fn while_watched<R>(&self, replay: &str, act: impl FnOnce() -> R) -> R {
        let shared = Arc::clone(&self.0);
        let replay = replay.to_owned();
        let dog = thread::spawn(move || watch(&shared, &replay));
        let result = act();
        lock(&self.0.0).is_over = true;
        self.0.1.notify_one();
        // The watchdog only reads.
        let _ended = dog.join();
        result
    }
}

fn watch(shared: &(Mutex<State>, Condvar), replay: &str) {
    let mut last = 0;
    let mut state = lock(&shared.0);
    while !state.is_over {
        let (now, waited) = shared
            .1
            .wait_timeout(state, LIMIT)
            .unwrap_or_else(PoisonError::into_inner);
        state = now;
        let is_stuck = waited.timed_out() && state.runs.is_some() && state.round == last;
        if let Some(round) = state.runs.as_ref().filter(|_| is_stuck) {
            let told = tell(round, replay);
            eprintln!("{told}");
            process::exit(1);
        }
        last = state.round;
    }
}

fn tell(round: &Round, replay: &str) -> String {
    let mut told = format!(
        "error: a round has not ended within {LIMIT:?}: {}\n  replay: {replay} --seed {}\n",
        round.what, round.seed
    );
    let _written = match &round.pool {
        Some(pool) => writeln!(told, "  the pool: {pool:?}"),
        None => writeln!(told, "  the pool has lost its last handle"),
    };
    let _written = write!(
        told,
        "  the last events:\n    {}",
        round.events.told().join("\n    ")
    );
    told
}
