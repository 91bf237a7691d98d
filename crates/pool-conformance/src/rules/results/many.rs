//! R504: one function over many inputs, taken within a window, with outcomes in order or as they
//! come.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use pool_core::{Executor, ExecutorExt, JobContext, JobError, Map, MapUnordered, Shutdown};

use crate::probe::{Count, Gate, ROOM, ended, occupy, pool};
use crate::rule::Applied;
use crate::subject::Subject;

const WORKERS: usize = 2;
const CAPACITY: usize = 4;
const WINDOW: usize = WORKERS + CAPACITY;

pub(super) fn r504(subject: Subject) -> Applied {
    let two = pool(subject, WORKERS, CAPACITY);
    in_input_order(&two);
    as_they_complete(&two);
    each_its_own_outcome(&two);
    within_a_window(&two);
    a_drop_cancels(&two);
    inside_a_job(&pool(subject, 1, 2));
    beside_a_long_job(&two);
    after_a_close(&two);
    Applied::Held
}

/// The first input ends last.
fn in_input_order(pool: &impl Executor) {
    let done = Count::new();
    let square = move |input: usize| {
        if input == 0 {
            done.wait_for(WINDOW - 1);
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

/// Endless inputs that count each input taken.
fn endless(taken: &Count) -> impl Iterator<Item = usize> + use<> {
    let taken = taken.clone();
    (0..).inspect(move |_| _ = taken.add())
}

/// Maps endless inputs.
fn within_a_window(pool: &impl Executor) {
    fn gives_ten(taken: &Count, window: usize, outcomes: impl Iterator<Item = usize>) {
        let is_within = |given: usize| {
            let taken = taken.get();
            assert!(taken <= given + window, "{taken} inputs, {given} outcomes");
        };
        is_within(0);
        let ten = outcomes.enumerate().take(10);
        let ten: BTreeSet<usize> = ten
            .map(|(given, output)| {
                is_within(given + 1);
                output
            })
            .collect();
        assert_eq!(ten.len(), 10, "each outcome comes once");
    }
    let (taken, f) = (Count::new(), |input: usize| input);
    gives_ten(&taken, WINDOW, pool.map(endless(&taken), f).flatten());
    let taken = Count::new();
    let outcomes = pool.map_unordered(endless(&taken), f);
    gives_ten(&taken, WINDOW, outcomes.flatten());
    for window in [1, 3] {
        let taken = Count::new();
        let outcomes = Map::with_window(pool, window, endless(&taken), f);
        gives_ten(&taken, window, outcomes.flatten());
        let taken = Count::new();
        let outcomes = MapUnordered::with_window(pool, window, endless(&taken), f);
        gives_ten(&taken, window, outcomes.flatten());
    }
}

/// Running jobs go on; no other job starts, and no more inputs are taken.
fn a_drop_cancels(pool: &impl Executor) {
    for is_ordered in [true, false] {
        let (gate, started) = (Gate::new(), Count::new());
        let (pass, starts) = (gate.pass(), started.clone());
        let taken = Count::new();
        let wait = move |input: usize| {
            starts.add();
            pass.wait();
            input
        };
        let is_cancelled = |drop_map: &dyn Fn()| {
            started.wait_for(WORKERS);
            drop_map();
            let taken_by_then = taken.get();
            gate.open();
            pool.wait_idle();
            assert_eq!(started.get(), WORKERS, "what had not started is cancelled");
            assert_eq!(taken.get(), taken_by_then, "no input is taken after a drop");
        };
        if is_ordered {
            let map = std::cell::Cell::new(Some(pool.map(endless(&taken), wait)));
            is_cancelled(&|| drop(map.take()));
        } else {
            let map = std::cell::Cell::new(Some(pool.map_unordered(endless(&taken), wait)));
            is_cancelled(&|| drop(map.take()));
        }
    }
}

/// There is one worker, and it is the one that waits. The last input is taken long after the first
/// outcome.
fn inside_a_job(pool: &impl Executor) {
    const INPUTS: usize = 100;
    let job = |ctx: &JobContext<'_>| {
        let taken = Count::new();
        let counted = |taken: &Count| endless(taken).take(INPUTS);
        let first = ctx.executor().map(counted(&taken), |it| it).next();
        assert!(matches!(first, Some(Ok(0))));
        assert!(
            taken.get() < INPUTS / 2,
            "it takes inputs as they are needed"
        );
        let ordered: Vec<_> = ctx
            .executor()
            .map(counted(&taken), |it| it)
            .flatten()
            .collect();
        let taken = Count::new();
        let mut unordered = ctx.executor().map_unordered(counted(&taken), |it| it);
        let first = unordered.next().map(Result::ok);
        assert!(
            taken.get() < INPUTS / 2,
            "it takes inputs as they are needed"
        );
        let rest = unordered.map(Result::ok);
        let unordered: Option<BTreeSet<_>> = first.into_iter().chain(rest).collect();
        Ok::<_, Infallible>((ordered, unordered))
    };
    let (ordered, unordered) = ended(pool.submit(job).expect(ROOM)).expect("it cannot fail");
    assert_eq!(ordered, (0..INPUTS).collect::<Vec<_>>());
    assert_eq!(unordered, Some((0..INPUTS).collect()));
}

/// Inside a job, too, an outcome that is ready does not wait for an older job that runs elsewhere.
fn beside_a_long_job(pool: &impl Executor) {
    let gate = Gate::new();
    let (pass, started) = (gate.pass(), Count::new());
    let job = move |ctx: &JobContext<'_>| {
        let starts = started.clone();
        let mut all = ctx.executor().map_unordered(0..30, move |input: usize| {
            if input == 0 {
                starts.add();
                pass.wait();
            }
            input
        });
        started.wait_for(1);
        let others: Option<BTreeSet<_>> = all.by_ref().take(29).map(Result::ok).collect();
        gate.open();
        let last = all.next().map(Result::ok);
        Ok::<_, Infallible>((others, last, all.next().is_none()))
    };
    let (others, last, is_over) = ended(pool.submit(job).expect(ROOM)).expect("it cannot fail");
    assert_eq!(others, Some((1..30).collect()));
    assert_eq!((last, is_over), (Some(Some(0)), true));
}

/// Refused inputs are reported as such; nothing hangs, and endless inputs come to an end.
fn after_a_close(pool: &(impl Executor + Shutdown)) {
    let gate = occupy(pool, WORKERS);
    let mut ordered = pool.map(0..9, |input| input);
    let mut unordered = pool.map_unordered(0..9, |input| input);
    pool.close();
    gate.open();
    assert_eq!((ordered.len(), unordered.len()), (9, 9));
    let is_known = |outcome: &Result<_, _>| matches!(outcome, Ok(_) | Err(JobError::Abandoned));
    assert!(ordered.by_ref().all(|outcome| is_known(&outcome)));
    assert!(unordered.by_ref().all(|outcome| is_known(&outcome)));

    let is_abandoned = |outcome: &Result<_, _>| matches!(outcome, Err(JobError::Abandoned));
    let refused: Vec<_> = pool.map(0..3, |input| input).collect();
    assert!(refused.len() == 3 && refused.iter().all(is_abandoned));
    let refused: Vec<_> = pool.map_unordered(0..3, |input| input).collect();
    assert!(refused.len() == 3 && refused.iter().all(is_abandoned));
    let refused: Vec<_> = pool.map(0.., |input: usize| input).collect();
    assert!(refused.len() == 1 && refused.iter().all(is_abandoned));
    let refused: Vec<_> = pool.map_unordered(0.., |input: usize| input).collect();
    assert!(refused.len() == 1 && refused.iter().all(is_abandoned));
}
