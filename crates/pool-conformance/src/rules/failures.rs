//! Chapter 3: errors and panics are tracked, and the worker goes on.

use std::convert::Infallible;

use pool_core::{ExecutorExt, JobContext, JobError};

use crate::fixture::Fixture;
use crate::probe::pool;
use crate::rule::{Applied, Kind, Rule};

pub(crate) fn rules<F: Fixture>() -> Vec<Rule> {
    vec![Rule {
        id: "R301",
        title: "an error is the job's outcome, and the worker goes on",
        kind: Kind::Required,
        test: r301::<F>,
    }]
}

fn r301<F: Fixture>() -> Applied {
    let pool = pool::<F>(1, 4);
    let failing = pool
        .submit(|_: &JobContext<'_>| Err::<(), _>("no ink"))
        .expect("there is room");
    assert!(matches!(failing.join(), Err(JobError::Failed("no ink"))));
    let next = pool
        .submit(|_: &JobContext<'_>| Ok::<_, Infallible>(1))
        .expect("there is room");
    assert_eq!(next.join().expect("the worker goes on"), 1);
    Applied::Held
}
