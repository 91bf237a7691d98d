//! The list of names is the list of rules.

use std::future::Future;
use std::pin::Pin;

use pool_core::backend::PoolConfig;
use pool_core::{
    BuildError, Capability, Executor, Pools, Refused, Room, Shutdown, ShutdownPolicy,
    ShutdownReport, Stats, Task,
};

use super::all;
use crate::fixture::Fixture;
use crate::rule::Rule;

/// A fixture that is only named, never built.
struct Unbuilt;

#[derive(Clone, Copy)]
enum NoPool {}

impl Fixture for Unbuilt {
    type Pool = NoPool;

    fn build(_config: PoolConfig) -> Result<NoPool, BuildError> {
        Err(BuildError::Closed)
    }
}

impl Executor for NoPool {
    fn try_accept(&self, _task: Task) -> Result<(), Refused<Task>> {
        match *self {}
    }

    fn room(&self) -> &Room {
        match *self {}
    }

    fn capability(&self) -> Capability {
        match *self {}
    }

    fn stats(&self) -> Stats {
        match *self {}
    }

    fn pools(&self) -> Pools {
        Pools::none()
    }

    fn is_closed(&self) -> bool {
        match *self {}
    }
}

impl Shutdown for NoPool {
    fn close(&self) {
        match *self {}
    }

    fn shutdown(&self, _policy: ShutdownPolicy) -> ShutdownReport {
        match *self {}
    }

    fn shutdown_async<'s, 'f>(
        &'s self,
        _policy: ShutdownPolicy,
    ) -> Pin<Box<dyn Future<Output = ShutdownReport> + Send + 'f>>
    where
        's: 'f,
        Self: 'f,
    {
        match *self {}
    }
}

macro_rules! names {
    ($($rule:ident)*) => {
        [$(stringify!($rule)),*]
    };
}

/// `R101`, "an accepted job's end": `r101_an_accepted_jobs_end`.
fn name_of(rule: &Rule) -> String {
    let title = rule.title.to_lowercase().replace('\'', "");
    let words = title.split(|letter: char| !letter.is_alphanumeric());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    format!("{}_{}", rule.id.to_lowercase(), words.join("_"))
}

#[test]
fn every_rule_has_its_promise_for_a_name() {
    let named = for_each_rule! { (names) };
    let rules: Vec<String> = all::<Unbuilt>().iter().map(name_of).collect();
    assert_eq!(rules, named);
}
