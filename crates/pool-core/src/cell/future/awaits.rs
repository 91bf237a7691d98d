//! `Awaits`: the jobs of its own pool that a suspended future awaits.

use std::mem;
use std::sync::Arc;

use crate::worker::Awaited;

/// How long the list grows before it is looked through for the first time.
const FEW: usize = 16;

/// A list that may name a job twice, or one that has ended: it is looked through each time that it
/// has doubled, so that a poll that awaits the same jobs again costs what it notes and no more.
pub(super) struct Awaits {
    jobs: Vec<Arc<dyn Awaited>>,
    most: usize,
}

impl Default for Awaits {
    fn default() -> Self {
        Self {
            jobs: Vec::new(),
            most: FEW,
        }
    }
}

impl Awaits {
    /// Adds jobs. Those that are not on the list any more come back, to be dropped where nothing is
    /// locked.
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

    /// Those that have not ended.
    pub(super) fn alive(&self) -> impl Iterator<Item = &Arc<dyn Awaited>> {
        self.jobs.iter().filter(|job| !job.is_ended())
    }
}
