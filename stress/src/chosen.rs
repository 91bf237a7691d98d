//! `Chosen`: the kit's fixture for whichever backend is chosen at the moment.
//!
//! The backend is a value, since an option names it. So rules run one after the other here.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pool::backend::PoolConfig;
use pool::{Backend, BuildError, Pool};
use pool_conformance::{Fixture, Rule, Verdict};

/// What the next pool is built for.
#[derive(Clone, Copy)]
struct Choice {
    backend: Backend,
    /// Swaps stay with the backends whose threads a simulator runs.
    is_simulated: bool,
}

static CHOICE: Mutex<Choice> = Mutex::new(Choice {
    backend: Backend::Channel,
    is_simulated: false,
});

fn choice() -> MutexGuard<'static, Choice> {
    CHOICE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Chooses the backend for rules that run as on any machine.
pub(crate) fn choose(backend: Backend) {
    *choice() = Choice {
        backend,
        is_simulated: false,
    };
}

/// Chooses the backend for rules that run in simulations.
pub(crate) fn choose_simulated(backend: Backend) {
    *choice() = Choice {
        backend,
        is_simulated: true,
    };
}

/// Runs a rule on the chosen backend.
pub(crate) fn run(rule: &Rule) -> Verdict {
    rule.run::<Chosen>()
}

/// Runs a rule on the chosen backend, on the calling thread.
pub(crate) fn run_here(rule: &Rule) -> Verdict {
    rule.run_here::<Chosen>()
}

struct Chosen;

impl Fixture for Chosen {
    type Pool = Pool;

    fn build(config: PoolConfig) -> Result<Pool, BuildError> {
        let backend = choice().backend;
        Pool::builder().config(config).backend(backend).build()
    }

    fn swap(pool: &Pool) -> Option<Result<(), BuildError>> {
        let is_simulated = choice().is_simulated;
        let other = match pool.backend() {
            Backend::Channel => Backend::WorkStealing,
            _ if is_simulated && pool.backend() != Backend::Sim => Backend::Sim,
            Backend::WorkStealing => Backend::Rayon,
            Backend::Rayon => Backend::Async,
            _ => Backend::Channel,
        };
        Some(pool.swap(other))
    }

    fn reconfigure(
        pool: &Pool,
        change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>> {
        Some(pool.reconfigure(change))
    }

    fn pause(pool: &Pool) -> bool {
        pool.pause();
        true
    }

    fn resume(pool: &Pool) {
        pool.resume();
    }
}
