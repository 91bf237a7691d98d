//! `Intake`: the result of a submission, as the histories of the soak and the fuzzer record it.

use std::sync::atomic::{AtomicU8, Ordering::SeqCst};

/// The result of a submission.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Intake {
    /// On its way, or unknown since the way in does not say.
    Unknown = 0,
    Accepted = 1,
    Refused = 2,
}

/// An [`Intake`] that the submitting thread sets and other threads read.
#[derive(Debug, Default)]
pub(crate) struct IntakeCell(AtomicU8);

impl IntakeCell {
    pub(crate) fn set(&self, intake: Intake) {
        self.0.store(intake as u8, SeqCst);
    }

    pub(crate) fn get(&self) -> Intake {
        match self.0.load(SeqCst) {
            0 => Intake::Unknown,
            1 => Intake::Accepted,
            _ => Intake::Refused,
        }
    }
}
