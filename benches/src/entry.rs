//! `Entry`: a contestant, by name.

use std::fmt;
use std::str::FromStr;

use anyhow::{Context, Result};

use crate::contestants::{Row, TABLE};
use crate::sample::Measures;
use crate::setup::{Face, Setup};
use crate::workload::Workload;

/// What a contestant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One of this project's backends.
    Ours,
    /// A crate of another project, used as its documentation says.
    Library,
    /// What people write themselves: threads on a channel of boxed closures.
    HandWritten,
    /// What the machine charges for the bare step: no pool can be below it.
    Floor,
    /// One of this project's backends, used in another way: shows what the difference costs.
    Variant,
}

/// A contestant: a row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Entry(usize);

impl Entry {
    /// Every contestant, in the order of the tables.
    pub const ALL: &'static [Self] = &{
        let mut all = [Self(0); TABLE.len()];
        let mut next = 0;
        while next < all.len() {
            all[next] = Self(next);
            next += 1;
        }
        all
    };

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it is.
    pub fn kind(self) -> Kind {
        self.row().kind
    }

    /// What it is and how it is used, in a sentence for people.
    pub fn note(self) -> &'static str {
        self.row().note
    }

    /// Whether it waits at a bound; one that does not has less to do.
    pub fn is_bounded(self) -> bool {
        self.row().is_bounded
    }

    /// Whether it is one of this project's.
    pub fn is_ours(self) -> bool {
        matches!(self.kind(), Kind::Ours | Kind::Variant)
    }

    /// Whether this build can run it: external ones need the feature `peers`.
    pub fn is_compiled_in(self) -> bool {
        cfg!(feature = "peers") || !matches!(self.kind(), Kind::Library | Kind::HandWritten)
    }

    pub(crate) fn survives_panics(self) -> bool {
        self.row().survives_panics
    }

    /// Whether it has what `face` asks for.
    pub(crate) fn has(self, face: Face) -> bool {
        self.row().play(face).is_some()
    }

    /// Whether it takes part in `workload` alone, or in few like it; `None`: in all that it can
    /// run.
    pub(crate) fn only(self) -> Option<&'static [Workload]> {
        self.row().only
    }

    /// Workloads that it can run but does not run here.
    pub(crate) fn except(self) -> &'static [Workload] {
        self.row().except
    }

    pub(crate) fn run(self, setup: &Setup) -> Result<Measures> {
        let play = self.row().play(setup.workload.face());
        let play = play.with_context(|| format!("`{self}` cannot run `{}`", setup.workload))?;
        play(setup).with_context(|| format!("`{self}`"))
    }

    fn row(self) -> &'static Row {
        &TABLE[self.0]
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({self})")
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Entry {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> Result<Self> {
        let found = Self::ALL.iter().copied().find(|it| it.name() == name);
        found.with_context(|| {
            let names: Vec<&str> = Self::ALL.iter().map(|it| it.name()).collect();
            format!(
                "no contestant is named `{name}`; there are {}",
                names.join(", ")
            )
        })
    }
}
