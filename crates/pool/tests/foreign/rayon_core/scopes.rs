//! Scopes: empty, deep, over several pools at once, and with panics at each level.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;

use pool::{Executor, ExecutorExt, JobContext, Pool, Scope, ScopeError};
use pool_conformance::probe::{PATIENCE, ended};

use crate::each::{ROOM, ends_clean, job, on_each_backend, pool};

#[test]
fn a_scope_without_jobs_gives_its_value() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 4);
        assert!(matches!(pool.scope(|_| 22), Ok(22)));
        assert_eq!(ends_clean(&pool).accepted(), 0);
    });
}

/// Counts itself, and adds itself twice, to the same scope.
fn divide<'scope, E: Executor + ?Sized>(
    scope: &'scope Scope<'scope, '_, E>,
    counter: &'scope AtomicUsize,
    size: usize,
) {
    if size > 1 {
        for half in [size / 2, size - size / 2] {
            scope
                .spawn(move || divide(scope, counter, half))
                .expect("the pool is open");
        }
    } else {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn jobs_of_a_scope_add_jobs_to_it_from_any_depth() {
    on_each_backend(|backend| {
        for workers in 1..=2 {
            let pool = pool(backend, workers, 16);
            let counter = AtomicUsize::new(0);
            let scope = pool.scope(|scope| divide(scope, &counter, 1024));
            assert!(scope.is_ok(), "{scope:?}");
            assert_eq!(counter.into_inner(), 1024);
            ends_clean(&pool);
        }
    });
}

/// A tree of numbers, in which each part belongs to one job.
struct Tree {
    value: u32,
    children: Vec<Tree>,
}

impl Tree {
    fn new(depth: u32) -> Self {
        let children = (0..if depth == 0 { 0 } else { 3 }).map(|_| Self::new(depth - 1));
        Self {
            value: depth,
            children: children.collect(),
        }
    }

    fn sum(&self) -> u32 {
        self.value + self.children.iter().map(Self::sum).sum::<u32>()
    }

    fn size(&self) -> u32 {
        1 + self.children.iter().map(Self::size).sum::<u32>()
    }

    fn add_one<'scope, E: Executor + ?Sized>(
        &'scope mut self,
        scope: &'scope Scope<'scope, '_, E>,
    ) {
        self.value += 1;
        for child in &mut self.children {
            scope
                .spawn(move || child.add_one(scope))
                .expect("the pool is open");
        }
    }
}

#[test]
fn jobs_of_a_scope_change_what_they_borrow() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 16);
        let mut tree = Tree::new(5);
        let (before, size) = (tree.sum(), tree.size());
        pool.scope(|scope| tree.add_one(scope))
            .expect("no job panics");
        assert_eq!(tree.sum(), before + size);
        ends_clean(&pool);
    });
}

/// How far below the first job's frame each job's lies.
#[test]
fn jobs_of_a_scope_do_not_pile_up_on_the_stack() {
    const JOBS: usize = 500;
    on_each_backend(|backend| {
        let pool = pool(backend, 1, JOBS);
        let joins = |ctx: &JobContext<'_>| {
            let places = std::sync::Mutex::new(Vec::new());
            let scope = ctx.executor().scope(|scope| {
                for _ in 0..JOBS {
                    let note = || {
                        let here = 0_u8;
                        let address = std::hint::black_box(&raw const here).addr();
                        places.lock().expect("no job panics").push(address);
                    };
                    scope.spawn(note).expect("the pool is open");
                }
            });
            assert!(scope.is_ok(), "{scope:?}");
            let places = places.into_inner().expect("no job panics");
            let (low, high) = (places.iter().min(), places.iter().max());
            (
                places.len(),
                high.expect("there are some") - low.expect("there are some"),
            )
        };
        let (ran, spread) = ended(pool.submit(job(joins)).expect(ROOM)).expect("it completes");
        assert_eq!(ran, JOBS);
        assert!(
            spread < 64 * 1024,
            "{JOBS} jobs use {spread} bytes of stack"
        );
        ends_clean(&pool);
    });
}

/// Jobs next to the one that panics.
const OTHERS: usize = 4;

