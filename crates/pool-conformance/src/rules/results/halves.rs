//! R507: the second half of a job that splits is free to be taken until it starts, and a job that
//! waits for its half works on parts of it.

use std::convert::Infallible;

use pool_core::{Executor, ExecutorExt, JobContext};

use crate::probe::{Count, ROOM, ended, occupy, pool};
use crate::rule::Applied;
use crate::subject::Subject;

pub(super) fn r507(subject: Subject) -> Applied {
    a_worker_that_comes_later_takes_it(&pool(subject, 2, 8));
    a_joiner_takes_a_part_of_it(&pool(subject, 2, 8));
    Applied::Held
}

/// The other worker is busy while the job splits, and then nothing but the half is left for it.
fn a_worker_that_comes_later_takes_it(pool: &impl Executor) {
    let gate = occupy(pool, 1);
    let started = Count::new();
    let splits = move |ctx: &JobContext<'_>| {
        let ids = ctx.join(
            |ctx| {
                gate.open();
                started.wait_for(1);
                ctx.id()
            },
            |half| {
                started.add();
                half.id()
            },
        );
        Ok::<_, Infallible>(ids)
    };
    let ids = ended(pool.submit(splits).expect(ROOM));
    let (job, half) = ids.expect("it does not fail");
    assert_ne!(job, half, "a half that was taken is a job of its own");
}

/// One worker runs the half, so only the joiner's is left for the half of that.
fn a_joiner_takes_a_part_of_it(pool: &impl Executor) {
    let (started, part_started) = (Count::new(), Count::new());
    let splits = move |ctx: &JobContext<'_>| {
        let part = |part: &JobContext<'_>| {
            part_started.add();
            part.worker()
        };
        let half = |half: &JobContext<'_>| {
            started.add();
            half.join(|_| part_started.wait_for(1), part).1
        };
        let (own, of_part) = ctx.join(
            |ctx| {
                started.wait_for(1);
                ctx.worker()
            },
            half,
        );
        Ok::<_, Infallible>((own, of_part))
    };
    let workers = ended(pool.submit(splits).expect(ROOM));
    let (joiner, of_part) = workers.expect("it does not fail");
    assert_eq!(joiner, of_part, "nobody else was there");
}
