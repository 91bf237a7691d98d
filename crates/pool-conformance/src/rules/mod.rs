//! Every rule of the contract, a chapter a file.

mod bombs;
mod cancellation;
mod execution;
mod failures;
mod futures;
mod home;
mod intake;
mod ledger;
mod outcomes;
mod results;
mod shutdown;
mod swapping;
mod waiting;
mod workers;

use crate::fixture::Fixture;
use crate::rule::Rule;

/// Every rule, in the order of the contract.
pub fn all<F: Fixture>() -> Vec<Rule> {
    [
        intake::rules::<F>(),
        execution::rules::<F>(),
        failures::rules::<F>(),
        cancellation::rules::<F>(),
        results::rules::<F>(),
        shutdown::rules::<F>(),
        ledger::rules::<F>(),
        futures::rules::<F>(),
        swapping::rules::<F>(),
    ]
    .concat()
}

/// Calls a macro with the given tokens, then the name of every rule. The test
/// `every_rule_has_a_name` holds it to [`all`].
#[doc(hidden)]
#[macro_export]
macro_rules! for_each_rule {
    (($($call:tt)+) $($given:tt)*) => {
        $($call)+! { $($given)*
            r101 r102 r103 r104 r105 r106 r107 r108 r109 r110 r111 r112 r113
            r201 r202 r203 r204 r205 r206 r207 r208 r209 r210
            r301 r302 r303 r304 r305 r306
            r401 r402 r403 r404 r405 r406 r407
            r501 r502 r503 r504 r505 r506
            r601 r602 r603 r604 r605 r606 r607 r608 r609 r610 r611 r612
            r701 r702
            r801 r802 r803 r804
            r901 r902 r903
        }
    };
}

#[cfg(test)]
mod tests;
