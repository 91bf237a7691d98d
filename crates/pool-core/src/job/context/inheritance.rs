//! What a job hands down to its children: its deadline, its token, and values (`R406`).

use super::{AsyncContext, Cancellation};
use crate::job::cancel_token::CancelToken;
use crate::job::extensions::Extensions;
use crate::job::{JobOptions, Terms};
use crate::submit::executor::Parent;

/// A token that is cancelled with a job that has these options, and that this can cancel. `None`
/// for a job that only its pool can cancel.
#[inline(always)]
pub(super) fn token_of<C: Cancellation + ?Sized>(
    terms: Option<&Terms>,
    cancellation: Option<&C>,
) -> Option<CancelToken> {
    let own = cancellation.and_then(Cancellation::token);
    own.or_else(|| terms?.token.clone())
}

/// What the children of a job inherit that has these options, and that this can cancel.
#[inline(always)]
pub(super) fn inherited<C: Cancellation + ?Sized>(
    terms: Option<&Terms>,
    cancellation: Option<&C>,
    values: Extensions,
) -> JobOptions {
    let token = token_of(terms, cancellation);
    let deadline = terms.and_then(|terms| terms.deadline);
    JobOptions::inherited(deadline, token, values)
}

/// What the context of a closure hands down.
#[derive(Clone, Copy)]
pub(super) struct OfClosure<'a> {
    pub(super) terms: Option<&'a Terms>,
    pub(super) cancellation: Option<&'a dyn Cancellation>,
}

impl Parent for OfClosure<'_> {
    #[inline(always)]
    fn inherited(self) -> JobOptions {
        let values = Terms::values(self.terms);
        inherited(self.terms, self.cancellation, values.inherited())
    }
}

impl Parent for &AsyncContext {
    fn inherited(self) -> JobOptions {
        self.inherited()
    }
}
