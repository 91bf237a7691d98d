//! A rule as data, and how to run one: on its own thread, with a time limit, with a panic as the
//! verdict.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use pool_core::Capability;

use crate::fixture::Fixture;
use crate::subject::Subject;

/// Time limit for one rule. It is far above what any rule takes, even on a busy machine: only a
/// hang meets it.
const LIMIT: Duration = Duration::from_secs(60);

/// How binding a rule is.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// For every executor.
    Required,
    /// For executors with this capability; its name, and how to read it.
    Optional(&'static str, fn(&Capability) -> bool),
    /// A pass is evidence, not proof.
    Stochastic,
}

/// One rule of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its number in the contract: `"R101"`.
    pub id: &'static str,
    /// What it promises, in one line.
    pub title: &'static str,
    /// Which executors it binds.
    pub kind: Kind,
    /// The test. It panics to fail, and returns why if the rule does not apply.
    pub(crate) test: fn(Subject) -> Applied,
}

/// What a rule's test returns when it has not failed.
#[derive(Debug)]
pub(crate) enum Applied {
    /// The rule holds.
    Held,
    /// The rule does not apply to this executor, for this reason.
    NotHere(&'static str),
}

/// The verdict of a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It holds.
    Passed,
    /// It does not apply, for this reason.
    Skipped(String),
    /// It is broken: this was seen.
    Failed(String),
}

impl Kind {
    /// For executors that run futures.
    pub(crate) const ASYNC_JOBS: Self = Self::Optional("async_jobs", |can| can.async_jobs);
}

impl Rule {
    /// Whether a test has this rule's name: the rule's id in either case, which a `_` and more text
    /// may follow.
    pub fn is_named(&self, name: &str) -> bool {
        let id = name.split('_').next().unwrap_or(name);
        self.id.eq_ignore_ascii_case(id)
    }

    /// Whether a simulation can check the rule. A simulated thread has its last turn before its
    /// locals are dropped, and `R112` is about those drops.
    pub fn can_be_simulated(&self) -> bool {
        self.id != "R112"
    }

    pub(crate) fn new(
        id: &'static str,
        title: &'static str,
        kind: Kind,
        test: fn(Subject) -> Applied,
    ) -> Self {
        Self {
            id,
            title,
            kind,
            test,
        }
    }

    /// A rule for every executor.
    pub(crate) fn required(
        id: &'static str,
        title: &'static str,
        test: fn(Subject) -> Applied,
    ) -> Self {
        Self::new(id, title, Kind::Required, test)
    }

    /// Runs the rule on a fixture's executor.
    pub fn run<F: Fixture>(&self) -> Verdict {
        self.run_within::<F>(LIMIT)
    }

    /// Runs the rule on the calling thread, without a time limit: for a thread of a simulation,
    /// which has its own.
    pub fn run_here<F: Fixture>(&self) -> Verdict {
        self.verdict_on(Subject::of::<F>())
    }

    /// Runs the rule with a given time limit: faulty executors hang by design.
    pub fn run_within<F: Fixture>(&self, limit: Duration) -> Verdict {
        self.verdict_within(Subject::of::<F>(), limit)
    }

    fn verdict_on(&self, subject: Subject) -> Verdict {
        if let Some(skipped) = self.skipped(subject) {
            return skipped;
        }
        verdict(catch_unwind(AssertUnwindSafe(|| (self.test)(subject))))
    }

    fn verdict_within(&self, subject: Subject, limit: Duration) -> Verdict {
        if let Some(skipped) = self.skipped(subject) {
            return skipped;
        }
        let (send, heard) = mpsc::channel();
        let test = self.test;
        let body = move || {
            let result = catch_unwind(AssertUnwindSafe(|| test(subject)));
            // Past the limit the receiver is gone.
            let _heard = send.send(verdict(result));
        };
        let thread = thread::Builder::new().name(self.id.to_owned()).spawn(body);
        let thread = thread.expect("the system gives the test a thread");
        match heard.recv_timeout(limit) {
            Ok(verdict) => {
                // The body catches its own panic.
                let _ended = thread.join();
                verdict
            }
            Err(_) => Verdict::Failed(format!("it hung: no end after {limit:?}")),
        }
    }

    fn skipped(&self, subject: Subject) -> Option<Verdict> {
        match self.kind {
            Kind::Optional(name, has) if !has(&subject.capability()) => {
                let reason = format!("the executor does not claim `{name}`");
                Some(Verdict::Skipped(reason))
            }
            _ => None,
        }
    }
}

fn verdict(result: std::thread::Result<Applied>) -> Verdict {
    match result {
        Ok(Applied::Held) => Verdict::Passed,
        Ok(Applied::NotHere(reason)) => Verdict::Skipped(reason.to_owned()),
        Err(payload) => Verdict::Failed(message(&*payload)),
    }
}

fn message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}
