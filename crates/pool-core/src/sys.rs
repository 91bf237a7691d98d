//! The machine as the pool sees it: threads, time, locks and fences, and what happens at a fork.

pub(crate) mod asymmetric_fence;
pub(crate) mod atfork;
pub mod machine;
pub(crate) mod published;
pub(crate) mod sync;
pub(crate) mod thread_index;
