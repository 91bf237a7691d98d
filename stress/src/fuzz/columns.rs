//! What the columns of a pool's counts may say, by the histories of its jobs.

use std::collections::HashMap;

use pool::Outcome;

use super::record::{Mark, Record};

/// The columns in which a job's end may be counted.
pub(super) fn possible(record: &Record) -> Vec<Outcome> {
    if record.has(Mark::Dropped) {
        // It left its pool unstarted, whatever its handle has done since.
        return vec![Outcome::Abandoned];
    }
    let mut possible = match (record.result(), record.outcome()) {
        (Some(result), _) => vec![result],
        (None, Some(outcome)) => vec![outcome],
        (None, None) => {
            let mut possible = vec![Outcome::Abandoned];
            if record.has(Mark::MayExpire) {
                possible.push(Outcome::Expired);
            }
            possible.push(Outcome::Cancelled);
            possible
        }
    };
    // A job that was taken out, and then joined by a job that still ran, stays unstarted.
    if record.has(Mark::Late) && !possible.contains(&Outcome::Abandoned) {
        possible.push(Outcome::Abandoned);
    }
    possible
}

/// For each outcome, the least and the most jobs that ended that way; `Abandoned` includes the
/// unstarted ones.
#[derive(Debug, Default, Clone)]
pub(super) struct Columns {
    pub(super) accepted: u64,
    pub(super) perhaps: u64,
    ranges: HashMap<u8, (u64, u64)>,
}

impl Columns {
    pub(super) fn add(&mut self, possible: &[Outcome], is_doubtful: bool) {
        for &outcome in possible {
            let range = self.ranges.entry(outcome as u8).or_default();
            range.0 += u64::from(possible.len() == 1 && !is_doubtful);
            range.1 += 1;
        }
    }

    /// Halves may be jobs or not; one that panicked is in no other column.
    pub(super) fn halves(&mut self, all: u64, panicked: u64) {
        for outcome in Outcome::ALL {
            let more = match outcome {
                Outcome::Completed => all - panicked.min(all),
                Outcome::Panicked => panicked,
                _ => all,
            };
            self.ranges.entry(outcome as u8).or_default().1 += more;
        }
    }

    pub(super) fn range(&self, outcome: Outcome) -> (u64, u64) {
        self.ranges
            .get(&(outcome as u8))
            .copied()
            .unwrap_or_default()
    }
}