/// Where a panic of these tests is thrown.
#[derive(Debug, Clone, Copy, PartialEq)]
enum At {
    Closure,
    Job,
    NestedJob,
    NestedScope,
}

#[test]
fn a_panic_anywhere_in_a_scope_comes_out_after_the_others_have_run() {
    on_each_backend(|backend| {
        let pool = pool(backend, 2, 16);
        for at in [At::Closure, At::Job, At::NestedJob, At::NestedScope] {
            for is_first in [true, false] {
                comes_out(&pool, at, is_first);
            }
        }
        ends_clean(&pool);
    });
}

fn throw() {
    resume_unwind(Box::new("as planned"));
}

fn add_others<'scope>(scope: &'scope Scope<'scope, '_, Pool>, ran: &'scope AtomicUsize) {
    for _ in 0..OTHERS {
        let add = || {
            ran.fetch_add(1, Ordering::SeqCst);
        };
        scope.spawn(add).expect(ROOM);
    }
}

fn comes_out(pool: &Pool, at: At, is_first: bool) {
    let ran = AtomicUsize::new(0);
    let scoped = || {
        pool.scope(|scope| {
            if !is_first {
                add_others(scope, &ran);
            }
            match at {
                At::Closure => {}
                At::Job => scope.spawn(throw).expect(ROOM),
                At::NestedJob => {
                    let nested = || scope.spawn(throw).expect(ROOM);
                    scope.spawn(nested).expect(ROOM);
                }
                At::NestedScope => {
                    let nested = || {
                        let nested = pool.scope(|scope| scope.spawn(throw).expect(ROOM));
                        assert!(matches!(nested, Err(ScopeError::Panicked(_))), "{nested:?}");
                        throw();
                    };
                    scope.spawn(nested).expect(ROOM);
                }
            }
            if is_first {
                add_others(scope, &ran);
            }
            if at == At::Closure {
                throw();
            }
        })
    };
    let message = match catch_unwind(AssertUnwindSafe(scoped)) {
        Err(payload) => {
            assert_eq!(at, At::Closure, "the closure did not panic");
            payload
                .downcast_ref::<&str>()
                .map(|text| (*text).to_owned())
        }
        Ok(Err(ScopeError::Panicked(info))) => Some(info.message().to_owned()),
        Ok(other) => panic!("{at:?}: {other:?}"),
    };
    assert_eq!(message.as_deref(), Some("as planned"), "{at:?}");
    assert_eq!(ran.into_inner(), OTHERS, "{at:?}, first: {is_first}");
}

/// Scopes of ten pools within each other; the innermost adds a job to each.
fn nest<'env>(pools: &'env [Pool], depth: usize, counter: &'env AtomicUsize) {
    let Some((pool, rest)) = pools.split_first() else {
        return;
    };
    let scope = pool.scope(|scope| {
        nest(rest, depth + 1, counter);
        let add = || {
            counter.fetch_add(depth, Ordering::Relaxed);
        };
        scope.spawn(add).expect(ROOM);
    });
    scope.expect("no job panics");
}

#[test]
fn scopes_of_many_pools_nest() {
    const POOLS: usize = 10;
    on_each_backend(|backend| {
        let pools: Vec<Pool> = (0..POOLS).map(|_| pool(backend, 1, 2)).collect();
        let counter = AtomicUsize::new(0);
        nest(&pools, 1, &counter);
        assert_eq!(counter.into_inner(), POOLS * (POOLS + 1) / 2);
        pools.iter().for_each(|pool| drop(ends_clean(pool)));
    });
}

/// The scope's closure waits for the scope's job. The closure is not on the only worker, which is
/// free for the job.
#[test]
fn the_closure_of_a_scope_may_wait_for_the_scopes_job() {
    on_each_backend(|backend| {
        let pool = pool(backend, 1, 2);
        let (tell, told) = mpsc::channel();
        let scope = pool.scope(|scope| {
            let tells = move || tell.send(22).expect("the closure listens");
            scope.spawn(tells).expect(ROOM);
            told.recv_timeout(PATIENCE).expect("the job runs meanwhile")
        });
        assert!(matches!(scope, Ok(22)), "{scope:?}");
        ends_clean(&pool);
    });
}
