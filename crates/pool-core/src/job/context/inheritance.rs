//! What a job hands down to its children: its deadline, its token, and values (`R406`).

use std::time::Instant;

use super::{AsyncContext, Cancellation};
use crate::job::cancel_token::CancelToken;
use crate::job::extensions::{Carried, Extensions};
use crate::job::watch_list::Watch;
use crate::job::{Extras, JobOptions, Terms};
use crate::submit::executor::Parent;

/// What a job hands down to its children: its deadline, its token, and the values that are
/// inherited, but not its name (`R406`).
///
/// Apart from [`JobOptions`], since most children have nothing but these: what becomes of them is
/// made at once.
pub(crate) struct Inherited {
    deadline: Option<Instant>,
    token: Option<CancelToken>,
    values: Extensions,
}

impl Inherited {
    /// Returns what they become in a child that has no options of its own. As
    /// [`JobOptions::resolve`].
    #[inline(always)]
    pub(crate) fn into_terms(self) -> Option<Terms> {
        let Self {
            deadline,
            token,
            values,
        } = self;
        if deadline.is_none() && token.is_none() && values.is_empty() {
            std::mem::forget((token, values)); // see `JobOptions::resolve`
            return None;
        }
        Some(Terms {
            name: None,
            deadline,
            token,
            is_ahead: false,
            carried: Carried::new(values, None),
            watch: Watch::default(),
            alarm: Watch::default(),
        })
    }
}

impl From<Inherited> for JobOptions {
    fn from(inherited: Inherited) -> Self {
        let values = inherited.values;
        Self {
            deadline: inherited.deadline,
            token: inherited.token,
            extras: (!values.is_empty()).then(|| Extras::of(values)),
            ..Self::default()
        }
    }
}

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
) -> Inherited {
    Inherited {
        deadline: terms.and_then(|terms| terms.deadline),
        token: token_of(terms, cancellation),
        values,
    }
}

/// What the context of a closure hands down.
#[derive(Clone, Copy)]
pub(super) struct OfClosure<'a> {
    pub(super) terms: Option<&'a Terms>,
    pub(super) cancellation: Option<&'a dyn Cancellation>,
}

impl Parent for OfClosure<'_> {
    #[inline(always)]
    fn inherited(self) -> Inherited {
        let values = Terms::inherited_values(self.terms);
        inherited(self.terms, self.cancellation, values)
    }
}

impl Parent for &AsyncContext {
    fn inherited(self) -> Inherited {
        self.hands_down()
    }
}
