//! Any sequence of operations on two pools, on every backend, gives what a plain sequential model
//! of each says. The two pools share a token.

mod model;
mod pair;

use pool::{Backend, CancelToken};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use model::{Carries, Ends};
use pair::Pair;

/// Sequences for each backend: a few seconds in all.
const CASES: u32 = 96;
const MAX_OPERATIONS: usize = 60;
const POOLS: usize = 2;
/// How long to shrink a failing sequence: one that hangs waits for its limit each time.
const SHRINK_MILLIS: u32 = 30_000;
/// The seed of a run to repeat, as a number.
const SEED: &str = "POOL_PROPERTY_SEED";

/// One step of a user. Indices are taken modulo the number of items.
#[derive(Debug, Clone)]
enum Operation {
    TrySubmit(Ends, Carries),
    /// Waits for room, so it is a step only if there is room or the pool has closed.
    Submit(Ends),
    Cancel(usize),
    LetGo(usize),
    Swap(usize),
    Close,
    /// Asks the jobs of both pools that carry the token to stop. Later ones carry another one.
    CancelToken,
}

#[derive(Debug, Clone, Copy)]
enum Ending {
    Drains,
    GivesBackAndDrops,
    GivesBackAndRunsElsewhere,
}

/// What happens to the jobs that were handed back.
#[derive(Debug, Clone, Copy)]
enum Becomes {
    Abandoned,
    Run,
}

#[derive(Debug, Clone)]
struct Case {
    workers: usize,
    capacity: usize,
    /// Each with the pool that it is for.
    operations: Vec<(usize, Operation)>,
    ending: Ending,
}

fn ends() -> impl Strategy<Value = Ends> {
    prop_oneof![
        3 => Just(Ends::Completes),
        1 => Just(Ends::Fails),
        1 => Just(Ends::Panics),
        2 => Just(Ends::Heeds),
    ]
}

fn carries() -> impl Strategy<Value = Carries> {
    prop_oneof![
        4 => Just(Carries::Nothing),
        2 => Just(Carries::Token),
        1 => Just(Carries::PastDeadline),
    ]
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        8 => (ends(), carries()).prop_map(|(ends, carries)| Operation::TrySubmit(ends, carries)),
        4 => ends().prop_map(Operation::Submit),
        4 => any::<usize>().prop_map(Operation::Cancel),
        6 => any::<usize>().prop_map(Operation::LetGo),
        1 => any::<usize>().prop_map(Operation::Swap),
        1 => Just(Operation::Close),
        2 => Just(Operation::CancelToken),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let ending = prop_oneof![
        Just(Ending::Drains),
        Just(Ending::GivesBackAndDrops),
        Just(Ending::GivesBackAndRunsElsewhere),
    ];
    let parts = (
        1..3_usize,
        1..5_usize,
        vec((0..POOLS, operation()), 1..MAX_OPERATIONS),
        ending,
    );
    parts.prop_map(|(workers, capacity, operations, ending)| Case {
        workers,
        capacity,
        operations,
        ending,
    })
}

/// Runs the cases of a seed, which a failure reports.
fn holds_on(backend: Backend) {
    if !backend.is_available() {
        return;
    }
    let given = std::env::var(SEED).ok();
    let seed = given.map_or_else(rand_seed, |text| text.parse().expect("a seed is a number"));
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_time: SHRINK_MILLIS,
        ..Config::default()
    };
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let checked = TestRunner::new_with_rng(config, rng).run(&case(), |case| {
        let mut pools = [(); POOLS].map(|()| Pair::new(backend, &case));
        let mut token = CancelToken::new();
        for (pool, operation) in &case.operations {
            if matches!(operation, Operation::CancelToken) {
                token.cancel();
                pools.iter_mut().for_each(Pair::token_was_cancelled);
                token = CancelToken::new();
            } else {
                pools[*pool].apply(operation, &token);
            }
        }
        pools.into_iter().for_each(|pool| pool.end(case.ending));
        Ok(())
    });
    if let Err(failed) = checked {
        panic!("on {backend}, with {SEED}={seed}: {failed}");
    }
}

fn rand_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(())
}

#[test]
fn a_channel_pool_does_what_its_model_says() {
    holds_on(Backend::Channel);
}

#[test]
fn a_work_stealing_pool_does_what_its_model_says() {
    holds_on(Backend::WorkStealing);
}

#[test]
fn a_rayon_pool_does_what_its_model_says() {
    holds_on(Backend::Rayon);
}

#[test]
fn an_async_pool_does_what_its_model_says() {
    holds_on(Backend::Async);
}
