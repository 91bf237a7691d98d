//! To be written.

use crate::fixture::Fixture;
use crate::rule::Rule;

pub(crate) fn rules<F: Fixture>() -> Vec<Rule> {
    vec![]
}
