//! The queues that backends share, and the permits that bound them.

pub(crate) mod permits;
pub(crate) mod ring;
pub(crate) mod shared;
