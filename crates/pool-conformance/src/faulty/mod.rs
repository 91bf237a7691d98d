//! Executors that break one rule each: what the kit must catch.
//!
//! Some faults cannot be written: a job that runs twice, a body that runs past its deadline, a
//! report that does not balance. `pool-core` owns the life of a job and of a pool, and its public
//! items cannot express them. An executor decides where and when tasks run, and what it answers;
//! every flaw here is in one of these.

mod endings;
mod engine;
mod inspection;
mod intake;
mod ledger;
mod operating;
mod workers;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::BuildError;
use pool_core::backend::PoolConfig;

use self::engine::{Flaw, FlawedPool};
use crate::fixture::Fixture;
use crate::rule::{Rule, Verdict};
use crate::rules;

/// Time for a rule against an executor that may hang by design.
const SHORT_LIMIT: Duration = Duration::from_secs(5);

/// Time for a rule against the executor that should pass it.
const LONG_LIMIT: Duration = Duration::from_secs(60);

/// Every faulty executor.
pub fn all() -> Vec<Faulty> {
    [
        intake::all(),
        workers::all(),
        ledger::all(),
        endings::all(),
        inspection::all(),
        operating::all(),
    ]
    .concat()
}

/// The same executor without a flaw, against every rule that [`all`] relies on. It shows that the
/// rules catch the flaws and nothing else.
pub fn control() -> Faulty {
    let mut rules: Vec<_> = all()
        .iter()
        .flat_map(|faulty| faulty.rules.clone())
        .collect();
    rules.sort_unstable_by_key(|id| (id.len(), *id)); // in the order of their numbers
    rules.dedup();
    Faulty {
        name: "control",
        breaks: "nothing",
        rules,
        limit: LONG_LIMIT,
        make: || Arc::new(Nothing),
    }
}

/// An executor with a flaw, and the rules that must notice.
#[derive(Debug, Clone)]
pub struct Faulty {
    /// What it is called.
    pub name: &'static str,
    /// What it does wrong.
    pub breaks: &'static str,
    /// The ids of the rules that must fail against it.
    pub rules: Vec<&'static str>,
    limit: Duration,
    make: Make,
}

/// What the kit found in a faulty executor.
#[derive(Debug, Clone)]
pub struct Caught {
    /// Each rule that must have failed, and its verdict.
    pub verdicts: Vec<(Rule, Verdict)>,
}

impl Faulty {
    fn new(name: &'static str, breaks: &'static str, rules: &[&'static str], make: Make) -> Self {
        Self {
            name,
            breaks,
            rules: rules.to_vec(),
            limit: SHORT_LIMIT,
            make,
        }
    }

    /// Runs the rules that must fail, one executor at a time in this process.
    pub fn catch(&self) -> Caught {
        let limit = self.limit;
        Caught {
            verdicts: self.with_each_rule(|rule| rule.run_within::<Flawed>(limit)),
        }
    }

    /// Calls `run` with each rule that must fail, which [`Faulty::run_here`] runs against this
    /// executor until `run` returns; one executor at a time in this process.
    pub fn with_each_rule<V>(&self, mut run: impl FnMut(Rule) -> V) -> Vec<(Rule, V)> {
        let _one_at_a_time = CATCHING.lock().unwrap_or_else(PoisonError::into_inner);
        *FLAW.lock().unwrap_or_else(PoisonError::into_inner) = self.make;
        let is_relied_on = |rule: &Rule| self.rules.contains(&rule.id);
        let rules = rules::all().into_iter().filter(is_relied_on);
        rules.map(|rule| (rule, run(rule))).collect()
    }

    /// Runs a rule on the calling thread against the executor that
    /// [`with_each_rule`](Self::with_each_rule) has chosen.
    pub fn run_here(rule: &Rule) -> Verdict {
        rule.run_here::<Flawed>()
    }
}

impl Caught {
    /// The ids of the rules that failed.
    pub fn by(&self) -> Vec<&'static str> {
        let failed = |(rule, verdict): &(Rule, Verdict)| {
            matches!(verdict, Verdict::Failed(_)).then_some(rule.id)
        };
        self.verdicts.iter().filter_map(failed).collect()
    }
}

/// Makes the flaw of one pool.
type Make = fn() -> Arc<dyn Flaw>;

/// The flaw of the pools that are built now.
///
/// One fixture stands for all faulty executors, and reads here which one it is.
static FLAW: Mutex<Make> = Mutex::new(|| Arc::new(Nothing));

/// Held while an executor is being caught.
static CATCHING: Mutex<()> = Mutex::new(());

struct Flawed;

impl Fixture for Flawed {
    type Pool = FlawedPool;

    fn build(config: PoolConfig) -> Result<FlawedPool, BuildError> {
        let flaw = FLAW.lock().unwrap_or_else(PoisonError::into_inner)();
        let pool = flaw.build(config, Arc::clone(&flaw))?;
        Ok(FlawedPool { pool, flaw })
    }

    fn swap(pool: &FlawedPool) -> Option<Result<(), BuildError>> {
        pool.flaw.swap(&pool.pool)
    }

    fn reconfigure(
        pool: &FlawedPool,
        _change: &mut dyn FnMut(&mut PoolConfig),
    ) -> Option<Result<(), BuildError>> {
        pool.flaw.reconfigure(&pool.pool)
    }

    fn pause(pool: &FlawedPool) -> bool {
        pool.flaw.pause(&pool.pool);
        true
    }

    fn resume(pool: &FlawedPool) {
        pool.flaw.resume(&pool.pool);
    }
}

/// No flaw.
struct Nothing;

impl Flaw for Nothing {}
