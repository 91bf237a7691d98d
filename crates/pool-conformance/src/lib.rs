//! The contract of a worker pool as a test suite that any executor can run.
//!
//! Say how to build your executor ([`Fixture`]), name the suite ([`conformance!`]), and `cargo
//! test` runs every rule against it. A rule that your executor's
//! [`Capability`](pool_core::Capability) does not promise is shown as skipped, never as passed.
//!
//! [`faulty`] holds executors that break one rule each: the kit is tested by catching them.
//!
//! Without the feature `rules`, which is on by default, only [`probe`] is left: what tests wait and
//! count with, without the minute in which the rules are compiled.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "rules"),
    allow(dead_code, unused_imports, reason = "the rules use the rest")
)]

pub mod probe;
mod thread;

#[cfg(feature = "rules")]
mod channel;
#[cfg(feature = "rules")]
pub mod faulty;
#[cfg(feature = "rules")]
mod fixture;
#[cfg(feature = "rules")]
mod polling;
#[cfg(feature = "rules")]
mod rule;
#[cfg(feature = "rules")]
mod rules;
#[cfg(feature = "rules")]
mod subject;
#[cfg(feature = "rules")]
mod threads;

#[cfg(feature = "rules")]
pub use self::{
    fixture::Fixture,
    rule::{Kind, Rule, Verdict},
    rules::all,
};

/// Names one test for each rule of the contract, run against a [`Fixture`]:
/// `conformance!(MyFixture);`
///
/// The module must not hold tests of the same names.
#[macro_export]
macro_rules! conformance {
    ($fixture:ty) => {
        $crate::for_each_rule! { ($crate::rule_tests) $fixture; }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! rule_tests {
    ($fixture:ty; $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::check::<$fixture>(stringify!($rule));
            }
        )*
    };
}

/// Runs the rule that [has this name](Rule::is_named), and panics unless it passed or does not
/// apply.
///
/// # Panics
/// If the rule failed, with what it saw; or if there is no such rule.
#[cfg(feature = "rules")]
pub fn check<F: Fixture>(name: &str) {
    let rules = all();
    let rule = rules
        .iter()
        .find(|rule| rule.is_named(name))
        .unwrap_or_else(|| panic!("no rule is named {name}"));
    match rule.run::<F>() {
        Verdict::Passed => {}
        Verdict::Skipped(reason) => announce(rule.id, &reason),
        Verdict::Failed(reason) => panic!("{} ({}): {reason}", rule.id, rule.title),
    }
}

#[cfg(feature = "rules")]
#[expect(
    clippy::print_stderr,
    reason = "a skipped rule must be seen, and libtest has no other way"
)]
fn announce(id: &str, reason: &str) {
    eprintln!("{id} skipped: {reason}");
}
