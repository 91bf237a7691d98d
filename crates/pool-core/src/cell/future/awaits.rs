//! `Awaits`: the jobs of its own pool that a suspended future awaits.
//!
//! The list is in the future's links, under their lock. The owner of the poll adds to it after a
//! poll, and helpers read it.

use std::mem;
use std::sync::Arc;

use crate::worker::Awaited;

/// The length up to which the list grows before it is looked through for the first time.
const FEW: usize = 16;

/// A list that may name a job twice, or one that has ended: it is looked through each time that it
/// has doubled, so that a poll that awaits the same jobs again costs what it notes and no more.
pub(super) struct Awaits {
    /// The jobs in the order in which they were awaited, or by id after the list was looked
    /// through.
    jobs: Vec<Arc<dyn Awaited>>,
    /// The length above which the next `add` looks through the list: twice what was left the last
    /// time, and at least [`FEW`].
    most: usize,
}

/// The empty list.
impl Default for Awaits {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            most: FEW,
        }
    }
}

impl Awaits {
    /// Adds jobs. Returns those that are no longer on the list, because they have ended or are
    /// there twice; the caller drops them where nothing is locked.
    pub(super) fn add(&mut self, mut awaited: Vec<Arc<dyn Awaited>>) -> Vec<Arc<dyn Awaited>> {
        self.jobs.append(&mut awaited);
        if self.jobs.len() <= self.most {
            return awaited;
        }
        self.jobs.sort_unstable_by_key(|job| job.id());
        let mut former = awaited;
        let mut last = None;
        for job in mem::take(&mut self.jobs) {
            let is_new = last.replace(job.id()) != Some(job.id());
            let list = if is_new && !job.is_ended() {
                &mut self.jobs
            } else {
                &mut former
            };
            list.push(job);
        }
        self.most = FEW.max(2 * self.jobs.len());
        former
    }

    /// Returns the jobs that have not ended. A job may come twice.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Arc<dyn Awaited>> {
        self.jobs.iter().filter(|job| !job.is_ended())
    }
}
