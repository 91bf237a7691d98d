//! `Row`: a contestant in the table.

use anyhow::Result;

use crate::entry::Kind;
use crate::sample::Measures;
use crate::setup::{Face, Setup};
use crate::workload::Workload;

/// Builds the contestant and runs the workload of a setup on it.
pub(crate) type Play = fn(&Setup) -> Result<Measures>;

/// A contestant in the table.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) note: &'static str,
    pub(crate) is_bounded: bool,
    pub(crate) survives_panics: bool,
    pub(crate) only: Option<&'static [Workload]>,
    pub(crate) except: &'static [Workload],
    plays: [Option<Play>; Face::COUNT],
}

impl Row {
    /// A contestant that has no bound, does not survive a panic, and has no face yet.
    pub(super) const fn new(name: &'static str, kind: Kind, note: &'static str) -> Self {
        Self {
            name,
            kind,
            note,
            is_bounded: false,
            survives_panics: false,
            only: None,
            except: &[],
            plays: [None; Face::COUNT],
        }
    }

    pub(super) const fn bounded(mut self) -> Self {
        self.is_bounded = true;
        self
    }

    pub(super) const fn survives_panics(mut self) -> Self {
        self.survives_panics = true;
        self
    }

    /// Takes part only in these workloads.
    pub(super) const fn only(mut self, workloads: &'static [Workload]) -> Self {
        self.only = Some(workloads);
        self
    }

    /// Does not take part in these, although it has the face.
    pub(super) const fn except(mut self, workloads: &'static [Workload]) -> Self {
        self.except = workloads;
        self
    }

    /// Has `face`, which `play` runs.
    pub(super) const fn on(mut self, face: Face, play: Play) -> Self {
        self.plays[face as usize] = Some(play);
        self
    }

    pub(crate) fn play(&self, face: Face) -> Option<Play> {
        self.plays[face as usize]
    }
}
