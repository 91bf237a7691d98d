//! R504: one function over many inputs, in order or as they come.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use pool_core::{Executor, ExecutorExt, JobContext, JobError, Shutdown};

use crate::fixture::Fixture;
use crate::probe::{Count, Gate, ROOM, ended, pool};
use crate::rule::Applied;

pub(super) fn r504<F: Fixture>() -> Applied {
    let two = pool::<F>(2, 4);
    in_input_order(&two);
    as_they_complete(&two);
    each_its_own_outcome(&two);
    inside_a_job(&pool::<F>(1, 2));
    two.close();
    let refused: Vec<_> = two.map(0..3, |input| input).collect();
    let is_abandoned = |outcome: &Result<_, _>| matches!(outcome, Err(JobError::Abandoned));
    assert!(refused.len() == 3 && refused.iter().all(is_abandoned));
    let refused: Vec<_> = two.map_unordered(0..3, |input| input).collect();
    assert!(refused.len() == 3 && refused.iter().all(is_abandoned));
    Applied::Held
}

/// The first input ends last.
fn in_input_order(pool: &impl Executor) {
    let done = Count::new();
    let square = move |input: usize| {
        if input == 0 {
            done.wait_for(29);
        }
        done.add();
        input * input
    };
    let outcomes = pool.map(0..30, square);
    assert_eq!(outcomes.len(), 30);
    let squares: Result<Vec<_>, _> = outcomes.collect();
    let expected: Vec<_> = (0..30).map(|input| input * input).collect();
    assert_eq!(squares.expect("every input completes"), expected);
    assert_eq!(pool.map(0..0, |input: usize| input).count(), 0);
}

fn as_they_complete(pool: &impl Executor) {
    let gates: Arc<Vec<Gate>> = Arc::new((0..2).map(|_| Gate::new()).collect());
    let held = Arc::clone(&gates);
    let wait = move |input: usize| {
        if let Some(gate) = held.get(input) {
            gate.pass().wait();
        }
        input
    };
    let mut both = pool.map_unordered(0..2, wait.clone());
    for released in [1, 0] {
        gates[released].open();
        let outcome = both.next().expect("one is to come");
        assert_eq!(outcome.expect("it completes"), released);
    }
    assert!(both.next().is_none());

    let gate = Gate::new();
    let pass = gate.pass();
    let mut all = pool.map_unordered(0..30, move |input: usize| {
        if input == 0 {
            pass.wait();
        }
        input
    });
    let others: Result<BTreeSet<_>, _> = all.by_ref().take(29).collect();
    assert_eq!(others.expect("they complete"), (1..30).collect());
    gate.open();
    assert!(matches!(all.next(), Some(Ok(0))));
    assert!(all.next().is_none());
}

fn each_its_own_outcome(pool: &impl Executor) {
    let odd_panics = |input: usize| {
        assert!(input % 2 != 1, "odd");
        input
    };
    for (input, outcome) in pool.map(0..6, odd_panics).enumerate() {
        match outcome {
            Ok(output) => assert!(input % 2 != 1 && output == input),
            Err(error) => assert!(input % 2 == 1 && matches!(error, JobError::Panicked(_))),
        }
    }
    let completed = pool.map_unordered(0..6, odd_panics).filter(Result::is_ok);
    assert_eq!(completed.count(), 3);
}

/// With one worker, which is the one that waits.
fn inside_a_job(pool: &impl Executor) {
    let job = |ctx: &JobContext<'_>| {
        let ordered: Vec<_> = ctx.executor().map(0..20, |input| input).flatten().collect();
        let unordered = ctx.executor().map_unordered(0..20, |input| input);
        let unordered: BTreeSet<_> = unordered.flatten().collect();
        Ok::<_, Infallible>((ordered, unordered))
    };
    let (ordered, unordered) = ended(pool.submit(job).expect(ROOM)).expect("it cannot fail");
    assert_eq!(ordered, (0..20).collect::<Vec<_>>());
    assert_eq!(unordered, (0..20).collect());
}
