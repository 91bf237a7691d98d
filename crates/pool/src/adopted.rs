//! The engines that a caller lends to a pool.

use std::fmt;

use crate::choice::Backend;

/// An engine of the caller's for each backend that can run on one.
///
/// A pool keeps them for its whole life: a swap back to a backend runs on the same engine again.
#[derive(Clone, Default)]
pub(crate) struct AdoptedEngines {
    /// For [`Backend::Rayon`].
    #[cfg(feature = "rayon")]
    pub(crate) rayon: Option<std::sync::Arc<rayon::ThreadPool>>,
    /// For [`Backend::Async`].
    #[cfg(feature = "async")]
    pub(crate) tokio: Option<tokio::runtime::Handle>,
    /// The backend of the one that was given last.
    ///
    /// It is the pool's backend where none is chosen by name.
    pub(crate) latest: Option<Backend>,
}

impl fmt::Debug for AdoptedEngines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdoptedEngines")
            .field("latest", &self.latest)
            .finish_non_exhaustive()
    }
}

// Nothing in here is called by a builder or a pool of this crate: the engines are passed on as they
// are.
impl std::panic::UnwindSafe for AdoptedEngines {}
impl std::panic::RefUnwindSafe for AdoptedEngines {}
